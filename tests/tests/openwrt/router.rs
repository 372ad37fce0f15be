//! A scratch root with busybox and stand-ins for what OpenWrt's own packages bring.

use super::ipk::Ipk;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Commands that scripts of ours or of OpenWrt call.
const APPLETS: [&str; 24] = [
    "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "dirname", "env", "find", "grep",
    "ln", "logger", "ls", "mkdir", "mktemp", "mv", "readlink", "rm", "sed", "sh", "sort", "true",
    "[",
];
/// Stand-ins: file beside this, where it goes, mode.
const STAND_INS: [(&str, &str, u32); 5] = [
    ("functions.sh", "lib/functions.sh", 0o644),
    ("rc.common", "etc/rc.common", 0o755),
    ("uci", "bin/uci", 0o755),
    ("firewall.init", "etc/init.d/firewall", 0o755),
    ("firewall.config", "etc/config/firewall", 0o600),
];

/// The scratch root.
pub(crate) struct Router {
    dir: TempDir,
}

impl Router {
    /// A root without any package of ours.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in [
            "bin",
            "dev",
            "etc/config",
            "etc/init.d",
            "lib",
            "tmp/run",
            "usr/bin",
            "usr/sbin",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink("tmp", root.join("var")).unwrap();
        let busybox = super::found("busybox");
        fs::copy(&busybox, root.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/openwrt");
        for (name, to, mode) in STAND_INS {
            fs::copy(data.join(name), root.join(to)).unwrap();
            fs::set_permissions(root.join(to), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
        fs::write(root.join("dev/null"), "").unwrap();
        Self { dir }
    }

    /// Where it is on this machine.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A path on this machine.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root().join(inside)
    }

    /// Runs a line of the shell in it, as root; panics when it fails or writes to standard error.
    pub(crate) fn sh(&self, line: &str) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = self.try_sh(line);
        let said = String::from_utf8_lossy(&stderr);
        assert!(
            status.success() && said.is_empty(),
            "{line}: {status}: {said}"
        );
        String::from_utf8(stdout).unwrap()
    }

    /// The same for lines that may fail.
    pub(crate) fn try_sh(&self, line: &str) -> Output {
        let mut command = Command::new("chroot");
        command.arg(self.root()).args(["/bin/sh", "-c", line]);
        command
            .env_clear()
            .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin");
        let output = command.output();
        output.unwrap_or_else(|error| panic!("chroot, which only root may do: {error}"))
    }

    /// Puts the package there and runs its script as opkg does; `upgrade` takes the place of a former version.
    pub(crate) fn install(&self, package: &Ipk, upgrade: bool) {
        package.install(self.root());
        self.script(package, "postinst", upgrade);
    }

    /// Runs a maintainer's script.
    pub(crate) fn script(&self, package: &Ipk, kind: &str, upgrade: bool) {
        let name = package.field("Package").unwrap();
        let upgrade = if upgrade { "PKG_UPGRADE=1 " } else { "" };
        self.sh(&format!("{upgrade}/usr/lib/opkg/info/{name}.{kind}"));
    }

    /// What init scripts asked for since the last time, one call a line.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.path("tmp/calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        calls.lines().map(str::to_owned).collect()
    }

    /// Mode, owner and group of a file.
    pub(crate) fn rights(&self, inside: &str) -> (u32, u32, u32) {
        let file = fs::symlink_metadata(self.path(inside)).unwrap();
        (file.mode() & 0o7777, file.uid(), file.gid())
    }
}
