//! The little of `make` that OpenWrt's package Makefiles use: what is packed here and what a buildroot packs come from one
//! file.
//!
//! Variables (`NAME:=value`, `NAME+=value`), blocks (`define NAME … endef`) and blocks that are equal to another
//! (`NAME=$(OTHER)`). Conditions and calls are not followed, but for `$(call BLOCK)` at the start of a line of a block, which
//! is the block's lines.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A package's Makefile.
#[derive(Debug)]
pub(super) struct Makefile {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
    blocks: BTreeMap<String, Vec<String>>,
}

/// What a line of an install recipe makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A directory.
    Directory(String),
    /// A file with its mode.
    File(Source, u32, String),
}

/// Where an installed file comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the build, by this name.
    Built(String),
    /// From beside the Makefile.
    Beside(PathBuf),
}

impl Makefile {
    /// Reads the Makefile in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("Makefile");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text, folder).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let mut makefile = Self {
            folder: folder.to_owned(),
            variables: BTreeMap::new(),
            blocks: BTreeMap::new(),
        };
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("define ") {
                let mut block = Vec::new();
                loop {
                    match lines.next() {
                        None => bail!("`define {name}` has no `endef`"),
                        Some("endef") => break,
                        Some(line) => block.push(line.to_owned()),
                    }
                }
                makefile.blocks.insert(name.to_owned(), block);
            } else if !line.starts_with([' ', '\t', '#']) {
                makefile.assignment(line);
            }
        }
        Ok(makefile)
    }

    fn assignment(&mut self, line: &str) {
        let Some((name, value)) = line.split_once('=') else {
            return;
        };
        if let Some(name) = name.strip_suffix('+') {
            let known = self.variables.entry(name.to_owned()).or_default();
            let joined = format!("{known} {value}");
            joined.trim().clone_into(known);
        } else if let Some(name) = name.strip_suffix(':') {
            self.variables.insert(name.to_owned(), value.to_owned());
        } else if let Some(block) = reference(value).and_then(|other| self.blocks.get(other)) {
            self.blocks.insert(name.to_owned(), block.clone());
        }
    }

    /// The folder of the Makefile.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A variable's value.
    pub(super) fn variable(&self, name: &str) -> Result<&str> {
        let value = self.variables.get(name);
        value
            .map(String::as_str)
            .with_context(|| format!("the Makefile sets no {name}"))
    }

    /// Version and release, as packages show them.
    pub(super) fn version(&self) -> Result<String> {
        let (version, release) = (self.variable("PKG_VERSION")?, self.variable("PKG_RELEASE")?);
        Ok(format!("{version}-r{release}"))
    }

    /// A block's text as the shell gets it, if there is such a block.
    pub(super) fn block(&self, name: &str) -> Option<String> {
        let lines = self.blocks.get(name)?;
        Some(lines.join("\n").replace("$$", "$") + "\n")
    }

    /// A field of `define Package/NAME`, empty when it is not set.
    pub(super) fn field(&self, package: &str, name: &str) -> Result<String> {
        let mut value = String::new();
        self.collect(&format!("Package/{package}"), name, &mut value)?;
        Ok(value)
    }

    fn collect(&self, block: &str, name: &str, value: &mut String) -> Result<()> {
        let lines = self.blocks.get(block);
        for line in lines.with_context(|| format!("the Makefile defines no {block}"))? {
            let line = line.trim();
            if let Some(other) = line
                .strip_prefix("$(call ")
                .and_then(|rest| rest.strip_suffix(')'))
            {
                self.collect(other, name, value)?;
            } else if let Some(rest) = line.strip_prefix(name) {
                if let Some(set) = rest.strip_prefix(":=") {
                    set.clone_into(value);
                } else if let Some(added) = rest.strip_prefix("+=") {
                    let joined = format!("{value} {}", added.trim());
                    joined.trim().clone_into(value);
                }
            }
        }
        Ok(())
    }

    /// What a package depends on: neither marked for selection nor a condition on the target.
    pub(super) fn depends(words: &str) -> Vec<String> {
        let packages = words
            .split_whitespace()
            .filter(|word| !word.starts_with(['$', '@']));
        packages
            .map(|word| word.trim_start_matches('+').to_owned())
            .collect()
    }

    /// The install recipe of `package`.
    pub(super) fn install(&self, package: &str) -> Result<Vec<Step>> {
        let name = format!("Package/{package}/install");
        let lines = self.blocks.get(&name);
        let lines = lines.with_context(|| format!("the Makefile defines no {name}"))?;
        lines.iter().map(|line| self.step(line.trim())).collect()
    }

    fn step(&self, line: &str) -> Result<Step> {
        let unknown = || format!("no install step that is known here: {line}");
        let place = |text: &str| {
            let inside = text
                .strip_prefix("$(1)/")
                .filter(|path| !path.contains('$'));
            inside.map(str::to_owned).with_context(unknown)
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["$(INSTALL_DIR)", to] => Ok(Step::Directory(place(to)?)),
            [how, from, to] => {
                let mode = match how {
                    "$(INSTALL_BIN)" => 0o755,
                    "$(INSTALL_DATA)" => 0o644,
                    "$(INSTALL_CONF)" => 0o600,
                    _ => bail!(unknown()),
                };
                let source = match (
                    from.strip_prefix("$(PKG_INSTALL_DIR)/bin/"),
                    from.strip_prefix("./"),
                ) {
                    (Some(built), _) => Source::Built(built.to_owned()),
                    (None, Some(file)) => Source::Beside(self.folder.join(file)),
                    _ => bail!(unknown()),
                };
                Ok(Step::File(source, mode, place(to)?))
            }
            _ => bail!(unknown()),
        }
    }
}

