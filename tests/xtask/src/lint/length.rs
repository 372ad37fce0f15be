//! Files that have grown too long, their tests not counted.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines above which a file is named.
const NAMED: usize = 450;
/// Lines above which a file must be split.
const SPLIT: usize = 800;

/// Names the long files; fails when one is too long.
pub(super) fn check(files: &[PathBuf]) -> Result<()> {
    let root = crate::workspace::root();
    let mut too_long = Vec::new();
    for path in files.iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let lines = lines_without_tests(&text);
        let shown = path.strip_prefix(&root).unwrap_or(path).display();
        if lines > SPLIT {
            too_long.push(format!(
                "{shown}: {lines} lines, at most {SPLIT} without tests"
            ));
        } else if lines > NAMED {
            eprintln!("note: {shown} has {lines} lines without its tests (over {NAMED})");
        }
    }
    if too_long.is_empty() {
        return Ok(());
    }
    bail!("{}", too_long.join("\n"))
}

/// `tests.rs`, and what lies in a folder called `tests` inside a crate. The crate `tests/` itself is no such folder: its
/// programs and library count.
fn is_test(path: &Path) -> bool {
    let below = path.strip_prefix(crate::workspace::root()).unwrap_or(path);
    path.file_name().is_some_and(|name| name == "tests.rs")
        || below.parent().is_some_and(|folder| {
            folder
                .components()
                .skip(1)
                .any(|part| part.as_os_str() == "tests")
        })
}

/// Lines outside `#[cfg(test)] mod … { … }` blocks at the outer level.
fn lines_without_tests(text: &str) -> usize {
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let opens = line == "#[cfg(test)]"
            && lines
                .peek()
                .is_some_and(|next| next.contains("mod ") && next.trim_end().ends_with('{'));
        if opens {
            // rustfmt puts the closing brace of an outer module at the start of a line.
            lines.by_ref().find(|line| *line == "}");
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tests_do_not_count() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(lines_without_tests(text), 2);
        assert_eq!(
            lines_without_tests("#[cfg(test)]\nmod tests;\nfn a() {}\n"),
            3
        );
    }

    #[test]
    fn test_files_are_known() {
        let root = crate::workspace::root();
        for (path, test) in [
            ("agent/net/tests/lab.rs", true),
            ("agent/model/src/timing/tests.rs", true),
            ("tests/tests/layering.rs", true),
            ("tests/src/lab.rs", false),
            ("tests/xtask/src/main.rs", false),
            ("agent/net/src/count.rs", false),
        ] {
            assert_eq!(is_test(&root.join(path)), test, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.rs");
        fs::write(&path, "\n".repeat(SPLIT)).unwrap();
        check(std::slice::from_ref(&path)).unwrap();
        fs::write(&path, "\n".repeat(SPLIT + 1)).unwrap();
        let said = check(&[path]).unwrap_err().to_string();
        assert!(said.contains("long.rs: 801 lines"), "{said}");
    }
}
