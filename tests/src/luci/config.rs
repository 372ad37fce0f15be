//! The object `uci` of a router's rpcd, on one settings file: changes wait until they are applied.

use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    kind: String,
    name: String,
    options: Vec<(String, Setting)>,
}

/// An option's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    One(String),
    List(Vec<String>),
}

/// A settings file and what is to become of it.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    staged: Option<Vec<Section>>,
    /// What stood there before changes that nobody has confirmed yet.
    before: Option<String>,
    /// How often changes were applied.
    applied: u64,
}

/// What a call is answered with: data, or a status of ubus.
pub type Answer = Result<Value, i32>;

/// The one file there is.
pub const NAME: &str = "glimpse";
/// "Invalid argument".
const ARGUMENT: i32 = 2;
/// "Not found".
pub const NOT_FOUND: i32 = 4;
/// "Method not found".
pub const NO_METHOD: i32 = 3;
/// "No data".
const NO_DATA: i32 = 5;
/// "Unknown error".
const UNKNOWN: i32 = 9;

impl Config {
    /// The settings in the file `path`, which stands where `/etc/config/NAME` stands on a router.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            staged: None,
            before: None,
            applied: 0,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// `uci get`: all sections, what waits included.
    pub fn values(&self) -> Answer {
        let sections = self.sections().map_err(|_| UNKNOWN)?;
        let values: Map<String, Value> = sections
            .iter()
            .enumerate()
            .map(|(index, section)| {
                let mut members = json!({
                    ".anonymous": false, ".type": section.kind, ".name": section.name, ".index": index,
                });
                for (name, setting) in &section.options {
                    members[name] = match setting {
                        Setting::One(text) => json!(text),
                        Setting::List(list) => json!(list),
                    };
                }
                (section.name.clone(), members)
            })
            .collect();
        Ok(json!({"values": values}))
    }

    /// `uci add`: a new section.
    pub fn add(&mut self, arguments: &Value) -> Answer {
        let mut sections = self.sections().map_err(|_| UNKNOWN)?;
        let kind = arguments["type"]
            .as_str()
            .filter(|text| is_name(text))
            .ok_or(ARGUMENT)?;
        let fresh = format!("cfg{:06x}", sections.len() + 1);
        let name = arguments["name"].as_str().unwrap_or(&fresh).to_owned();
        if !is_name(&name) {
            return Err(ARGUMENT);
        }
        sections.retain(|section| section.name != name);
        sections.push(Section {
            kind: kind.to_owned(),
            name: name.clone(),
            options: Vec::new(),
        });
        self.staged = Some(sections);
        self.change(&name, &arguments["values"])?;
        Ok(json!({"section": name}))
    }

    /// `uci set`: options of a section.
    pub fn set(&mut self, arguments: &Value) -> Answer {
        let name = arguments["section"].as_str().ok_or(ARGUMENT)?.to_owned();
        self.change(&name, &arguments["values"])?;
        Ok(Value::Null)
    }

    fn change(&mut self, name: &str, values: &Value) -> Result<(), i32> {
        let mut sections = self.sections().map_err(|_| UNKNOWN)?;
        let section = sections
            .iter_mut()
            .find(|one| one.name == name)
            .ok_or(NOT_FOUND)?;
        for (option, value) in values.as_object().into_iter().flatten() {
            let setting = match value {
                Value::Array(list) => Setting::List(list.iter().filter_map(text).collect()),
                one => Setting::One(text(one).ok_or(ARGUMENT)?),
            };
            if !is_name(option) {
                return Err(ARGUMENT);
            }
            match section
                .options
                .iter_mut()
                .find(|(known, _)| known == option)
            {
                Some((_, old)) => *old = setting,
                None => section.options.push((option.clone(), setting)),
            }
        }
        self.staged = Some(sections);
        Ok(())
    }

    /// `uci delete`: options of a section, or the whole of it.
    pub fn delete(&mut self, arguments: &Value) -> Answer {
        let name = arguments["section"].as_str().ok_or(ARGUMENT)?;
        let mut sections = self.sections().map_err(|_| UNKNOWN)?;
        let section = sections
            .iter_mut()
            .find(|one| one.name == name)
            .ok_or(NOT_FOUND)?;
        match arguments["options"].as_array() {
            Some(options) => section
                .options
                .retain(|(known, _)| !options.iter().any(|option| option == known.as_str())),
            None => sections.retain(|one| one.name != name),
        }
        self.staged = Some(sections);
        Ok(Value::Null)
    }

    /// `uci changes`: whether anything waits.
    pub fn changes(&self) -> Value {
        let lines = if self.staged.is_some() {
            json!([["set"]])
        } else {
            json!([])
        };
        json!({"changes": {NAME: lines}})
    }