/// The name in `$(NAME)`.
fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("$(")?.strip_suffix(')')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "PKG_VERSION:=1.2\nPKG_RELEASE:=3\n\
        define Package/x/Default\n  TITLE:=Measures\n  DEPENDS:=$(RUST_ARCH_DEPENDS) +ca-bundle @y z\nendef\n\
        define Package/x\n  $(call Package/x/Default)\n  TITLE+= (small)\nendef\n\
        define Package/x/install\n\t$(INSTALL_DIR) $(1)/usr/bin\n\t$(INSTALL_BIN) $(PKG_INSTALL_DIR)/bin/x $(1)/usr/bin/x\n\
        \t$(INSTALL_CONF) ./files/c $(1)/etc/c\nendef\n\
        Package/y/install=$(Package/x/install)\n\
        define Package/x/prerm\n#!/bin/sh\n[ -n \"$${ROOT}\" ]\nendef\n";

    #[test]
    fn what_a_package_is_made_of() {
        let makefile = Makefile::parse(TEXT, Path::new("/f")).unwrap();
        assert_eq!(makefile.version().unwrap(), "1.2-r3");
        assert_eq!(makefile.field("x", "TITLE").unwrap(), "Measures (small)");
        assert_eq!(makefile.field("x", "USERID").unwrap(), "");
        let depends = makefile.field("x", "DEPENDS").unwrap();
        assert_eq!(Makefile::depends(&depends), ["ca-bundle", "z"]);
        assert_eq!(
            makefile.block("Package/x/prerm").unwrap(),
            "#!/bin/sh\n[ -n \"${ROOT}\" ]\n"
        );
        assert_eq!(makefile.block("Package/x/postinst"), None);
        let steps = makefile.install("y").unwrap();
        assert_eq!(
            steps,
            [
                Step::Directory("usr/bin".to_owned()),
                Step::File(Source::Built("x".to_owned()), 0o755, "usr/bin/x".to_owned()),
                Step::File(
                    Source::Beside("/f/files/c".into()),
                    0o600,
                    "etc/c".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "$(CP) ./files/c $(1)/etc/c",
            "$(INSTALL_BIN) /etc/passwd $(1)/etc/c",
            "$(INSTALL_BIN) ./files/c /etc/c",
        ] {
            let text = format!("define Package/x/install\n\t{line}\nendef\n");
            let makefile = Makefile::parse(&text, Path::new("/f")).unwrap();
            let said = makefile.install("x").unwrap_err().to_string();
            assert!(said.contains(line), "{said}");
        }
        assert!(Makefile::parse("define x\n", Path::new("/f")).is_err());
    }
}
