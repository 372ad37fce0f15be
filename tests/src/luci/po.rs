//! Translations, as gettext writes them.

use serde_json::{Map, Value};

/// The texts of a PO file: source to translation, or to the list of its plural forms. What is not translated, or fuzzy, is
/// left out. A context stands before its text, with U+0004 between.
pub fn texts(po: &str) -> Map<String, Value> {
    let mut all = Map::new();
    for block in po.split("\n\n") {
        if block
            .lines()
            .any(|line| line.starts_with("#,") && line.contains("fuzzy"))
        {
            continue;
        }
        let mut entry = Entry::default();
        for line in block.lines() {
            entry.take(line.trim());
        }
        if let Some((source, translation)) = entry.done() {
            all.insert(source, translation);
        }
    }
    all
}

#[derive(Default)]
struct Entry {
    context: Option<String>,
    source: Option<String>,
    plural: bool,
    forms: Vec<String>,
    at: Place,
}

#[derive(Default, Clone, Copy)]
enum Place {
    #[default]
    Nowhere,
    Context,
    Source,
    Form(usize),
}

impl Entry {
    fn take(&mut self, line: &str) {
        let (word, text) = match line.find('"') {
            Some(at) => (line[..at].trim(), unquoted(&line[at..])),
            None => return,
        };
        match word {
            "msgctxt" => self.at = Place::Context,
            "msgid" => self.at = Place::Source,
            "msgid_plural" => {
                self.plural = true;
                self.at = Place::Nowhere;
            }
            "msgstr" => self.at = Place::Form(0),
            "" => {}
            other => {
                let number = other
                    .strip_prefix("msgstr[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .and_then(|digits| digits.parse().ok());
                self.at = number
                    .filter(|&n| n < 6)
                    .map_or(Place::Nowhere, Place::Form);
            }
        }
        match self.at {
            Place::Nowhere => {}
            Place::Context => self.context.get_or_insert_default().push_str(&text),
            Place::Source => self.source.get_or_insert_default().push_str(&text),
            Place::Form(number) => {
                self.forms
                    .resize(self.forms.len().max(number + 1), String::new());
                self.forms[number].push_str(&text);
            }
        }
    }

    fn done(self) -> Option<(String, Value)> {
        let source = self.source.filter(|source| !source.is_empty())?;
        if self.forms.is_empty() || self.forms.iter().any(String::is_empty) {
            return None;
        }
        let key = match self.context {
            Some(context) => format!("{context}\u{4}{source}"),
            None => source,
        };
        let value = if self.plural {
            Value::from(self.forms)
        } else {
            Value::from(self.forms.concat())
        };
        Some((key, value))
    }
}

fn unquoted(text: &str) -> String {
    let inner = text.trim().trim_start_matches('"');
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut plain = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => {}
            },
            (other, false) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plural_context_and_long_texts_are_read() {
        let po = "msgid \"\"\nmsgstr \"Language: de\\n\"\n\n#: a.js:1\nmsgid \"Save \\\"it\\\"\"\nmsgstr \"\"\n\"Sichere \"\n\"es\"\n\n\
                  msgid \"%d hop\"\nmsgid_plural \"%d hops\"\nmsgstr[0] \"%d Station\"\nmsgstr[1] \"%d Stationen\"\n\n\
                  msgctxt \"verb\"\nmsgid \"Test\"\nmsgstr \"Prüfe\"\n\n#, fuzzy\nmsgid \"Old\"\nmsgstr \"Alt\"\n\nmsgid \"New\"\nmsgstr \"\"\n";
        assert_eq!(
            Value::Object(texts(po)),
            json!({"Save \"it\"": "Sichere es", "%d hop": ["%d Station", "%d Stationen"], "verb\u{4}Test": "Prüfe"})
        );
    }
}
