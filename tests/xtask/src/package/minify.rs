//! JavaScript and style sheets without what only people read: comments, indentation, blanks around signs.
//!
//! A buildroot does the same by `jsmin`. Names stay, and so does every line break that could end a statement. The test of the
//! pages' size (`tests/tests/luci_words.rs`) counts by this file as well.

/// Where a piece of a script ends and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Break,
    Word,
    Text,
    Pattern,
    Sign,
}

/// After these words a slash begins a pattern.
const BEFORE_PATTERN: [&str; 9] = [
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "else",
];

/// A script without comments and needless blanks.
pub(super) fn script(source: &str) -> String {
    let mut out = String::new();
    let mut gap = Kind::Word;
    let mut last: Option<(Kind, char)> = None;
    for (kind, piece) in pieces(source) {
        match kind {
            Kind::Blank if gap != Kind::Break => gap = Kind::Blank,
            Kind::Break => gap = Kind::Break,
            Kind::Blank => {}
            _ => {
                let first = piece.chars().next().unwrap_or(' ');
                if let Some((was, before)) = last {
                    let pattern_and_word = was == Kind::Pattern && is_word(first);
                    if gap == Kind::Break && ends(before) && begins(first) {
                        out.push('\n');
                    } else if gap != Kind::Word && (sticks(before, first) || pattern_and_word) {
                        out.push(' ');
                    }
                }
                out.push_str(piece);
                last = piece.chars().next_back().map(|end| (kind, end));
                gap = Kind::Word;
            }
        }
    }
    out.push('\n');
    out
}

/// Whether a statement may end with this character.
fn ends(character: char) -> bool {
    is_word(character) || "}])+-\"'`/".contains(character)
}

/// Whether a statement may begin with it.
fn begins(character: char) -> bool {
    is_word(character) || "{[(+-!~\"'`/".contains(character)
}

/// Whether two characters would be read as one thing without a blank between them.
fn sticks(before: char, after: char) -> bool {
    (is_word(before) && is_word(after)) || (before == after && "+-/".contains(before))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_$#\\".contains(character) || !character.is_ascii()
}

fn pieces(source: &str) -> Vec<(Kind, &str)> {
    let mut found: Vec<(Kind, &str)> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = match first {
            '\n' => (Kind::Break, 1),
            _ if first.is_whitespace() => (Kind::Blank, first.len_utf8()),
            '/' if rest.starts_with("//") => (Kind::Blank, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                let length = rest.find("*/").map_or(rest.len(), |at| at + 2);
                let lines = rest[..length].contains('\n');
                (if lines { Kind::Break } else { Kind::Blank }, length)
            }
            '"' | '\'' => (Kind::Text, text(rest, first)),
            '`' => (Kind::Text, template(rest)),
            '/' if is_pattern(&found) => (Kind::Pattern, pattern(rest)),
            _ if is_word(first) => {
                let length = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
                (Kind::Word, length)
            }
            _ => (Kind::Sign, first.len_utf8()),
        };
        let (piece, behind) = rest.split_at(length);
        found.push((kind, piece));
        rest = behind;
    }
    found
}

/// Whether a slash here begins a pattern: nothing that could be divided stands before it.
fn is_pattern(before: &[(Kind, &str)]) -> bool {
    let last = before
        .iter()
        .rfind(|(kind, _)| !matches!(kind, Kind::Blank | Kind::Break));
    match last {
        None => true,
        Some((Kind::Word, word)) => BEFORE_PATTERN.contains(word),
        Some((Kind::Sign, sign)) => !matches!(*sign, ")" | "]" | "}"),
        Some(_) => false,
    }
}

/// Length of a text in quotes.
fn text(source: &str, quote: char) -> usize {
    let mut characters = source.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// Length of a pattern; a slash within `[…]` does not end it.
fn pattern(source: &str) -> usize {
    let mut characters = source.char_indices().skip(1);
    let mut set = false;
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '[' => set = true,
            ']' => set = false,
            '/' if !set => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// Length of a template, with what stands in its `${…}`.
fn template(source: &str) -> usize {
    let mut at = 1;
    let mut depth = 0_usize;
    while let Some(character) = source.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = &source[at..];
        at += match character {
            '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            '$' if depth == 0 && rest.starts_with("${") => {
                depth = 1;
                2
            }
            '`' if depth == 0 => return at + 1,
            '`' => template(rest),
            '"' | '\'' if depth > 0 => text(rest, character),
            '{' if depth > 0 => {
                depth += 1;
                1
            }
            '}' if depth > 0 => {
                depth -= 1;
                1
            }
            other => other.len_utf8(),
        };
    }
    source.len()
}

