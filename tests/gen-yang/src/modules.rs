//! The modules of a set: read, completed by what they import, with features and revisions settled.

use crate::{Error, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A set of modules that one program offers.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    /// The name of the constant in the table.
    pub name: &'static str,
    /// The file of the table.
    pub file: &'static str,
    /// Modules whose data nodes are offered (RFC 8525 `module`), each with the features supported.
    pub implemented: &'static [(&'static str, &'static [&'static str])],
    /// Modules of which the program is a client: in the table, but not offered.
    pub client: &'static [&'static str],
    /// Further modules: their templates of documents and their types.
    pub imported: &'static [&'static str],
}

/// What the agent offers.
pub const AGENT: Set = Set {
    name: "AGENT",
    file: "agent.rs",
    implemented: &[
        ("ietf-datastores", &[]),
        ("ietf-lmap-control", &[]),
        ("ietf-netconf-acm", &[]),
        ("ietf-restconf-monitoring", &[]),
        ("ietf-x509-cert-to-name", &[]),
        ("ietf-yang-library", &[]),
        ("glimpse-agent", &[]),
    ],
    client: &["ietf-lmap-report", "glimpse-report"],
    imported: &["ietf-restconf", "ietf-yang-patch"],
};

/// What the controller offers, and all that the agent offers.
pub const CONTROLLER: Set = Set {
    name: "CONTROLLER",
    file: "controller.rs",
    implemented: &[
        ("ietf-datastores", &[]),
        ("ietf-lmap-control", &[]),
        ("ietf-lmap-report", &[]),
        ("ietf-netconf-acm", &[]),
        ("ietf-restconf-monitoring", &[]),
        ("ietf-x509-cert-to-name", &[]),
        ("ietf-yang-library", &[]),
        ("glimpse-agent", &[]),
        ("glimpse-report", &[]),
        ("glimpse-fleet", &[]),
    ],
    client: &[],
    imported: &["ietf-restconf", "ietf-yang-patch"],
};

/// One module.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its prefix.
    pub prefix: String,
    /// Its newest revision; empty without one.
    pub revision: String,
    /// What prefixes stand for, as positions in [`Modules::all`]; its own among them.
    pub prefixes: BTreeMap<String, usize>,
    /// Whether its data nodes are in the table.
    pub implemented: bool,
    /// Whether they are so as those of a peer only.
    pub client: bool,
    /// Features supported.
    pub features: BTreeSet<String>,
    /// The statements.
    pub statement: Statement,
    /// The text with every import bound to the revision that is here.
    pub pinned: String,
}

/// The modules of a set in the order of their names.
#[derive(Debug)]
pub struct Modules {
    /// The modules.
    pub all: Vec<Module>,
}

/// Where the modules lie.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Our own, all of them.
    pub ours: PathBuf,
    /// Where to take those of the IETF from instead.
    pub canonical: Option<PathBuf>,
}

impl Folders {
    /// The name of the file of a module, `name@revision.yang` or `name.yang`; of several revisions the newest.
    fn file(&self, module: &str) -> Result<Option<PathBuf>, Error> {
        let entries = fs::read_dir(&self.ours).map_err(|source| Error::read(&self.ours, source))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|source| Error::read(&self.ours, source))?
                .path();
            let stem = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".yang"));
            if stem.is_some_and(|stem| stem.split('@').next() == Some(module)) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found.pop())
    }

    fn read(&self, module: &str) -> Result<Option<(String, String)>, Error> {
        let Some(ours) = self.file(module)? else {
            return Ok(None);
        };
        let path = match (&self.canonical, ours.file_name()) {
            (Some(folder), Some(name)) if module.starts_with("ietf-") => folder.join(name),
            _ => ours,
        };
        let text = fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
        Ok(Some((shown(&path), text)))
    }
}

