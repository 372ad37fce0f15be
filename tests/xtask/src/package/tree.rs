//! The files of a package, and their archive: `tar` in GNU's old format, the same bytes for the same files on every machine.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BLOCK: usize = 512;
/// GNU tar fills up to twenty blocks.
const RECORD: usize = 20 * BLOCK;

/// Files by the parts of their paths, so that a folder's content stands behind it in the order of names.
#[derive(Debug, Default, Clone)]
pub(super) struct Tree(BTreeMap<Vec<String>, Node>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder,
    File { mode: u32, content: Vec<u8> },
}

impl Tree {
    /// Adds a folder and those above it; `path` is relative to the root.
    pub(super) fn folder(&mut self, path: &str) {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        while !parts.is_empty() {
            self.0.entry(parts.clone()).or_insert(Node::Folder);
            parts.pop();
        }
    }

    /// Adds a file and the folders above it.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        let content = content.into();
        let parts = path.split('/').map(str::to_owned).collect();
        self.0.insert(parts, Node::File { mode, content });
    }

    /// Adds what lies below `folder` of this machine, as `prefix`/…; files are executable where they are there.
    pub(super) fn copy(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let inside = if prefix.is_empty() {
                name.into_owned()
            } else {
                format!("{prefix}/{name}")
            };
            if path.is_dir() {
                self.folder(&inside);
                self.copy(&path, &inside)?;
                continue;
            }
            let content = fs::read(&path).with_context(|| path.display().to_string())?;
            let executable = fs::metadata(&path)?.permissions().mode() & 0o100 != 0;
            self.file(&inside, if executable { 0o755 } else { 0o644 }, content);
        }
        Ok(())
    }

    /// Each file's path and content.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.0.iter().filter_map(|(parts, node)| match node {
            Node::Folder => None,
            Node::File { content, .. } => Some((parts.join("/"), content.as_slice())),
        })
    }

    /// Changes the content of every file for which `change` gives another.
    pub(super) fn edit(&mut self, change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
        for (parts, node) in &mut self.0 {
            if let Node::File { content, .. } = node
                && let Some(new) = change(&parts.join("/"), content)
            {
                *content = new;
            }
        }
    }

    /// Writes the files below `root` of this machine.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        for (parts, node) in &self.0 {
            let path = root.join(parts.join("/"));
            match node {
                Node::Folder => fs::create_dir_all(&path),
                Node::File { mode, content } => fs::write(&path, content)
                    .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode))),
            }
            .with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// The archive; every file is root's and dated `time`, in seconds since 1970.
    pub(super) fn tar(&self, time: u64) -> Result<Vec<u8>> {
        let mut tar = Vec::new();
        entry(&mut tar, "./", b'5', 0o755, time, &[])?;
        for (parts, node) in &self.0 {
            let path = format!("./{}", parts.join("/"));
            match node {
                Node::Folder => entry(&mut tar, &format!("{path}/"), b'5', 0o755, time, &[])?,
                Node::File { mode, content } => {
                    entry(&mut tar, &path, b'0', *mode, time, content)?;
                }
            }
        }
        tar.resize((tar.len() + 2 * BLOCK).next_multiple_of(RECORD), 0);
        Ok(tar)
    }
}

/// Adds one member. The order of the fields is that of `struct oldgnu_header`.
pub(super) fn entry(
    tar: &mut Vec<u8>,
    path: &str,
    kind: u8,
    mode: u32,
    time: u64,
    content: &[u8],
) -> Result<()> {
    ensure!(
        path.len() < 100,
        "{path}: too long for a header of an archive"
    );
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, format!("{time:011o}\0").as_bytes());
    // The checksum is taken with its own field full of blanks.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(block);
    tar.extend(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::process;
    use std::process::Command;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.file("etc/a/b", 0o600, "secret\n");
        tree.file("etc/a-b", 0o755, vec![7; 1025]);
        tree.file("z", 0o644, "");
        tree.folder("var/empty");
        tree
    }

    #[test]
    fn the_archive_is_the_one_that_gnu_tar_makes() {
        let folder = tempfile::tempdir().unwrap();
        tree().write(folder.path()).unwrap();
        let theirs = process::read(
            Command::new("tar")
                .env("LC_ALL", "C")
                .args(["--format=gnu", "--numeric-owner", "--sort=name"])
                .args(["--owner=0", "--group=0", "--mode=u+rw,go-w"])
                .args(["--mtime=@1700000000", "-C"])
                .arg(folder.path())
                .args(["-cf", "-", "."]),
        )
        .unwrap();
        let ours = tree().tar(1_700_000_000).unwrap();
        // The scratch folder itself is nobody else's business: its mode is the system's.
        assert_eq!(ours[BLOCK..], theirs[BLOCK..]);
        assert_eq!(ours[108..148], theirs[108..148]);
    }

    #[test]
    fn what_lies_there_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        tree().write(folder.path()).unwrap();
        let mut copy = Tree::default();
        copy.copy(folder.path(), "www").unwrap();
        let paths: Vec<String> = copy.files().map(|(path, _)| path).collect();
        assert_eq!(paths, ["www/etc/a/b", "www/etc/a-b", "www/z"]);
        copy.edit(|path, content| path.ends_with('z').then(|| [content, b"!"].concat()));
        assert_eq!(copy.files().last(), Some(("www/z".to_owned(), &b"!"[..])));
    }

    #[test]
    fn a_path_that_does_not_fit_is_named() {
        let mut tree = Tree::default();
        tree.file(&"x".repeat(98), 0o644, "");
        let said = tree.tar(0).unwrap_err().to_string();
        assert!(said.starts_with("./xxx"), "{said}");
    }
}
