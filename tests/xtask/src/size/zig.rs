//! Zig, for what Rust's toolchain lacks: a C compiler for every target, and musl.

use super::target::Target;
use super::toolchain::Toolchain;
use crate::packages::PYTHON;
use crate::process;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `ziglang` of Python's index, of which there is one file for each kind of machine that builds.
const VERSION: &str = "0.17.1";
/// SHA-256 of the file for Linux on `x86_64`.
const HASH: &str = "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54";
/// The parts of a static program that are not Rust's, in the order of linking.
const PARTS: [&str; 4] = ["crt1.o", "libc.a", "libzigc.a", "libcompiler_rt.a"];
/// An unwinder that finds nothing: the standard library asks one for backtraces, for which the program has no tables.
const NO_UNWINDER: &str = "\
int _Unwind_Backtrace(void *trace, void *argument) { (void)trace; (void)argument; return 5; /* the end of the stack */ }
void *_Unwind_GetIP(void *context) { (void)context; return 0; }
void *_Unwind_GetIPInfo(void *context, int *before) { (void)context; *before = 0; return 0; }
void *_Unwind_GetCFA(void *context) { (void)context; return 0; }
int _Unwind_VRS_Get(void *context, int kind, unsigned number, int form, void *value) { /* on ARM, in place of the above */
    (void)context; (void)kind; (void)number; (void)form; *(unsigned *)value = 0; return 0; }
void *_Unwind_FindEnclosingFunction(void *place) { (void)place; return 0; }
";

/// The installed program.
pub(super) struct Zig {
    program: PathBuf,
    cache: PathBuf,
}

impl Zig {
    /// Installs it into a virtual environment of Python in `folder`, once.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let environment = folder.join(format!("zig-{VERSION}"));
        let ready = folder.join(format!("zig-{VERSION}.ready"));
        let python = environment.join("bin/python3");
        if !ready.is_file() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            process::run(
                Command::new(PYTHON.program)
                    .args(["-m", "venv", "--clear"])
                    .arg(&environment),
            )
            .context("Debian keeps this module of Python in the package python3-venv")?;
            let wanted = folder.join("zig.txt");
            fs::write(
                &wanted,
                format!("ziglang=={VERSION} --hash=sha256:{HASH}\n"),
            )?;
            process::run(
                Command::new(&python)
                    .args(["-m", "pip", "install", "--quiet"])
                    .args(["--disable-pip-version-check", "--no-deps"])
                    .args(["--only-binary", ":all:", "--require-hashes", "-r"])
                    .arg(&wanted),
            )
            .context("Zig comes from PyPI, for Linux on x86_64")?;
            fs::write(&ready, "").with_context(|| ready.display().to_string())?;
        }
        let place = process::read(Command::new(&python).args([
            "-c",
            "import os, ziglang; print(os.path.dirname(ziglang.__file__), end='')",
        ]))?;
        Ok(Self {
            program: Path::new(&String::from_utf8(place)?).join("zig"),
            cache: folder.join("zig-cache"),
        })
    }

    /// Lays the C compiler, the archiver, the linker and musl for `target` into `place`.
    pub(super) fn tools(&self, toolchain: &Toolchain, target: Target, place: &Path) -> Result<()> {
        fs::create_dir_all(place).with_context(|| place.display().to_string())?;
        let (zig, cache) = (self.program.display(), self.cache.display());
        let (triple, processor) = target.zig();
        let caches =
            format!("export ZIG_GLOBAL_CACHE_DIR='{cache}' ZIG_LOCAL_CACHE_DIR='{cache}'\n");
        // Crates name targets and processors in words that are not Zig's.
        let compiler = format!(
            "#!/bin/sh\n{caches}for word; do\n\tshift\n\tcase $word in\n\t\
             --target=* | -march=* | -mcpu=* | -mfpu=* | -mfloat-abi=*) ;;\n\t*) set -- \"$@\" \"$word\" ;;\n\tesac\ndone\n\
             exec '{zig}' cc -target {triple} -mcpu={processor} -fno-sanitize=all \
             -fno-unwind-tables -fno-asynchronous-unwind-tables \"$@\"\n"
        );
        program(&place.join("glimpse-cc"), &compiler)?;
        let archiver = format!("#!/bin/sh\n{caches}exec '{zig}' ar \"$@\"\n");
        program(&place.join("glimpse-ar"), &archiver)?;
        Self::musl(place)?;
        let here = place.display();
        // Equal functions become one, and similar ones neighbours, by which the package is a sixteenth smaller.
        let linker = format!(
            "#!/bin/sh\nexec '{}' \"$@\" '{here}/crt1.o' -L'{here}' -lc -lzigc -lcompiler_rt \
             -O2 --gc-sections --icf=all --bp-compression-sort=both --build-id=none -Map='{here}/agent.map'\n",
            toolchain.linker()?.display()
        );
        program(&place.join("glimpse-ld"), &linker)
    }

    /// Lets Zig link a program of nothing, by the compiler in `place`, and keeps the parts that it took.
    fn musl(place: &Path) -> Result<()> {
        // It holds what was made from: another Zig or another unwinder makes it anew.
        let ready = place.join("musl.ready");
        let made = format!("{VERSION}\n{NO_UNWINDER}");
        if fs::read_to_string(&ready).is_ok_and(|there| there == made) {
            return Ok(());
        }
        let source = place.join("nothing.c");
        fs::write(&source, "int main(void) { return 0; }\n")?;
        let mut command = Command::new(place.join("glimpse-cc"));
        command
            .args(["-Os", "-static", "-v", "-o"])
            .args([&place.join("nothing"), &source]);
        let line = process::line(&command);
        let output = command.output().with_context(|| line.clone())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`{line}` failed: {said}");
        let linking = said
            .lines()
            .rfind(|line| line.starts_with("ld.lld "))
            .with_context(|| format!("`{line}` does not say how it links"))?;
        for part in PARTS {
            let from = linking
                .split(' ')
                .find(|word| Path::new(word).file_name().is_some_and(|name| name == part))
                .with_context(|| format!("`{line}` links no {part}"))?;
            fs::copy(from, place.join(part)).with_context(|| from.to_owned())?;
        }
        let (source, object) = (place.join("unwind.c"), place.join("unwind.o"));
        let archive = place.join("libunwind.a");
        fs::write(&source, NO_UNWINDER)?;
        process::run(
            Command::new(place.join("glimpse-cc"))
                .args(["-Os", "-c", "-o"])
                .args([&object, &source]),
        )?;
        // An archiver adds to what is there.
        if archive.exists() {
            fs::remove_file(&archive)?;
        }
        process::run(
            Command::new(place.join("glimpse-ar"))
                .arg("rcs")
                .args([&archive, &object]),
        )?;
        fs::write(&ready, made).with_context(|| ready.display().to_string())
    }
}

/// Writes a program of the shell; leaves it alone where it is the same, so that nothing is built again.
fn program(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| path.display().to_string())
}
