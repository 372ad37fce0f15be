//! From YANG modules to the table of `glimpse-yang`, and libyang as the judge.
//!
//! ```text
//! yang/modules -> Statement -> Modules -> expand -> table -> yang/src/table/*.rs
//!                     \-> libyang: compiles the same texts; every node must come out alike
//! ```
//! libyang's own compiled types, ranges, patterns and conditions are out of reach of its safe bindings, so modules are expanded here
//! and the outcome is held against libyang's: node by node when the table is made ([`judge`]), and by thousands of instances in
//! the tests. A statement that is not understood stops the generation.

mod expand;
pub mod judge;
mod kinds;
mod modules;
pub mod oracle;
mod source;
mod statement;
mod table;
mod types;
mod xpath;

pub use modules::{AGENT, CONTROLLER, Folders, Module, Modules, Set};
pub use source::SIZES;
pub use statement::Statement;

use std::path::Path;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A module is asked for or imported and not there.
    #[error("{folder} has no module {module}")]
    NoModule {
        /// Its name.
        module: String,
        /// Where it was looked for.
        folder: String,
    },
    /// The text is no module, or says what the generator does not support.
    #[error("{file}:{line}: {what}")]
    Syntax {
        /// The file's name.
        file: String,
        /// The line.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A statement is wrong or not supported.
    #[error("module {module}, line {line}, `{statement}`: {what}")]
    Module {
        /// The module.
        module: String,
        /// The line.
        line: usize,
        /// Keyword and argument.
        statement: String,
        /// What is wrong.
        what: String,
    },
    /// A schema node needs what the table cannot say.
    #[error("{path}: {what}")]
    Node {
        /// Its path.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// libyang refuses a module or sees a node differently.
    #[error("libyang: {0}")]
    Judge(String),
    /// The numbers of the table are 16 bits wide.
    #[error(
        "the table has more than 65534 rows or bytes of text: the numbers of schema.rs have to grow"
    )]
    TooLarge,
}

impl Error {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}

/// What is generated for one set.
#[derive(Debug)]
pub struct Generated {
    /// The Rust source.
    pub source: String,
    /// One line per schema node.
    pub listing: String,
    /// Bytes in a program.
    pub bytes: usize,
}

/// Generates the table of a set, and has libyang look at it.
pub fn generate(set: &Set, folders: &Folders) -> Result<Generated, Error> {
    let modules = Modules::read(set, folders)?;
    let tops = expand::expand(&modules)?;
    let table = table::encode(&modules, &tops)?;
    let context = judge::context(&modules)?;
    judge::agree(&context, &modules, &tops)?;
    let mut listing = table.listing.join("\n");
    listing.push('\n');
    Ok(Generated {
        source: source::print(set, &modules, &table),
        listing,
        bytes: source::bytes(&table),
    })
}
