//! The package file of opkg: three archives within one.
//!
//! ```text
//!   NAME_VERSION_ARCH.ipk   gzip(tar: ./debian-binary ./data.tar.gz ./control.tar.gz)
//!     data.tar.gz           the files, from the root
//!     control.tar.gz        control, conffiles, postinst, prerm, …
//! ```

use super::gzip;
use super::tree::{self, Tree};
use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::fmt::Write as _;
use std::io::Read;

/// What `include/package-pack.mk` writes around a package's own script.
const POSTINST: &str = "#!/bin/sh\n\
    [ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0\n\
    [ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n\
    . ${IPKG_INSTROOT}/lib/functions.sh\n\
    default_postinst $0 $@\n";
const PRERM: &str = "#!/bin/sh\n\
    [ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n\
    . ${IPKG_INSTROOT}/lib/functions.sh\n\
    default_prerm $0 $@\n";

/// A package before it is packed.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// OpenWrt's name of it; `all` for none in particular.
    pub(super) architecture: String,
    pub(super) depends: Vec<String>,
    pub(super) conflicts: String,
    pub(super) provides: String,
    /// Whether it is what people get who ask for the name that others provide too.
    pub(super) default_variant: bool,
    /// Where its Makefile lies in a feed.
    pub(super) source: String,
    pub(super) source_name: String,
    pub(super) licence: String,
    pub(super) licence_files: String,
    pub(super) section: String,
    /// `USER=UID:GROUP=GID`, or nothing.
    pub(super) user: String,
    pub(super) url: String,
    pub(super) maintainer: String,
    pub(super) description: String,
    /// Files whose changes survive an upgrade, one a line.
    pub(super) conffiles: String,
    /// The package's own scripts, as a shell gets them.
    pub(super) postinst: Option<String>,
    pub(super) prerm: Option<String>,
    pub(super) files: Tree,
}

impl Package {
    /// The name of the file.
    pub(super) fn file_name(&self) -> String {
        format!("{}_{}_{}.ipk", self.name, self.version, self.architecture)
    }

    /// The file, dated `time`.
    pub(super) fn pack(&self, time: u64) -> Result<Vec<u8>> {
        let data = self.files.tar(time)?;
        let mut control = Tree::default();
        control.file("control", 0o644, self.control(time, data.len()));
        control.file("postinst", 0o755, POSTINST);
        control.file("prerm", 0o755, PRERM);
        if !self.conffiles.is_empty() {
            control.file("conffiles", 0o644, self.conffiles.as_str());
        }
        for (name, script) in [("postinst-pkg", &self.postinst), ("prerm-pkg", &self.prerm)] {
            if let Some(script) = script {
                control.file(name, 0o755, script.as_str());
            }
        }
        let mut outer = Vec::new();
        for (name, content) in [
            ("./debian-binary", b"2.0\n".to_vec()),
            ("./data.tar.gz", gzip::small(&data)?),
            ("./control.tar.gz", gzip::fast(&control.tar(time)?)?),
        ] {
            tree::entry(&mut outer, name, b'0', 0o644, time, &content)?;
        }
        outer.resize((outer.len() + 1024).next_multiple_of(10_240), 0);
        gzip::fast(&outer)
    }

    /// The control file: fields in the order in which a buildroot writes them.
    fn control(&self, time: u64, size: usize) -> String {
        let (time, size) = (time.to_string(), size.to_string());
        let depends = self.depends.join(", ");
        let mut text = String::new();
        for (field, value) in [
            ("Package", self.name.as_str()),
            ("Version", &self.version),
            ("Depends", &depends),
            ("Conflicts", &self.conflicts),
            ("Provides", &self.provides),
            ("Source", &self.source),
            ("SourceName", &self.source_name),
            ("License", &self.licence),
            ("LicenseFiles", &self.licence_files),
            ("Section", &self.section),
            ("Require-User", &self.user),
            ("SourceDateEpoch", &time),
            ("URL", &self.url),
            ("Maintainer", &self.maintainer),
            ("Architecture", &self.architecture),
            ("Installed-Size", &size),
        ] {
            if !value.is_empty() {
                let _ = writeln!(text, "{field}: {value}");
            }
        }
        text.push_str("Description: ");
        for line in self.description.lines() {
            let _ = writeln!(text, " {}", line.trim());
        }
        text
    }
}

