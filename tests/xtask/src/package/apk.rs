//! The package file of apk, made by `apk` itself where it is installed.

use super::ipk::Package;
use super::tree::Tree;
use crate::process;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// The program that packs.
const APK: &str = "apk";
/// Under which it takes the files for root's, whoever packs.
const FAKEROOT: &str = "fakeroot";

/// Packs `package` into `folder`, dated `time`, and returns the file's name.
pub(super) fn pack(package: &Package, folder: &Path, time: u64) -> Result<String> {
    if process::find(APK).is_none() {
        bail!(
            "`{APK}` of apk-tools 3 is not installed, and Debian has no package of it; \
             an OpenWrt buildroot has one in staging_dir/host/bin: put it on the search path"
        );
    }
    let scratch = tempfile::tempdir()?;
    let files = scratch.path().join("files");
    fs::create_dir(&files)?;
    with_lists(package)?.write(&files)?;
    let mut named = Vec::new();
    for (kind, text) in scripts(package) {
        let path = scratch.path().join(kind);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        named.push((kind, path.into_os_string()));
    }
    let name = format!("{}-{}.apk", package.name, package.version);
    let owner = fs::metadata(&files)?.uid();
    let mut command = packer(owner, process::find(FAKEROOT).is_some())?;
    command
        .env("SOURCE_DATE_EPOCH", time.to_string())
        .args(arguments(package, &named))
        .arg("--files")
        .arg(&files)
        .arg("--output")
        .arg(folder.join(&name));
    process::run(&mut command)?;
    Ok(name)
}

/// The program that packs: it records the owner of the files, and on the router they are root's.
fn packer(owner: u32, has_fakeroot: bool) -> Result<Command> {
    if owner == 0 {
        return Ok(Command::new(APK));
    }
    if !has_fakeroot {
        bail!(
            "`{APK}` records who owns the files, and on a router that must be root: \
             install {FAKEROOT}, or run this as root"
        );
    }
    let mut command = Command::new(FAKEROOT);
    command.arg(APK);
    Ok(command)
}

/// The package's files with the lists that OpenWrt's scripts read.
fn with_lists(package: &Package) -> Result<Tree> {
    let mut files = package.files.clone();
    let place = |kind: &str| format!("lib/apk/packages/{}.{kind}", package.name);
    let mut list = String::new();
    let mut hashes = String::new();
    for (path, content) in package.files.files() {
        writeln!(list, "/{path}")?;
        if package
            .conffiles
            .lines()
            .any(|line| line.trim_start_matches('/') == path)
        {
            writeln!(hashes, "/{path} {:x}", Sha256::digest(content))?;
        }
    }
    files.file(&place("list"), 0o644, list);
    if !package.conffiles.is_empty() {
        files.file(&place("conffiles"), 0o644, package.conffiles.as_str());
        files.file(&place("conffiles_static"), 0o644, hashes);
    }
    if !package.user.is_empty() {
        files.file(&place("rusers"), 0o644, format!("{}\n", package.user));
    }
    Ok(files)
}

