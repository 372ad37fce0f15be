//! The walker of `tests/alto`, as a program.

use glimpse_tests::program::words;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `cargo xtask test` puts its environment.
fn python() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").exists());
    let python = target.unwrap().join("tools/walker/bin/python");
    assert!(
        python.exists(),
        "{}: `cargo xtask test` installs it",
        python.display()
    );
    python
}

/// Python in the walker's folder, where it leaves nothing behind.
fn command(words: &[&str]) -> Command {
    let mut command = Command::new(python());
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("alto"))
        .arg("-B")
        .args(words);
    command
}

/// Runs a program of the walker to its end, and gives what it printed.
pub(crate) fn run(words_of_it: &[&str]) -> String {
    let output = command(words_of_it).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", words(&output));
    said
}

/// Lets the walker walk, tells `heard` each line, and gives all of them; it fails when the walker does.
pub(crate) fn walk(
    url: &str,
    ca: &Path,
    more: &[&str],
    mut heard: impl FnMut(&str),
) -> Vec<String> {
    let mut walker = command(&["-m", "walker", url, "--ca"])
        .arg(ca)
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(walker.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        heard(&line);
        said.push(line);
    }
    let status = walker.wait().unwrap();
    let failed: Vec<&String> = said
        .iter()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert!(status.success(), "{status}: {failed:#?}\n{:?}", said.last());
    said
}
