//! The toolchain with the sources of its standard library, which stable ones for musl on MIPS do not bring built.

use crate::packages::DPKG;
use crate::{process, workspace};
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources of the standard library must be those of the compiler: `(compiler, package version, SHA-256, suite)`.
const SOURCES: (&str, &str, &str, &str) = (
    "1.95.0",
    "1.95.0+dfsg1-2~bpo13+1",
    "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b",
    "trixie-backports",
);
/// Debian's own keys, where they do not lie among those trusted for everything.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A copy of the toolchain.
pub(super) struct Toolchain {
    folder: PathBuf,
}

impl Toolchain {
    /// Where its programs are.
    pub(super) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// Its linker for every target.
    pub(super) fn linker(&self) -> Result<PathBuf> {
        self.tool("rust-lld")
    }

    /// Copies a program without the sections that nothing reads when it runs; those of MIPS are a tenth of it.
    pub(super) fn strip(&self, from: &Path, to: &Path) -> Result<()> {
        let mut objcopy = Command::new(self.tool("rust-objcopy")?);
        objcopy.env("LD_LIBRARY_PATH", self.folder.join("lib"));
        for section in [".pdr", ".mdebug.abi32", ".comment"] {
            objcopy.arg(format!("--remove-section={section}"));
        }
        process::run(objcopy.args([from, to]))
    }

    fn tool(&self, name: &str) -> Result<PathBuf> {
        let host = workspace::host()?;
        let tool = self.folder.join("lib/rustlib").join(host).join("bin");
        let tool = tool.join(name);
        ensure!(
            tool.is_file(),
            "this toolchain has no {}: take one that brings {name}",
            tool.display()
        );
        Ok(tool)
    }

    /// Where the standard library's sources are.
    pub(super) fn sources(&self) -> PathBuf {
        self.folder.join(PLACE)
    }
}

/// Where a toolchain keeps the sources.
const PLACE: &str = "lib/rustlib/src/rust";

/// A copy of the toolchain, by hard links, that has the sources of its standard library.
pub(super) fn prepare(folder: &Path) -> Result<Toolchain> {
    let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let version = text(rustc().arg("--version"))?;
    let (compiler, ..) = SOURCES;
    ensure!(
        version.split(' ').nth(1) == Some(compiler),
        "programs for routers are built with Rust {compiler}, whose standard library is built from pinned sources; this is {version}"
    );
    let copy = folder.join(format!("toolchain-{compiler}"));
    let ready = folder.join(format!("toolchain-{compiler}.ready"));
    if ready.is_file() {
        return Ok(Toolchain { folder: copy });
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let sources = sources(folder)?;
    let sysroot = PathBuf::from(text(rustc().args(["--print", "sysroot"]))?);
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| copy.display().to_string())?;
    }
    // Links where the file system is the same, else a real copy: rustc finds its parts from its own real path.
    let copying = |how: &str| {
        let mut command = Command::new("cp");
        command.arg(how).arg(&sysroot).arg(&copy);
        command
    };
    if !process::succeeds(&mut copying("-al")) {
        let _ = fs::remove_dir_all(&copy);
        process::run(&mut copying("-a"))?;
    }
    let link = copy.join(PLACE);
    if let Some(place) = link.parent() {
        fs::create_dir_all(place).with_context(|| place.display().to_string())?;
    }
    // A toolchain with the component has its own sources there, of the same version.
    if !link.join("library/std/Cargo.toml").is_file() {
        std::os::unix::fs::symlink(&sources, &link).with_context(|| link.display().to_string())?;
    }
    fs::write(&ready, "").with_context(|| ready.display().to_string())?;
    Ok(Toolchain { folder: copy })
}

/// The sources of the standard library, from Debian's package.
fn sources(folder: &Path) -> Result<PathBuf> {
    let (compiler, version, hash, suite) = SOURCES;
    let file = folder.join(format!("rust-src_{version}_all.deb"));
    if !file.is_file() {
        download(folder, version, suite)?;
    }
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let mut found = String::new();
    for byte in Sha256::digest(&bytes) {
        write!(found, "{byte:02x}")?;
    }
    if found != hash {
        fs::remove_file(&file)?;
        bail!(
            "{} has SHA-256 {found}, not {hash}: it was deleted",
            file.display()
        );
    }
    let unpacked = folder.join("rust-src");
    process::run(
        Command::new(DPKG.program)
            .arg("-x")
            .args([&file, &unpacked]),
    )?;
    Ok(unpacked.join(format!("usr/src/rustc-{compiler}")))
}

/// Downloads the package from the mirror that this system uses, leaving the system's own lists alone.
fn download(folder: &Path, version: &str, suite: &str) -> Result<()> {
    let mirrors = text(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(REPO_URI)",
        "Created-By: Packages",
    ]))
    .context("the sources of the standard library come from Debian's package rust-src")?;
    // The first mirror of Debian itself, not of its security updates.
    let mirror = mirrors
        .lines()
        .filter_map(|line| line.strip_prefix("Debian "))
        .find(|mirror| !mirror.contains("security"))
        .context("no Debian mirror among the sources of apt")?;
    let key = if Path::new(KEYRING).is_file() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let list = folder.join("sources.list");
    fs::write(&list, format!("deb {key}{mirror} {suite} main\n"))?;
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        command
            .current_dir(folder)
            .args(["-q", "-o"])
            .arg(option("Dir::Etc::sourcelist", &list))
            .args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o"])
            .arg(option("Dir::State::lists", &folder.join("lists")))
            .arg("-o")
            .arg(option("Dir::Cache", &folder.join("cache")))
            .args(["-o", "APT::Sandbox::User=root"]);
        command
    };
    process::run(apt().arg("update"))?;
    process::run(apt().arg("download").arg(format!("rust-src={version}")))
}

/// What a command prints, without the line end.
fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(process::read(command)?)?
        .trim_end()
        .to_owned())
}