/// What `include/package-pack.mk` makes of a package's scripts: its own part is appended and runs in the same shell.
fn scripts(package: &Package) -> [(&'static str, String); 3] {
    let head = format!(
        "[ -s ${{IPKG_INSTROOT}}/lib/functions.sh ] || exit 0\n\
         . ${{IPKG_INSTROOT}}/lib/functions.sh\n\
         export root=\"${{IPKG_INSTROOT}}\"\n\
         export pkgname=\"{}\"\n",
        package.name
    );
    let own = |script: &Option<String>| {
        let lines = script.iter().flat_map(|script| script.lines());
        lines
            .filter(|line| !line.trim_start().starts_with("#!"))
            .fold(String::new(), |text, line| text + line + "\n")
    };
    let install = format!(
        "[ \"${{IPKG_NO_SCRIPT}}\" = \"1\" ] && exit 0\n{head}add_group_and_user\ndefault_postinst\n{}",
        own(&package.postinst)
    );
    [
        ("post-install", format!("#!/bin/sh\n{install}")),
        (
            "post-upgrade",
            format!("#!/bin/sh\nexport PKG_UPGRADE=1\n{install}"),
        ),
        (
            "pre-deinstall",
            format!("#!/bin/sh\n{head}default_prerm\n{}", own(&package.prerm)),
        ),
    ]
}

fn arguments(package: &Package, scripts: &[(&str, OsString)]) -> Vec<OsString> {
    let architecture = match package.architecture.as_str() {
        "all" => "noarch",
        other => other,
    };
    // With a version a name is exclusive: without, both variants could be installed at once.
    let provides = package.provides.split_whitespace();
    let provides: Vec<_> = provides
        .map(|name| format!("{name}={}", package.version))
        .collect();
    let priority = match (package.default_variant, provides.is_empty()) {
        (true, _) => "100",
        (false, false) => "1",
        (false, true) => "",
    };
    let description = package.description.split_whitespace().collect::<Vec<_>>();
    let mut arguments: Vec<OsString> = vec!["mkpkg".into()];
    for (field, value) in [
        ("name", package.name.as_str()),
        ("version", &package.version),
        ("description", &description.join(" ")),
        ("arch", architecture),
        ("license", &package.licence),
        ("origin", &package.source),
        ("url", &package.url),
        ("maintainer", &package.maintainer),
        ("provides", &provides.join(" ")),
        ("provider-priority", priority),
        ("depends", &package.depends.join(" ")),
    ] {
        if !value.is_empty() {
            arguments.extend(["--info".into(), format!("{field}:{value}").into()]);
        }
    }
    for (kind, path) in scripts {
        let mut argument = OsString::from(format!("{kind}:"));
        argument.push(path);
        arguments.extend(["--script".into(), argument]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::package::ipk::tests::package;

    #[test]
    fn what_apk_is_told() {
        let mut package = package();
        package.architecture = "all".to_owned();
        let told = arguments(&package, &[("post-install", "/s/post-install".into())]);
        let line: Vec<_> = told.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(
            line.join("|"),
            "mkpkg|--info|name:x|--info|version:1.0-r2|--info|description:One two|--info|arch:noarch|\
             --info|license:Apache-2.0|--info|origin:feeds/f/net/x|--info|url:https://example.org|\
             --info|maintainer:A <a@example.org>|--info|provides:z=1.0-r2|\
             --info|provider-priority:1|--info|depends:ca-bundle y|\
             --script|post-install:/s/post-install"
        );
    }

    #[test]
    fn the_default_variant_goes_first() {
        let mut package = package();
        package.provides = String::new();
        let told = |package: &Package| format!("{:?}", arguments(package, &[]));
        assert!(!told(&package).contains("prov"));
        package.default_variant = true;
        assert!(told(&package).contains("\"provider-priority:100\""));
    }

    #[test]
    fn files_are_packed_as_roots_or_not_at_all() {
        let line = |owner, has_fakeroot| packer(owner, has_fakeroot).map(|it| process::line(&it));
        assert_eq!(line(0, false).unwrap(), "apk");
        assert_eq!(line(1000, true).unwrap(), "fakeroot apk");
        let missing = line(1000, false).unwrap_err().to_string();
        assert!(missing.contains("install fakeroot"), "{missing}");
    }

    #[test]
    fn own_scripts_run_in_the_shell_of_the_others() {
        let [install, upgrade, remove] = scripts(&package()).map(|(_, text)| text);
        assert!(install.ends_with("pkgname=\"x\"\nadd_group_and_user\ndefault_postinst\n"));
        assert!(upgrade.starts_with("#!/bin/sh\nexport PKG_UPGRADE=1\n[ "));
        assert!(remove.ends_with("default_prerm\ntrue\n") && remove.matches("#!").count() == 1);
    }

    #[test]
    fn the_lists_name_every_file_and_hash_the_settings() {
        let tree = with_lists(&package()).unwrap();
        let text = |name: &str| {
            let (_, content) = tree.files().find(|(path, _)| path.ends_with(name)).unwrap();
            String::from_utf8(content.to_vec()).unwrap()
        };
        assert_eq!(text("x.list"), "/etc/config/x\n/usr/sbin/x\n");
        assert_eq!(text("x.conffiles"), "/etc/config/x\n");
        let hash = format!("{:x}", Sha256::digest("config x 'x'\n"));
        assert_eq!(
            text("x.conffiles_static"),
            format!("/etc/config/x {hash}\n")
        );
        assert_eq!(text("x.rusers"), "x=1:x=1\n");
    }
}
