//! `cargo xtask package`: the packages of OpenWrt without a buildroot, and the index of a feed of them.
//!
//! ```text
//!   openwrt/net/glimpse-agent/Makefile ─┐
//!   the agent, built for a router ──────┼─▶ files ─▶ .ipk ─▶ Packages, Packages.gz, Packages.sig
//!   luci/luci-app-glimpse ──────────────┘        └─▶ .apk
//! ```
//! The same sources give the same bytes: nothing here looks at the clock, the user or the machine.

mod apk;
mod content;
mod gzip;
mod index;
mod ipk;
mod lmo;
mod makefile;
mod minify;
mod tree;
mod usign;

use crate::process;
use crate::size::{self, Target, Variant};
use crate::workspace::{self, Metadata};
use anyhow::{Context, Result, bail, ensure};
use ipk::Package;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use usign::Key;

/// The pages.
const LUCI_PACKAGE: &str = "luci-app-glimpse";
/// Above this the command fails: bytes of the files of that package.
const LUCI_GATE: usize = 80_000;

/// What `cargo xtask package` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The kind of router
    #[arg(long, value_enum, default_value = "x86_64")]
    target: Target,
    /// `ipk` for opkg (up to 24.10), `apk` for apk
    #[arg(long, value_enum, default_value = "ipk")]
    format: Format,
    /// OpenWrt's name of the architecture, if it is another of the same kind, such as aarch64_cortex-a53
    #[arg(long)]
    architecture: Option<String>,
    /// Sign the index with this secret key of usign
    #[arg(long)]
    key: Option<PathBuf>,
    /// Make a key for --key here, its public half beside it as .pub, and nothing else
    #[arg(long, conflicts_with = "key")]
    new_key: Option<PathBuf>,
    /// Pack this file instead of building the agent
    #[arg(long, hide = true)]
    program: Option<PathBuf>,
    /// Where the packages go
    #[arg(long, hide = true)]
    into: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Ipk,
    Apk,
}

/// Makes the packages.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.new_key {
        return new_key(path);
    }
    let root = workspace::root();
    let into = match &arguments.into {
        Some(into) => into.clone(),
        None => Metadata::read(&workspace::host()?)?
            .target_directory
            .join("openwrt"),
    };
    fs::create_dir_all(&into).with_context(|| into.display().to_string())?;
    let time = source_date(&root)?;
    let architecture = arguments.architecture.as_deref();
    let architecture = architecture.unwrap_or(architecture_of(arguments.target));

    let mut packages = Vec::new();
    for variant in [Variant::Mini, Variant::Full] {
        let program = match &arguments.program {
            Some(program) => program.clone(),
            None => size::build_for(arguments.target, variant)?.program,
        };
        let bytes = fs::read(&program).with_context(|| program.display().to_string())?;
        let package = content::agent(&root, variant.package(), architecture, &bytes)?;
        check_paths(&bytes, &traces(&root)).with_context(|| program.display().to_string())?;
        if arguments.target == Target::X86_64 {
            check_version(&program, &package.version)?;
        }
        packages.push((package, gate(arguments.target, variant)));
    }
    packages.extend(
        content::luci(&root)?
            .into_iter()
            .map(|package| (package, None)),
    );

    println!(
        "packages of {architecture}, dated {time}, in {}",
        workspace::shown(&into)
    );
    let mut faults = Vec::new();
    for (package, gate) in &packages {
        let name = match arguments.format {
            Format::Ipk => write_ipk(package, &into, time)?,
            Format::Apk => apk::pack(package, &into, time)?,
        };
        let size = usize::try_from(fs::metadata(into.join(&name))?.len())?;
        let files: usize = package
            .files
            .files()
            .map(|(_, content)| content.len())
            .sum();
        println!("  {name:<48} {size:>9} bytes, installed {files:>9}");
        let pages = (package.name == LUCI_PACKAGE).then_some((files, LUCI_GATE));
        let weighed = gate.map(|gate| (size, gate)).into_iter().chain(pages);
        for (bytes, gate) in weighed.filter(|(bytes, gate)| bytes > gate) {
            faults.push(format!(
                "{name} is {} bytes over its gate of {gate}",
                bytes - gate
            ));
        }
    }
    if arguments.format == Format::Ipk {
        write_index(&into, arguments.key.as_deref())?;
    }
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

/// The commonest of OpenWrt's architectures of a kind. The program is static and runs on the others as well.
fn architecture_of(target: Target) -> &'static str {
    match target {
        Target::X86_64 => "x86_64",
        Target::Aarch64 => "aarch64_generic",
        Target::Armv7 => "arm_cortex-a7_neon-vfpv4",
        Target::Mipsel24kc => "mipsel_24kc",
        Target::Mips24kc => "mips_24kc",
    }
}

/// Above this the command fails, in bytes of the package file. The aims for mipsel are 1 500 000 and 1 000 000 (docs/figures.md).
fn gate(target: Target, variant: Variant) -> Option<usize> {
    match (target, variant) {
        (Target::X86_64, Variant::Full) => Some(2_150_000),
        (Target::X86_64, Variant::Mini) => Some(1_750_000),
        (Target::Mipsel24kc, Variant::Full) => Some(2_050_000),
        (Target::Mipsel24kc, Variant::Mini) => Some(1_650_000),
        _ => None,
    }
}

