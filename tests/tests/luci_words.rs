//! The words of the LuCI application: every text can be translated and is, in German; nothing from outside becomes HTML,
//! nothing is loaded from elsewhere, and all of it together is small.

#![allow(clippy::unwrap_used)]

#[path = "luci_words/catalogue.rs"]
mod catalogue;
#[path = "../xtask/src/package/minify.rs"]
mod minify;
#[path = "luci_words/script.rs"]
mod script;

use catalogue::Message;
use glimpse_tests::luci::application;
use script::{Token, calls, tokens};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Bytes of the installed application, as `cargo xtask package` packs it.
const LARGEST: usize = 80_000;
/// The name space of SVG, which is no place to load anything from.
const SVG: &str = "http://www.w3.org/2000/svg";
/// A host that stands for one of the household's own.
const EXAMPLE: &str = "controller.example.net";
/// The one text that is no literal, in `glimpse/fields.js`: help that the agent announces with its options.
const ANNOUNCED: [&str; 2] = ["of", "description"];
/// Help of options that only some builds have (feature `doh`).
const SOMETIMES: [&str; 2] = ["path of transport Https", "method of transport Https"];
/// Names under which functions of ours pass on arrays of children.
const ARRAYS: [&str; 2] = ["children", "cell"];

/// Files of the application below `folder`, by their path, with their text.
fn files(folder: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                into.insert(path.to_str().unwrap().to_owned(), text);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(&application().join(folder), &mut all);
    all
}

fn is_of(path: &str, kind: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == kind)
}

fn scripts() -> BTreeMap<String, String> {
    let mut all = files("htdocs");
    all.retain(|path, _| is_of(path, "js"));
    assert!(all.len() >= 15, "few scripts: {:?}", all.keys());
    all
}

fn text(argument: Option<&Vec<Token>>) -> Option<String> {
    match argument.map(Vec::as_slice) {
        Some([Token::Text(text)]) => Some(text.clone()),
        _ => None,
    }
}

/// The texts of one script, and what is wrong with how they are written.
fn texts(script: &str) -> (BTreeSet<Message>, Vec<String>) {
    let tokens = tokens(script);
    let (mut found, mut faults) = (BTreeSet::new(), Vec::new());
    for (name, first) in [("_", 0), ("N_", 1)] {
        for call in calls(&tokens, name) {
            let words = |argument: &Vec<Token>| -> Vec<String> {
                let word = |token: &Token| match token {
                    Token::Word(word) => Some(word.clone()),
                    _ => None,
                };
                argument.iter().filter_map(word).collect()
            };
            let forms: Vec<Option<String>> = call.arguments[first.min(call.arguments.len())..]
                .iter()
                .map(|argument| text(Some(argument)))
                .collect();
            let needed = first + 1;
            if name == "_"
                && call
                    .arguments
                    .first()
                    .map(words)
                    .is_some_and(|w| w == ANNOUNCED)
            {
                continue;
            }
            if forms.len() < needed || forms.len() > needed + 1 || forms.iter().any(Option::is_none)
            {
                faults.push(format!("line {}: {name}() wants literals", call.line));
                continue;
            }
            let mut forms = forms.into_iter().flatten();
            let message = Message {
                text: forms.next().unwrap(),
                plural: (first == 1).then(|| forms.next().unwrap()),
                context: forms.next(),
            };
            let said = message
                .text
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            if said != message.text || said.is_empty() {
                faults.push(format!("line {}: blanks in {:?}", call.line, message.text));
            }
            found.insert(message);
        }
    }
    (found, faults)
}

/// What in a script could make HTML or a request to elsewhere of a text.
fn dangers(script: &str) -> Vec<String> {
    let tokens = tokens(script);
    let mut faults = Vec::new();
    for (token, line) in &tokens {
        match token {
            Token::Word(word)
                if [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "eval",
                    "Function",
                ]
                .contains(&word.as_str()) =>
            {
                faults.push(format!("line {line}: {word}"));
            }
            Token::Text(text) | Token::Template(text) if leads_away(text) && text != SVG => {
                faults.push(format!("line {line}: leads to {text}"));
            }
            _ => {}
        }
    }
    for call in calls(&tokens, "E") {
        let attributes = |argument: &Vec<Token>| argument.first() == Some(&Token::Sign('{'));
        let children: Vec<_> = call.arguments[1..]
            .iter()
            .filter(|argument| !attributes(argument))
            .collect();
        let right = match children.as_slice() {
            [] => true,
            [argument] => is_array(argument),
            _ => false,
        };
        if !right {
            faults.push(format!(
                "line {}: children of E() that are no array",
                call.line
            ));
        }
    }
    faults
}