    /// `uci apply`: writes the file; the caller makes the daemon read it.
    pub fn apply(&mut self) -> Answer {
        let sections = self.staged.take().ok_or(NO_DATA)?;
        self.before = Some(self.text().map_err(|_| UNKNOWN)?);
        fs::write(&self.path, written(&sections)).map_err(|_| UNKNOWN)?;
        self.applied += 1;
        Ok(Value::Null)
    }

    /// `uci confirm`: what was applied stays.
    pub fn confirm(&mut self) -> Answer {
        self.before.take().map(|_| Value::Null).ok_or(NO_DATA)
    }

    /// How often changes were applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Takes back what was `applied` last and not confirmed; tells whether there was such. What came later stays.
    pub fn roll_back(&mut self, applied: u64) -> bool {
        let before = self.before.take_if(|_| self.applied == applied);
        before.is_some_and(|text| fs::write(&self.path, text).is_ok())
    }

    /// `uci revert`: what waits is forgotten.
    pub fn revert(&mut self) {
        self.staged = None;
    }

    /// The file as it stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self) -> io::Result<String> {
        fs::read_to_string(&self.path)
    }

    fn sections(&self) -> io::Result<Vec<Section>> {
        match &self.staged {
            Some(sections) => Ok(sections.clone()),
            None => Ok(parse(&self.text()?)),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads what this module writes, and what people write on one line with single quotes.
fn parse(file: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in file.lines() {
        let words = words(line);
        match (words.as_slice(), sections.last_mut()) {
            ([word, kind, rest @ ..], _) if word == "config" => sections.push(Section {
                kind: kind.clone(),
                name: rest.first().unwrap_or(kind).clone(),
                options: Vec::new(),
            }),
            ([word, name, value], Some(section)) if word == "option" => {
                section
                    .options
                    .push((name.clone(), Setting::One(value.clone())));
            }
            ([word, name, value], Some(section)) if word == "list" => {
                match section.options.iter_mut().find(|(known, _)| known == name) {
                    Some((_, Setting::List(list))) => list.push(value.clone()),
                    _ => section
                        .options
                        .push((name.clone(), Setting::List(vec![value.clone()]))),
                }
            }
            _ => {}
        }
    }
    sections
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.trim().chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (mark, Some(open)) if mark == open => quote = None,
            (mark @ ('\'' | '"'), None) => {
                quote = Some(mark);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(letters.next()),
            ('#', None) if word.is_none() => break,
            (space, None) if space.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn written(sections: &[Section]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut file = String::new();
    for section in sections {
        let _ = writeln!(file, "config {} {}", section.kind, quoted(&section.name));
        for (name, setting) in &section.options {
            match setting {
                Setting::One(value) => {
                    let _ = writeln!(file, "\toption {name} {}", quoted(value));
                }
                Setting::List(list) => {
                    for value in list {
                        let _ = writeln!(file, "\tlist {name} {}", quoted(value));
                    }
                }
            }
        }
        file.push('\n');
    }
    file
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn changes_wait_until_they_are_applied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("glimpse");
        fs::write(&path, "config consent 'consent'\n\toption enabled '0'\n").unwrap();
        let mut config = Config::new(path.clone());
        config
            .set(&json!({"section": "consent", "values": {"enabled": "1"}}))
            .unwrap();
        config
            .add(&json!({"type": "schedule", "name": "s", "values": {"title": "it's", "option": ["host=a b", "count=3"]}}))
            .unwrap();
        assert!(config.text().unwrap().contains("enabled '0'"));
        assert_eq!(
            config.values().unwrap()["values"]["consent"]["enabled"],
            "1"
        );
        config.apply().unwrap();
        assert_eq!(config.apply(), Err(NO_DATA));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "config consent 'consent'\n\toption enabled '1'\n\nconfig schedule 's'\n\tlist option 'host=a b'\n\tlist option 'count=3'\n\toption title 'it'\\''s'\n\n"
        );
        let read = config.values().unwrap();
        assert_eq!(read["values"]["s"]["title"], "it's");
        assert_eq!(
            read["values"]["s"]["option"],
            json!(["host=a b", "count=3"])
        );
        config
            .delete(&json!({"section": "s", "options": ["title"]}))
            .unwrap();
        config.delete(&json!({"section": "consent"})).unwrap();
        config.confirm().unwrap();
        config.apply().unwrap();
        assert!(!config.text().unwrap().contains("title"));
        assert!(!config.text().unwrap().contains("consent"));
        assert_eq!(config.delete(&json!({"section": "none"})), Err(NOT_FOUND));
        assert!(!config.roll_back(1));
        assert!(config.roll_back(2));
        assert!(!config.roll_back(2));
        assert!(config.text().unwrap().contains("title"));
    }
}