/// The date of everything in a package: that of the last commit.
fn source_date(root: &Path) -> Result<u64> {
    if let Some(given) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let given = given.to_string_lossy();
        return given
            .parse()
            .context("SOURCE_DATE_EPOCH: seconds since 1970");
    }
    let mut git = Command::new("git");
    git.current_dir(root).args(["log", "-1", "--format=%ct"]);
    let said = process::read(&mut git)
        .context("without a git tree, SOURCE_DATE_EPOCH must say of when the sources are")?;
    Ok(String::from_utf8(said)?.trim().parse()?)
}

/// What would tell of this machine: the folders where the sources of the program lie.
fn traces(root: &Path) -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folders = [Some(root.to_owned()), home];
    folders
        .into_iter()
        .flatten()
        .map(|folder| format!("{}/", folder.display()))
        .collect()
}

fn check_paths(program: &[u8], traces: &[String]) -> Result<()> {
    for trace in traces {
        let mut places = program.windows(trace.len());
        ensure!(
            !places.any(|place| place == trace.as_bytes()),
            "the program holds a path of this machine, {trace}: build it with --remap-path-prefix"
        );
    }
    Ok(())
}

/// What the buildroot's own test asks: a program that tells the version of its package.
fn check_version(program: &Path, version: &str) -> Result<()> {
    let said = process::read(Command::new(program).arg("--version"))?;
    let said = String::from_utf8_lossy(&said);
    let version = version.split('-').next().unwrap_or(version);
    ensure!(
        said.split_whitespace().any(|word| word == version),
        "the package is of version {version}, its program says: {}",
        said.trim()
    );
    Ok(())
}

fn write_ipk(package: &Package, into: &Path, time: u64) -> Result<String> {
    // Of another version there must be none: the index would offer both.
    let (before, behind) = (
        format!("{}_", package.name),
        format!("_{}.ipk", package.architecture),
    );
    for name in file_names(into)? {
        if name.starts_with(&before) && name.ends_with(&behind) {
            fs::remove_file(into.join(&name)).with_context(|| name.clone())?;
        }
    }
    let name = package.file_name();
    let path = into.join(&name);
    fs::write(&path, package.pack(time)?).with_context(|| path.display().to_string())?;
    Ok(name)
}

/// The index of all packages in the folder, of whatever router.
fn write_index(into: &Path, key: Option<&Path>) -> Result<()> {
    let mut listed = Vec::new();
    for name in file_names(into)? {
        if Path::new(&name).extension().is_some_and(|end| end == "ipk") {
            let bytes = fs::read(into.join(&name)).with_context(|| name.clone())?;
            listed.push(index::Listed { name, bytes });
        }
    }
    let text = index::packages(&listed)?;
    let signature = into.join("Packages.sig");
    fs::write(into.join("Packages"), &text)?;
    fs::write(into.join("Packages.gz"), gzip::fast(text.as_bytes())?)?;
    if let Some(path) = key {
        let secret = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let key = Key::parse(&secret).with_context(|| path.display().to_string())?;
        fs::write(&signature, key.sign(text.as_bytes()))?;
        println!("  Packages, Packages.gz, signed by key {}", key.id());
        return Ok(());
    }
    // A signature of what was there before would be worse than none.
    if signature.exists() {
        fs::remove_file(&signature)?;
    }
    println!("  Packages, Packages.gz, not signed (--key FILE; --new-key FILE makes one)");
    Ok(())
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn new_key(path: &Path) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let key = Key::generate()?;
    let public = PathBuf::from(format!("{}.pub", path.display()));
    if public.exists() {
        bail!("{} is there already", public.display());
    }
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = file.with_context(|| path.display().to_string())?;
    file.write_all(key.secret().as_bytes())?;
    fs::write(&public, key.public()).with_context(|| public.display().to_string())?;
    println!(
        "{}: secret, {}: for routers, as /etc/opkg/keys/{}",
        path.display(),
        public.display(),
        key.id()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_that_tells_of_its_machine_is_refused() {
        let traces = traces(Path::new("/somewhere/glimpse"));
        assert_eq!(traces.len(), 2, "the sources' folder and cargo's");
        for trace in &traces {
            let program = format!("panicked at {trace}src/x.rs");
            let said = check_paths(program.as_bytes(), &traces).unwrap_err();
            assert!(said.to_string().contains(trace.as_str()), "{said}");
        }
        check_paths(b"panicked at ./agent/net/src/x.rs", &traces).unwrap();
    }

    #[test]
    fn keys_are_made_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        new_key(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = Key::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let public = fs::read_to_string(folder.path().join("k.pub")).unwrap();
        assert_eq!(public, key.public());
        assert!(new_key(&path).is_err());
    }

    #[test]
    fn packages_of_another_version_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut package = ipk::tests::package();
        let old = write_ipk(&package, folder.path(), 5).unwrap();
        package.version = "1.1-r1".to_owned();
        let new = write_ipk(&package, folder.path(), 5).unwrap();
        package.architecture = "all".to_owned();
        let other = write_ipk(&package, folder.path(), 5).unwrap();
        assert_ne!(old, new);
        assert_eq!(file_names(folder.path()).unwrap(), [other, new]);
        fs::write(folder.path().join("Packages.sig"), "old").unwrap();
        write_index(folder.path(), None).unwrap();
        assert!(!folder.path().join("Packages.sig").exists());
    }
}
