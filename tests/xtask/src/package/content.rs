//! What is packed: read from the Makefiles of the feed, so that a buildroot and this command ship the same.

use super::ipk::Package;
use super::makefile::{Makefile, Source, Step};
use super::tree::Tree;
use super::{lmo, minify};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Where the agent's package lies in the sources.
pub(super) const AGENT: &str = "openwrt/net/glimpse-agent";
/// Where LuCI's lies.
pub(super) const LUCI: &str = "luci/luci-app-glimpse";
/// The name by which a buildroot knows the feed.
const FEED: &str = "feeds/glimpse";
/// As LuCI writes languages in its menu.
const LANGUAGES: [(&str, &str); 1] = [("de", "Deutsch (German)")];
/// Beside the Makefile of LuCI's package, and where each goes.
const LUCI_FOLDERS: [(&str, &str); 3] = [
    ("htdocs", "www"),
    ("root", ""),
    ("ucode", "usr/share/ucode/luci"),
];
/// What `luci.mk` runs after the installation.
const LUCI_POSTINST: &str = "[ -n \"${IPKG_INSTROOT}\" ] || { \\\n\
    \trm -f /tmp/luci-indexcache.*\n\
    \trm -rf /tmp/luci-modulecache/\n\
    \t/etc/init.d/rpcd reload 2>/dev/null\n\
    \texit 0\n\
    }\n";

/// The package `name` of the agent's Makefile, with the program that was built for `architecture`.
pub(super) fn agent(
    root: &Path,
    name: &str,
    architecture: &str,
    program: &[u8],
) -> Result<Package> {
    let makefile = Makefile::read(&root.join(AGENT))?;
    let field = |field: &str| makefile.field(name, field);
    let mut files = Tree::default();
    for step in makefile.install(name)? {
        match step {
            Step::Directory(path) => files.folder(&path),
            Step::File(Source::Built(_), mode, path) => files.file(&path, mode, program),
            Step::File(Source::Beside(file), mode, path) => {
                let content = fs::read(&file).with_context(|| file.display().to_string())?;
                files.file(&path, mode, content);
            }
        }
    }
    let block = |part: &str| makefile.block(&format!("Package/{name}/{part}"));
    Ok(Package {
        depends: Makefile::depends(&field("DEPENDS")?),
        conflicts: field("CONFLICTS")?,
        provides: field("PROVIDES")?,
        default_variant: field("DEFAULT_VARIANT")? == "1",
        section: field("SECTION")?,
        user: field("USERID")?,
        url: field("URL")?,
        description: block("description").unwrap_or_default(),
        conffiles: block("conffiles").unwrap_or_default(),
        postinst: block("postinst"),
        prerm: block("prerm"),
        files,
        ..blank(&makefile, name, AGENT, architecture)?
    })
}

/// LuCI's package and one of each language.
pub(super) fn luci(root: &Path) -> Result<Vec<Package>> {
    let makefile = Makefile::read(&root.join(LUCI))?;
    let name = makefile.variable("PKG_NAME")?;
    let application = Package {
        depends: Makefile::depends(makefile.variable("LUCI_DEPENDS")?),
        section: "luci".to_owned(),
        description: makefile.variable("LUCI_DESCRIPTION")?.to_owned(),
        postinst: Some(LUCI_POSTINST.to_owned()),
        files: pages(makefile.folder())?,
        ..blank(&makefile, name, LUCI, makefile.variable("LUCI_PKGARCH")?)?
    };
    let mut packages = vec![application];
    for (code, language) in LANGUAGES {
        packages.push(translation(&makefile, code, language)?);
    }
    Ok(packages)
}

fn pages(folder: &Path) -> Result<Tree> {
    let mut files = Tree::default();
    for (from, to) in LUCI_FOLDERS {
        let from = folder.join(from);
        if from.is_dir() {
            files.copy(&from, to)?;
        }
    }
    files.edit(|path, content| {
        let text = std::str::from_utf8(content).ok()?;
        match Path::new(path).extension()?.to_str()? {
            "js" => Some(minify::script(text).into_bytes()),
            "css" => Some(minify::style(text).into_bytes()),
            "json" => {
                let value: serde_json::Value = serde_json::from_str(text).ok()?;
                serde_json::to_vec(&value).ok()
            }
            _ => None,
        }
    });
    Ok(files)
}