/// A style sheet without comments and needless blanks.
pub(super) fn style(source: &str) -> String {
    let mut out = String::new();
    let mut blank = false;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("/*") {
            blank = true;
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first.is_whitespace() {
            blank = true;
            first.len_utf8()
        } else {
            let needless = |character: char| "{};,".contains(character);
            let before = out.chars().next_back().unwrap_or('{');
            if blank && !needless(before) && before != ':' && !needless(first) {
                out.push(' ');
            }
            blank = false;
            if first == '}' && before == ';' {
                out.pop();
            }
            let length = match first {
                '"' | '\'' => text(rest, first),
                other => other.len_utf8(),
            };
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn meant(source: &str) -> Vec<(Kind, &str)> {
        let mut pieces = pieces(source);
        pieces.retain(|(kind, _)| !matches!(kind, Kind::Blank | Kind::Break));
        pieces
    }

    /// The scripts below a folder.
    fn scripts(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        let each = entries.flat_map(|entry| match entry.unwrap().path() {
            path if path.is_dir() => scripts(&path),
            path if path.extension().is_some_and(|end| end == "js") => vec![path],
            _ => vec![],
        });
        each.collect()
    }

    #[test]
    fn our_pages_keep_every_word_and_sign() {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let folder = above
            .map(|dir| dir.join("luci/luci-app-glimpse/htdocs"))
            .find(|folder| folder.is_dir())
            .unwrap();
        let scripts = scripts(&folder);
        assert!(scripts.len() > 5, "{scripts:?}");
        for path in scripts {
            let source = fs::read_to_string(&path).unwrap();
            assert!(
                meant(&source) == meant(&script(&source)),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn scripts_mean_the_same() {
        for (source, made) in [
            (
                "// a\n'use strict';\n'require view';\n",
                "'use strict';'require view';\n",
            ),
            (
                "const a = 1 + +b, c = a - -1;\n",
                "const a=1+ +b,c=a- -1;\n",
            ),
            ("let a = 1\nlet b = 2\n(c)\n", "let a=1\nlet b=2\n(c)\n"),
            ("f(x => {\n\treturn x;\n}, 2);\n", "f(x=>{return x;},2);\n"),
            ("a = b\n\t? c\n\t: d;\n", "a=b?c:d;\n"),
            ("p\n\t.then(f)\n", "p.then(f)\n"),
            (
                "return /[/'] a/.test(b) / 2; // '\n",
                "return/[/'] a/.test(b)/2;\n",
            ),
            (
                "a = '  // no  ' + `  ${ b + `}  ${'}'}` }  /* */ `;\n",
                "a='  // no  '+`  ${ b + `}  ${'}'}` }  /* */ `;\n",
            ),
            ("a /* b */ in /* c\n */ d\n", "a in\nd\n"),
            ("x = /a/ in b;\n", "x=/a/ in b;\n"),
            ("x = a / b / c;\n", "x=a/b/c;\n"),
            (
                "x = y / /a/.exec(b).length;\n",
                "x=y/ /a/.exec(b).length;\n",
            ),
            ("if (a)\n\tb();\nelse\n\tc();\n", "if(a)\nb();else\nc();\n"),
            (
                "s = 'it\\'s' + \"ü – \\\\\";\n",
                "s='it\\'s'+\"ü – \\\\\";\n",
            ),
        ] {
            assert_eq!(script(source), made);
            assert_eq!(script(made), made, "again");
        }
    }

    #[test]
    fn scripts_that_are_cut_short_end() {
        for source in ["'a", "`${", "/a", "/* a", "`${ `", "\\", "`\\"] {
            assert!(script(source).ends_with('\n'), "{source}");
        }
    }

    #[test]
    fn styles_mean_the_same() {
        assert_eq!(
            style(
                "/* a */\n.b .c > d:hover, #e {\n\twidth: calc(100% - 2px);\n\tcontent: ' { ';\n}\n\n@media (max-width: 9px) {\n\tf { a: b }\n}\n"
            ),
            ".b .c > d:hover,#e{width:calc(100% - 2px);content:' { '}@media (max-width:9px){f{a:b}}\n"
        );
    }
}
