//! A static musl build, as routers have it, where the toolchain has no standard library for musl: the standard library is
//! built from its sources with the agent, against Debian's musl.
//!
//! ```text
//!   rust-src (Debian, by hash) ─▶ sources ─┐
//!   the toolchain, by hard links ──────────┴─▶ a toolchain of our own ─▶ cargo -Zbuild-std ─▶ ld, musl's crt and libc
//! ```

use crate::packages::{self, BINUTILS, DPKG, GCC, MUSL_TOOLS};
use crate::process;
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that is built.
pub(super) const TARGET: &str = "x86_64-unknown-linux-musl";
/// Where Debian keeps musl's start files and library.
const MUSL: &str = "/usr/lib/x86_64-linux-musl";
/// The sources of the standard library must be those of the compiler: `(compiler, package version, SHA-256, suite)`.
const SOURCES: (&str, &str, &str, &str) = (
    "1.95.0",
    "1.95.0+dfsg1-2~bpo13+1",
    "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b",
    "trixie-backports",
);
/// Debian's own keys, where they do not lie among those trusted for everything.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// gcc's unwinder asks glibc for this; it takes "not found" and looks itself.
const UNWINDER_GAP: &str =
    "int _dl_find_object(void *pc, void *found) { (void)pc; (void)found; return -1; }\n";

/// What was built.
pub(super) struct Built {
    pub(super) program: PathBuf,
    /// What the linker says of its sections.
    pub(super) map: PathBuf,
}

/// Builds the agent with the profile `small` into `target_directory`; `arguments` are further ones of cargo.
pub(super) fn build(target_directory: &Path, arguments: &[&str]) -> Result<Built> {
    packages::ensure(&[GCC, BINUTILS, MUSL_TOOLS, DPKG])?;
    let folder = target_directory.join("musl");
    let toolchain = toolchain(&folder)?;
    let unwinder = unwinder(&folder)?;
    let written = folder.join("agent.map");
    if written.exists() {
        fs::remove_file(&written).with_context(|| written.display().to_string())?;
    }
    let start = |name: &str| format!("-Clink-arg={MUSL}/{name}");
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Clink-self-contained=no".to_owned(),
        "-Clinker=ld".to_owned(),
        // A panic aborts and says where it was; nobody unwinds, and tables for it would be an eighth of the program.
        "-Cforce-unwind-tables=no".to_owned(),
        start("rcrt1.o"),
        start("crti.o"),
        start("crtn.o"),
        format!("-Lnative={MUSL}"),
        format!("-Lnative={}", unwinder.display()),
        // The start files come behind the library that they need.
        "-Clink-arg=-lc".to_owned(),
        format!("-Clink-arg=-Map={}", written.display()),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(toolchain.join("bin")).chain(std::env::split_paths(&path)),
    )?;
    let mut cargo = Command::new(toolchain.join("bin/cargo"));
    process::run(
        cargo
            .current_dir(crate::workspace::root())
            .args(["build", "--package", "glimpse-agent", "--locked"])
            .args(["--profile", "small", "--target", TARGET])
            .args(arguments)
            .args(["-Zbuild-std=std,panic_abort"])
            .args(["-Zbuild-std-features=optimize_for_size"])
            .env("PATH", path)
            // What cargo was told about the other toolchain must not reach this one.
            .env_remove("RUSTC")
            .env_remove("RUSTDOC")
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO")
            .env_remove("LD_LIBRARY_PATH")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CC_x86_64_unknown_linux_musl", MUSL_TOOLS.program)
            .env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS",
                flags.join(" "),
            ),
    )?;
    let program = target_directory.join(TARGET).join("small/glimpse-agent");
    // What was built before is not linked again: each kind of build keeps its own map.
    let map = folder.join(format!("agent{}.map", arguments.concat()));
    if written.exists() {
        fs::rename(&written, &map).with_context(|| map.display().to_string())?;
    }
    Ok(Built { program, map })
}

/// A copy of the toolchain, by hard links, that has the sources of its standard library.
fn toolchain(folder: &Path) -> Result<PathBuf> {
    let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let version = text(rustc().arg("--version"))?;
    let (compiler, ..) = SOURCES;
    ensure!(
        version.split(' ').nth(1) == Some(compiler),
        "the size is taken with Rust {compiler}, whose standard library is built from pinned sources; this is {version}"
    );
    let copy = folder.join(format!("toolchain-{compiler}"));
    let ready = folder.join(format!("toolchain-{compiler}.ready"));
    if ready.is_file() {
        return Ok(copy);
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
    let place = copy.join("lib/rustlib/src");
    fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
    let link = place.join("rust");
    // A toolchain with the component has its own sources there, of the same version.
    if !link.join("library/std/Cargo.toml").is_file() {
        std::os::unix::fs::symlink(&sources, &link).with_context(|| link.display().to_string())?;
    }
    fs::write(&ready, "").with_context(|| ready.display().to_string())?;
    Ok(copy)
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

/// A folder with `libunwind.a`, by which the standard library calls gcc's unwinder.
fn unwinder(folder: &Path) -> Result<PathBuf> {
    let library = text(Command::new(GCC.program).arg("-print-file-name=libgcc_eh.a"))?;
    let place = folder.join("unwinder");
    fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
    let (source, object) = (place.join("gap.c"), place.join("gap.o"));
    fs::write(&source, UNWINDER_GAP)?;
    process::run(
        Command::new(MUSL_TOOLS.program)
            .args(["-Os", "-c", "-o"])
            .args([&object, &source]),
    )?;
    let archive = place.join("libunwind.a");
    fs::copy(&library, &archive).with_context(|| library.clone())?;
    process::run(Command::new("ar").arg("r").args([&archive, &object]))?;
    Ok(place)
}

/// What a command prints, without the line end.
fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(process::read(command)?)?
        .trim_end()
        .to_owned())
}