/// The control file in a package file.
pub(super) fn control_of(ipk: &[u8]) -> Result<String> {
    let outer = unzip(ipk)?;
    let control = member(&outer, "./control.tar.gz").context("no control.tar.gz")?;
    let inner = unzip(control)?;
    let text = member(&inner, "./control").context("no control file")?;
    Ok(std::str::from_utf8(text)?.to_owned())
}

fn unzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut content)?;
    Ok(content)
}

/// The content of a member of an archive of ours.
fn member<'a>(tar: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = tar;
    loop {
        let (header, behind) = rest.split_at_checked(512)?;
        let size = std::str::from_utf8(header.get(124..135)?).ok()?;
        let size = usize::from_str_radix(size, 8).ok()?;
        let content = behind.get(..size)?;
        if header.split(|&byte| byte == 0).next() == Some(name.as_bytes()) {
            return Some(content);
        }
        rest = behind.get(size.next_multiple_of(512)..)?;
    }
}

/// Fails when the description would make a control file of another shape.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte));
    ensure!(fits, "'{name}' is no name of a package or an architecture");
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A package with two files.
    pub(in super::super) fn package() -> Package {
        let mut files = Tree::default();
        files.file("usr/sbin/x", 0o755, "#!/bin/sh\n");
        files.file("etc/config/x", 0o600, "config x 'x'\n");
        Package {
            name: "x".to_owned(),
            version: "1.0-r2".to_owned(),
            architecture: "mips_24kc".to_owned(),
            depends: vec!["ca-bundle".to_owned(), "y".to_owned()],
            conflicts: String::new(),
            provides: "z".to_owned(),
            default_variant: false,
            source: "feeds/f/net/x".to_owned(),
            source_name: "x".to_owned(),
            licence: "Apache-2.0".to_owned(),
            licence_files: "LICENSE".to_owned(),
            section: "net".to_owned(),
            user: "x=1:x=1".to_owned(),
            url: "https://example.org".to_owned(),
            maintainer: "A <a@example.org>".to_owned(),
            description: "  One\n\n  two\n".to_owned(),
            conffiles: "/etc/config/x\n".to_owned(),
            postinst: None,
            prerm: Some("#!/bin/sh\ntrue\n".to_owned()),
            files,
        }
    }

    #[test]
    fn the_control_file_has_its_fields_in_order() {
        let package = package();
        let ipk = package.pack(5).unwrap();
        assert_eq!(package.file_name(), "x_1.0-r2_mips_24kc.ipk");
        assert_eq!(
            control_of(&ipk).unwrap(),
            "Package: x\nVersion: 1.0-r2\nDepends: ca-bundle, y\nProvides: z\nSource: feeds/f/net/x\nSourceName: x\n\
             License: Apache-2.0\nLicenseFiles: LICENSE\nSection: net\nRequire-User: x=1:x=1\nSourceDateEpoch: 5\n\
             URL: https://example.org\nMaintainer: A <a@example.org>\nArchitecture: mips_24kc\nInstalled-Size: 10240\n\
             Description:  One\n \n two\n"
        );
        assert_eq!(ipk, package.pack(5).unwrap());
        assert_ne!(ipk, package.pack(6).unwrap());
    }

    #[test]
    fn names_are_checked_and_damage_is_told() {
        check_name("arm_cortex-a7_neon-vfpv4").unwrap();
        for name in ["", "a b", "../x"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let ipk = package().pack(5).unwrap();
        assert!(control_of(&ipk[..ipk.len() / 2]).is_err());
        assert!(control_of(b"!<arch>\n").is_err());
    }
}
