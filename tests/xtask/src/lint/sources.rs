//! The project's own Rust files, and the words that must not stand in them.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Marks of unfinished work. Put together here, so that this file does not hold them itself.
const UNFINISHED: [&str; 3] = [
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

/// Every `.rs` file below `root`, sorted; hidden folders and `target` are left out.
pub(super) fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Fails with every place where a mark of unfinished work stands.
pub(super) fn check_words(root: &Path) -> Result<()> {
    let mut places = Vec::new();
    for path in rust_files(root)? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        places.extend(unfinished(&text).map(|(line, word)| format!("{shown}:{line}: {word}")));
    }
    if places.is_empty() {
        return Ok(());
    }
    bail!("marks of unfinished work:\n{}", places.join("\n"))
}

fn unfinished(text: &str) -> impl Iterator<Item = (usize, &'static str)> + '_ {
    text.lines().enumerate().flat_map(|(i, line)| {
        UNFINISHED
            .into_iter()
            .filter(|word| line.contains(word))
            .map(move |word| (i + 1, word))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_are_found_with_their_line() {
        let text = format!("fn a() {{}}\nfn b() {{ {}) }}\n", UNFINISHED[1]);
        assert_eq!(unfinished(&text).collect::<Vec<_>>(), [(2, UNFINISHED[1])]);
        assert_eq!(unfinished("let undone = 1;\n").count(), 0);
    }

    #[test]
    fn files_are_found_and_builds_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/b/c.rs", "a/target/x.rs", ".hidden/y.rs", "a/z.txt"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, UNFINISHED[0]).unwrap();
        }
        assert_eq!(
            rust_files(folder.path()).unwrap(),
            [folder.path().join("a/b/c.rs")]
        );
        let said = check_words(folder.path()).unwrap_err().to_string();
        assert!(said.contains("a/b/c.rs:1"), "{said}");
        assert!(!said.contains("x.rs"), "{said}");
    }
}
