//! libyang's verdict on an instance, its defaults and its output.

use crate::{Error, Folders, Modules, Set, Statement, judge};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use yang5::context::Context;
use yang5::data::{
    Data, DataFormat, DataParserFlags, DataPrinterFlags, DataTree, DataValidationFlags,
};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A whole configuration.
    Configuration,
    /// Configuration and state, complete.
    Everything,
    /// An operation with its input in it: `{"module:operation": {"input": {…}}}`.
    Operation,
}

/// An encoding of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 7951.
    Json,
    /// RFC 7950.
    Xml,
}

/// The basic modes of RFC 6243.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// What the client set.
    Explicit,
    /// What differs from the defaults.
    Trim,
    /// Everything.
    ReportAll,
}

/// libyang with the modules of a set.
#[derive(Debug)]
pub struct Oracle {
    data: Context,
    operations: Context,
    paper: File,
}

/// A document that was accepted.
#[derive(Debug)]
pub struct Accepted<'a> {
    tree: DataTree<'a>,
    paper: &'a File,
}

/// Why a document was not. libyang tells only its last word, and not always the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// Where, as libyang has it.
    pub path: Option<String>,
    /// The `error-app-tag`.
    pub app_tag: Option<String>,
}

impl Oracle {
    /// Loads the modules.
    pub fn new(set: &Set, folders: &Folders) -> Result<Self, Error> {
        let modules = Modules::read(set, folders)?;
        let mut mirror = Modules::read(set, folders)?;
        for module in &mut mirror.all {
            module.pinned = operations_as_data(&module.pinned)?;
        }
        Ok(Self {
            data: judge::context(&modules)?,
            operations: judge::context(&mirror)?,
            paper: tempfile::tempfile().map_err(|source| Error::File {
                path: "a file for what libyang prints".to_owned(),
                source,
            })?,
        })
    }

    /// Reads, completes and validates a document.
    pub fn read(
        &self,
        purpose: Purpose,
        encoding: Encoding,
        document: &str,
    ) -> Result<Accepted<'_>, Refused> {
        // The bindings panic at a zero byte, which no encoding allows anyway.
        if document.contains('\0') {
            return Err(Refused {
                message: "a zero byte".to_owned(),
                path: None,
                app_tag: None,
            });
        }
        let context = match purpose {
            Purpose::Operation => &self.operations,
            _ => &self.data,
        };
        let format = match encoding {
            Encoding::Json => DataFormat::JSON,
            Encoding::Xml => DataFormat::XML,
        };
        let (parsing, validation) = match purpose {
            Purpose::Configuration => (
                DataParserFlags::STRICT | DataParserFlags::NO_STATE,
                DataValidationFlags::NO_STATE,
            ),
            Purpose::Everything => (DataParserFlags::STRICT, DataValidationFlags::empty()),
            Purpose::Operation => (DataParserFlags::STRICT, DataValidationFlags::PRESENT),
        };
        let tree = DataTree::parse_string(context, document, format, parsing, validation).map_err(
            |error| Refused {
                message: error.to_string(),
                path: error.path.clone(),
                app_tag: error.apptag.clone(),
            },
        )?;
        Ok(Accepted {
            tree,
            paper: &self.paper,
        })
    }
}

impl Accepted<'_> {
    /// The document in `encoding`, compact; `None` where libyang cannot print what it read.
    pub fn print(&self, encoding: Encoding, defaults: Defaults) -> Option<String> {
        let format = match encoding {
            Encoding::Json => DataFormat::JSON,
            Encoding::Xml => DataFormat::XML,
        };
        let mode = match defaults {
            Defaults::Explicit => DataPrinterFlags::WD_EXPLICIT,
            Defaults::Trim => DataPrinterFlags::WD_TRIM,
            Defaults::ReportAll => DataPrinterFlags::WD_ALL,
        };
        // Through a file, because the bindings read through a null pointer where there is nothing to print.
        let mut file = self.paper;
        self.tree
            .print_file(
                file.as_fd(),
                format,
                DataPrinterFlags::WITH_SIBLINGS | DataPrinterFlags::SHRINK | mode,
            )
            .ok()?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).ok()?;
        file.read_to_string(&mut text).ok()?;
        file.set_len(0).ok()?;
        file.seek(SeekFrom::Start(0)).ok()?;
        Some(text)
    }
}

/// The module with each operation as a container that has `input` as a container: the bindings cannot validate
/// operations. As state, which is what their rules are like: lists without keys and leaf-lists with equal entries are allowed.
fn operations_as_data(text: &str) -> Result<String, Error> {
    let module = Statement::parse("a module", text)?;
    let mut edits: Vec<(usize, usize, &str)> = Vec::new();
    for rpc in module.all("rpc") {
        edits.push((rpc.start, "rpc".len(), "container"));
        for part in &rpc.substatements {
            match part.keyword.as_str() {
                "input" => edits.push((part.start, "input".len(), "container input")),
                // Its mandatory nodes would be missed in a request.
                "output" => edits.push((part.start, part.end + 1 - part.start, "")),
                _ => {}
            }
        }
        edits.push((rpc.end, 0, " config false; presence \"invoked\"; "));
    }
    if !edits.is_empty() {
        // Else what must be in the module's data would be missed.
        for other in &module.substatements {
            if matches!(
                other.keyword.as_str(),
                "container" | "list" | "notification"
            ) {
                edits.push((other.start, other.end + 1 - other.start, ""));
            }
        }
    }
    edits.sort_unstable();
    let mut out = text.to_owned();
    for (at, length, new) in edits.into_iter().rev() {
        out.replace_range(at..at + length, new);
    }
    Ok(out)
}