/// Whether a text names a host to load from.
fn leads_away(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.split(scheme).skip(1).any(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && !rest.starts_with(EXAMPLE)
        })
    })
}

/// Whether an argument is an array: written as one, made by a function of arrays, or passed on by a known name; of a choice,
/// whether both sides are.
fn is_array(argument: &[Token]) -> bool {
    if let Some((condition, sides)) = choice(argument) {
        return !condition.is_empty() && sides.into_iter().all(is_array);
    }
    let makes = |pair: &[Token]| {
        let arrays = ["map", "concat", "slice"];
        pair[0] == Token::Sign('.')
            && matches!(&pair[1], Token::Word(word) if arrays.contains(&word.as_str()))
    };
    match argument {
        [Token::Word(name)] => ARRAYS.contains(&name.as_str()),
        [Token::Sign('['), ..] => true,
        _ => argument.windows(2).any(makes),
    }
}

/// The condition and the two sides of `condition ? one : other`.
fn choice(argument: &[Token]) -> Option<(&[Token], [&[Token]; 2])> {
    let (mut depth, mut asked, mut question) = (0, 0, None);
    for (at, token) in argument.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            Token::Sign('?') if depth == 0 => {
                asked += 1;
                question.get_or_insert(at);
            }
            Token::Sign(':') if depth == 0 && asked > 0 => {
                asked -= 1;
                if asked == 0 {
                    let question = question?;
                    let sides = [&argument[question + 1..at], &argument[at + 1..]];
                    return Some((&argument[..question], sides));
                }
            }
            _ => {}
        }
    }
    None
}

/// Titles and descriptions of menu and rights, and help of options.
fn other_texts() -> BTreeSet<Message> {
    fn walk(value: &Value, into: &mut BTreeSet<Message>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            match value
                .as_str()
                .filter(|_| ["title", "description"].contains(&name.as_str()))
            {
                Some(text) => drop(into.insert(message(text))),
                None => walk(value, into),
            }
        }
    }
    let mut all: BTreeSet<Message> = SOMETIMES.into_iter().map(message).collect();
    for (path, text) in files("root") {
        if path.contains("/menu.d/") || path.contains("/acl.d/") {
            walk(&serde_json::from_str(&text).unwrap(), &mut all);
        }
    }
    for method in glimpse_probe::registry::Registry::built_in().iter() {
        all.extend(method.options.iter().map(|option| message(&option.help)));
    }
    all
}

fn message(text: &str) -> Message {
    Message {
        text: text.to_owned(),
        ..Message::default()
    }
}

fn catalogue(path: &str) -> BTreeMap<Message, Vec<String>> {
    let text = fs::read_to_string(application().join("po").join(path)).unwrap();
    catalogue::read(&text).unwrap_or_else(|fault| panic!("po/{path}: {fault}"))
}