fn translation(makefile: &Makefile, code: &str, language: &str) -> Result<Package> {
    let application = makefile.variable("PKG_NAME")?;
    let base = application.trim_start_matches("luci-app-");
    let name = format!("luci-i18n-{base}-{code}");
    let mut files = Tree::default();
    files.file(
        &format!("etc/uci-defaults/{name}"),
        0o644,
        format!("uci set luci.languages.{code}='{language}'; uci commit luci\n"),
    );
    let folder = makefile.folder().join("po").join(code);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let table = lmo::compile(&text).with_context(|| path.display().to_string())?;
        let domain = path.file_stem().unwrap_or_default().to_string_lossy();
        files.file(
            &format!("usr/lib/lua/luci/i18n/{domain}.{code}.lmo"),
            0o644,
            table,
        );
    }
    ensure!(
        files.files().count() > 1,
        "{}: no translation",
        folder.display()
    );
    Ok(Package {
        depends: vec![application.to_owned()],
        section: "luci".to_owned(),
        description: format!("Translation for {application} - {language}"),
        files,
        ..blank(makefile, &name, LUCI, "all")?
    })
}

/// What all packages of a Makefile share.
fn blank(makefile: &Makefile, name: &str, folder: &str, architecture: &str) -> Result<Package> {
    super::ipk::check_name(name)?;
    super::ipk::check_name(architecture)?;
    let variable = |name: &str| makefile.variable(name).unwrap_or_default().to_owned();
    Ok(Package {
        name: name.to_owned(),
        version: makefile.version()?,
        architecture: architecture.to_owned(),
        depends: Vec::new(),
        conflicts: String::new(),
        provides: String::new(),
        default_variant: false,
        source: format!("{FEED}/{folder}"),
        source_name: variable("PKG_NAME"),
        licence: variable("PKG_LICENSE"),
        licence_files: variable("PKG_LICENSE_FILES"),
        section: String::new(),
        user: String::new(),
        url: String::new(),
        maintainer: variable("PKG_MAINTAINER"),
        description: String::new(),
        conffiles: String::new(),
        postinst: None,
        prerm: None,
        files: Tree::default(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workspace;

    #[test]
    fn versions_are_those_of_the_workspace() {
        for folder in [AGENT, LUCI] {
            let makefile = Makefile::read(&workspace::root().join(folder)).unwrap();
            assert_eq!(
                makefile.variable("PKG_VERSION").unwrap(),
                env!("CARGO_PKG_VERSION"),
                "{folder}"
            );
        }
    }

    #[test]
    fn both_packages_of_the_agent_are_of_the_same_files() {
        let root = workspace::root();
        let full = agent(&root, "glimpse-agent", "x86_64", b"p").unwrap();
        let mini = agent(&root, "glimpse-agent-mini", "x86_64", b"p").unwrap();
        assert_eq!(full.files.tar(0).unwrap(), mini.files.tar(0).unwrap());
        assert_eq!(full.user, "glimpse=447:glimpse=447");
        assert_eq!(full.depends, ["ca-bundle"]);
        assert_eq!(
            (mini.provides.as_str(), full.provides.as_str()),
            ("glimpse-agent", "")
        );
        // On the other one it would be a loop in Kconfig: what provides the name depends on its absence.
        assert_eq!(
            (mini.conflicts.as_str(), full.conflicts.as_str()),
            ("", "glimpse-agent-mini")
        );
        assert_eq!((mini.default_variant, full.default_variant), (false, true));
        assert_eq!(full.postinst, mini.postinst);
        assert!(full.postinst.unwrap().contains("-HUP ubusd"));
        assert_eq!(full.prerm, mini.prerm);
        assert!(full.prerm.unwrap().contains("\"${IPKG_INSTROOT}\""));
    }
}
