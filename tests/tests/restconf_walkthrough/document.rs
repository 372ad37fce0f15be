//! Blocks of a document, and what they are to print.

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The configuration of the controller.
    Controller,
    /// Settings of the agent.
    Agent,
    /// Commands.
    Shell,
}

/// A block of a document.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Its line in the document.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// What stands behind it as printed; nothing where there is nothing.
    pub(crate) prints: Option<String>,
}

impl Block {
    /// Whether it only sets variables, which all blocks behind it use.
    pub(crate) fn is_of_variables(&self) -> bool {
        self.text.lines().all(|line| {
            line.split_once('=').is_some_and(|(name, value)| {
                name.bytes().all(|byte| byte.is_ascii_uppercase()) && !value.contains(' ')
            })
        })
    }
}

/// The fenced blocks below a heading, up to the next one of its level.
pub(crate) fn blocks(document: &str, heading: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = document.lines().enumerate();
    lines
        .find(|(_, line)| *line == heading)
        .expect("the heading is there");
    while let Some((at, line)) = lines.next() {
        if line.starts_with("## ") {
            break;
        }
        let Some(name) = line.strip_prefix("```") else {
            continue;
        };
        let text: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        let kind = match name {
            "toml" => Kind::Controller,
            "uci" => Kind::Agent,
            "sh" => Kind::Shell,
            "text" => {
                found.last_mut().expect("a block before it").prints = Some(text);
                continue;
            }
            other => panic!("line {}: what is a block of {other:?}?", at + 1),
        };
        found.push(Block {
            kind,
            line: at + 1,
            text,
            prints: None,
        });
    }
    found
}

/// Where `printed` is not what was expected: empty lines do not count, `…` stands for anything, alone on its line for any lines.
pub(crate) fn misfit(expected: &str, printed: &str) -> Option<String> {
    let solid = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim_end);
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (expected, printed) = (solid(expected), solid(printed));
    let mut rest = &printed[..];
    let mut skips = false;
    for wanted in &expected {
        if wanted == "…" {
            skips = true;
            continue;
        }
        let at = rest.iter().position(|line| is_like(wanted, line));
        match at {
            Some(at) if at == 0 || skips => rest = &rest[at + 1..],
            _ => {
                let found = rest.first().map_or("nothing more", String::as_str);
                return Some(format!("{wanted:?} was to be printed, not {found:?}"));
            }
        }
        skips = false;
    }
    match rest.first() {
        Some(more) if !skips => Some(format!("{more:?} was printed, too")),
        _ => None,
    }
}

fn is_like(wanted: &str, line: &str) -> bool {
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn blocks_are_found_with_what_they_print() {
    let document = "# A\n```sh\nno\n```\n## B\ntext\n```sh\nA=1\nB=$A/x\n```\n```sh\necho A=1\n```\nand\n```text\n1\n```\n## C\n```sh\nno\n```\n";
    let found = blocks(document, "## B");
    assert_eq!(found.len(), 2);
    assert!(found[0].is_of_variables() && !found[1].is_of_variables());
    assert_eq!(
        (found[1].line, found[1].prints.as_deref()),
        (11, Some("1\n"))
    );
}

#[test]
fn what_is_printed_is_held_against_the_document() {
    for (expected, printed, fits) in [
        ("204", "\n204\n", true),
        ("204", "409\n", false),
        ("204", "204\nmore\n", false),
        ("204\n…", "204\nmore\n", true),
        ("", "", true),
        ("", "x", false),
        ("200", "", false),
        ("{\"a\":…,\"b\":2}", "{\"a\":1,\"b\":2}", true),
        ("{\"a\":…,\"b\":2}", "{\"a\":1,\"b\":3}", false),
        ("…\nlast", "one\ntwo\nlast", true),
        ("…\nlast", "one\ntwo", false),
        ("a…a", "a", false),
        ("…x…", "an x in it", true),
    ] {
        let misfit = misfit(expected, printed);
        assert_eq!(
            misfit.is_none(),
            fits,
            "{expected:?} {printed:?} {misfit:?}"
        );
    }
}