#[test]
fn every_text_is_in_the_catalogues_and_nothing_else() {
    let (mut needed, mut faults) = (other_texts(), Vec::new());
    for (path, script) in scripts() {
        let (found, wrong) = texts(&script);
        needed.extend(found);
        faults.extend(wrong.into_iter().map(|fault| format!("{path}: {fault}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(needed.len() > 300, "only {} texts", needed.len());
    for path in ["templates/glimpse.pot", "de/glimpse.po"] {
        let there: BTreeSet<Message> = catalogue(path).into_keys().collect();
        let missing: Vec<_> = needed.difference(&there).collect();
        let obsolete: Vec<_> = there.difference(&needed).collect();
        assert!(missing.is_empty(), "po/{path} lacks {missing:#?}");
        assert!(
            obsolete.is_empty(),
            "po/{path} has, and nobody says {obsolete:#?}"
        );
    }
}

#[test]
fn german_is_complete_and_fills_the_same_places() {
    let mut faults = Vec::new();
    for (message, forms) in catalogue("de/glimpse.po") {
        let sources = [Some(&message.text), message.plural.as_ref()];
        let sources: Vec<&String> = sources.into_iter().flatten().collect();
        if forms.len() != sources.len() {
            faults.push(format!("{} forms of {:?}", forms.len(), message.text));
        }
        for (form, source) in forms.iter().zip(sources) {
            let (given, wanted) = (
                catalogue::placeholders(form),
                catalogue::placeholders(source),
            );
            if form.trim().is_empty() || given != wanted {
                faults.push(format!("{source:?} is said as {form:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let template = catalogue("templates/glimpse.pot");
    assert!(template.values().flatten().all(String::is_empty));
}

#[test]
fn nothing_becomes_html_and_nothing_comes_from_elsewhere() {
    let mut faults = Vec::new();
    for (path, script) in scripts() {
        faults.extend(
            dangers(&script)
                .into_iter()
                .map(|fault| format!("{path}: {fault}")),
        );
    }
    for (path, text) in files("htdocs") {
        if is_of(&path, "css") && (leads_away(&text) || text.contains("@import")) {
            faults.push(format!("{path}: leads elsewhere"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_application_is_small_and_says_under_which_licence() {
    let mut sizes = BTreeMap::new();
    for (path, text) in files("htdocs").into_iter().chain(files("root")) {
        let is_script = is_of(&path, "js");
        if is_script || is_of(&path, "css") {
            let head = text.lines().next().unwrap_or_default();
            assert!(
                head.contains("SPDX-License-Identifier: Apache-2.0"),
                "{path}"
            );
        }
        let size = match Path::new(&path).extension().and_then(|end| end.to_str()) {
            Some("js") => minify::script(&text).len(),
            Some("css") => minify::style(&text).len(),
            Some("json") => serde_json::from_str::<Value>(&text)
                .unwrap()
                .to_string()
                .len(),
            _ => text.len(),
        };
        sizes.insert(path, size);
    }
    let all: usize = sizes.values().sum();
    assert!(all <= LARGEST, "{all} bytes: {sizes:#?}");
}

#[test]
fn what_is_wrong_is_found() {
    for wrong in [
        "_(name)",
        "_('a' + 'b')",
        "_(`a`)",
        "_(' a')",
        "_('a', name)",
        "N_(n, 'a', plural)",
        "N_(f(1, 2), 'a')",
    ] {
        assert!(!texts(wrong).1.is_empty(), "{wrong}");
    }
    for right in [
        "_('a')",
        "_(\"it's\", 'context')",
        "N_(f(1, 2), '%d a', '%d as')",
        "other._(name)",
        "[...N_(2, 'a', 'b')]",
        "/* _(name) */ x = /_(name)/",
    ] {
        assert_eq!(texts(right).1, [""; 0], "{right}");
    }
    for wrong in [
        "node.innerHTML = 'x'",
        "E('p', {}, 'x')",
        "E('p', {}, name)",
        "E('p', {}, _('x'))",
        "E('p', {}, '%s'.format(name))",
        "E('p', 'x')",
        "get('https://elsewhere.example/x.js')",
        "x = `http://elsewhere.example/${y}`",
        "[...E('p', {}, name)]",
        "E('p', {}, there ? [name] : there.too ? name : [])",
    ] {
        assert!(!dangers(wrong).is_empty(), "{wrong}");
    }
    for right in [
        "E('p', {}, [name])",
        "E('p', { class: name }, list.map(one => E('b', {}, [one])))",
        "E('br')",
        "E('p', {}, there ? list.map(f ? g : h) : there.too ? [name] : [])",
        "E('p', { click: () => run('x', y) }, children)",
        "'http://www.w3.org/2000/svg'",
        "'must be https:// and a host' // http://elsewhere.example",
    ] {
        assert_eq!(dangers(right), [""; 0], "{right}");
    }
}

#[test]
fn a_faulty_catalogue_is_found() {
    for wrong in [
        "#, fuzzy\nmsgid \"a\"\nmsgstr \"b\"",
        "msgid \"a\"\nmsgstr \"b\"\n\nmsgid \"a\"\nmsgstr \"c\"",
        "#~ msgid \"a\"\n#~ msgstr \"b\"",
        "msgid \"a\nmsgstr \"b\"",
    ] {
        assert!(catalogue::read(wrong).is_err(), "{wrong}");
    }
    let read = catalogue::read(
        "msgctxt \"c\"\nmsgid \"\"\n\"a %d\"\nmsgid_plural \"as\"\nmsgstr[0] \"b\"\nmsgstr[1] \"\"",
    )
    .unwrap();
    let message = Message {
        context: Some("c".to_owned()),
        text: "a %d".to_owned(),
        plural: Some("as".to_owned()),
    };
    assert_eq!(read[&message], ["b", ""]);
    assert_eq!(
        catalogue::placeholders("%s of 100 % in %.1f, %02d"),
        ["s", ".1f", "02d"]
    );
}