fn shown(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

impl Modules {
    /// Reads the modules of `set` and all that they import.
    pub fn read(set: &Set, folders: &Folders) -> Result<Self, Error> {
        let mut texts: BTreeMap<String, (String, String, Statement)> = BTreeMap::new();
        let mut open: Vec<String> = set
            .implemented
            .iter()
            .map(|(name, _)| *name)
            .chain(set.client.iter().copied())
            .chain(set.imported.iter().copied())
            .map(str::to_owned)
            .collect();
        while let Some(name) = open.pop() {
            if texts.contains_key(&name) {
                continue;
            }
            let (file, text) = folders.read(&name)?.ok_or_else(|| Error::NoModule {
                module: name.clone(),
                folder: folders.ours.display().to_string(),
            })?;
            let statement = Statement::parse(&file, &text)?;
            if statement.keyword != "module" || statement.argument != name {
                return Err(Error::Syntax {
                    file,
                    line: statement.line,
                    what: format!("expected `module {name}`"),
                });
            }
            open.extend(
                statement
                    .all("import")
                    .map(|import| import.argument.clone()),
            );
            texts.insert(name, (file, text, statement));
        }
        let names: Vec<String> = texts.keys().cloned().collect();
        let revisions: BTreeMap<String, String> = texts
            .iter()
            .map(|(name, (_, _, statement))| (name.clone(), newest(statement)))
            .collect();
        let mut all = Vec::new();
        for (name, (file, text, statement)) in texts {
            all.push(module(
                set, &names, &revisions, name, &file, &text, statement,
            )?);
        }
        Ok(Self { all })
    }

    /// The position of a module.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|module| module.name == name)
    }
}

fn newest(statement: &Statement) -> String {
    statement
        .all("revision")
        .map(|revision| revision.argument.clone())
        .max()
        .unwrap_or_default()
}

fn module(
    set: &Set,
    names: &[String],
    revisions: &BTreeMap<String, String>,
    name: String,
    file: &str,
    text: &str,
    statement: Statement,
) -> Result<Module, Error> {
    let fault = |line: usize, what: String| Error::Syntax {
        file: file.to_owned(),
        line,
        what,
    };
    let argument = |keyword: &str| {
        statement
            .argument_of(keyword)
            .map(str::to_owned)
            .ok_or_else(|| fault(statement.line, format!("no `{keyword}`")))
    };
    let place = |module: &str| names.iter().position(|name| name == module);
    let prefix = argument("prefix")?;
    let mut prefixes = BTreeMap::new();
    prefixes.extend(place(&name).map(|at| (prefix.clone(), at)));
    let mut pinned = text.to_owned();
    let mut pins = Vec::new();
    for import in statement.all("import") {
        let short = import
            .argument_of("prefix")
            .ok_or_else(|| fault(import.line, "an import without prefix".to_owned()))?;
        prefixes.extend(place(&import.argument).map(|at| (short.to_owned(), at)));
        let here = &revisions[&import.argument];
        match import.argument_of("revision-date") {
            Some(wanted) if wanted != here => {
                return Err(fault(
                    import.line,
                    format!("imports {}@{wanted}, but {here} is here", import.argument),
                ));
            }
            Some(_) => {}
            None if here.is_empty() => {}
            None => pins.push((import.end, here)),
        }
    }
    pins.sort_unstable();
    for (at, revision) in pins.into_iter().rev() {
        pinned.insert_str(at, &format!(" revision-date {revision}; "));
    }
    for unsupported in ["include", "deviation"] {
        if let Some(found) = statement.first(unsupported) {
            return Err(fault(
                found.line,
                format!("`{unsupported}` is not supported by the generator"),
            ));
        }
    }
    let offered = set.implemented.iter().find(|(module, _)| *module == name);
    let client = set.client.contains(&name.as_str());
    Ok(Module {
        namespace: argument("namespace")?,
        prefix,
        revision: newest(&statement),
        prefixes,
        implemented: offered.is_some() || client,
        client,
        features: offered
            .map(|(_, features)| features.iter().map(|&f| f.to_owned()).collect())
            .unwrap_or_default(),
        pinned,
        name,
        statement,
    })
}
