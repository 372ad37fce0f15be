//! Options of one section, read as what they are meant to be.

use std::cell::RefCell;
use std::path::PathBuf;

use super::syntax::{Opt, Section, Value};
use super::{Error, Warning};

/// A section being read; remembers what was asked for, the rest is unknown.
pub(super) struct Reader<'a> {
    section: &'a Section,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a Section) -> Self {
        Self {
            section,
            asked: RefCell::default(),
        }
    }

    /// The section's name.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.section.name.as_deref()
    }

    /// The value as text.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'a str>, Error> {
        match self.find(name) {
            None => Ok(None),
            Some(Opt {
                value: Value::One(value),
                ..
            }) => Ok(Some(value)),
            Some(Opt {
                value: Value::List(values),
                ..
            }) => Err(self.refuse(
                name,
                &values.join(" "),
                "must be one value (option), not a list",
            )),
        }
    }

    /// The value as `parse` reads it; `None` from `parse` means that it must be what `wanted` says.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let text = self.text(name)?;
        text.map(|text| {
            parse(text).ok_or_else(|| self.refuse(name, text, &format!("must be {wanted}")))
        })
        .transpose()
    }

    /// All values of a list; one `option` with words between spaces is a list as well.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let values: Vec<&str> = match self.find(name).map(|option| &option.value) {
            None => Vec::new(),
            Some(Value::One(value)) => value.split_ascii_whitespace().collect(),
            Some(Value::List(values)) => values.iter().map(String::as_str).collect(),
        };
        let read = |text: &&str| {
            parse(text).ok_or_else(|| self.refuse(name, text, &format!("must be {wanted}")))
        };
        values.iter().map(read).collect()
    }

    /// All values of a list, in which one `option` is one value, spaces and all.
    pub(super) fn whole_list<T>(
        &self,
        name: &'static str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let values = match self.find(name).map(|option| &option.value) {
            None => &[][..],
            Some(Value::One(value)) => std::slice::from_ref(value),
            Some(Value::List(values)) => values.as_slice(),
        };
        let read = |text: &String| {
            parse(text).ok_or_else(|| self.refuse(name, text, &format!("must be {wanted}")))
        };
        values.iter().map(read).collect()
    }

    /// A yes or no, in the words UCI accepts.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, Error> {
        let value = self.parsed(
            name,
            "1 or 0 (or on/off, true/false, yes/no, enabled/disabled)",
            |text| match text {
                "1" | "on" | "true" | "yes" | "enabled" => Some(true),
                "0" | "off" | "false" | "no" | "disabled" => Some(false),
                _ => None,
            },
        )?;
        Ok(value.unwrap_or(default))
    }

    /// A whole number of `unit` between two bounds.
    pub(super) fn number(
        &self,
        name: &'static str,
        unit: &str,
        bounds: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Error> {
        let whole = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())
                .flatten()
        };
        let Some(value) = self.parsed(name, &format!("a whole number of {unit}"), whole)? else {
            return Ok(default);
        };
        if bounds.contains(&value) {
            return Ok(value);
        }
        let reason = format!("must be {} to {} {unit}", bounds.start(), bounds.end());
        Err(self.refuse(name, &value.to_string(), &reason))
    }

    /// An absolute path.
    pub(super) fn path(&self, name: &'static str) -> Result<Option<PathBuf>, Error> {
        self.parsed(name, "an absolute path", |text| {
            text.starts_with('/').then(|| PathBuf::from(text))
        })
    }

    /// Options nobody asked for.
    pub(super) fn unknown(&self) -> impl Iterator<Item = Warning> {
        let asked = self.asked.take();
        let unknown = self
            .section
            .options
            .iter()
            .filter(move |option| !asked.contains(&option.name.as_str()));
        unknown.map(|option| Warning {
            section: self.section.kind.clone(),
            option: Some(option.name.clone()),
            line: option.line,
        })
    }

    fn find(&self, name: &'static str) -> Option<&'a Opt> {
        self.asked.borrow_mut().push(name);
        self.section
            .options
            .iter()
            .find(|option| option.name == name)
    }

    /// By what people find the section: of those of which there are many, the name stands beside the type.
    fn shown(&self) -> String {
        let kind = &self.section.kind;
        match &self.section.name {
            Some(name) if kind == "schedule" => format!("{kind} '{name}'"),
            _ => kind.clone(),
        }
    }

    /// What is wrong with an option, or with the section where the option is not there.
    pub(super) fn refuse(&self, name: &str, value: &str, reason: &str) -> Error {
        let line = self
            .section
            .options
            .iter()
            .find(|option| option.name == name)
            .map_or(self.section.line, |option| option.line);
        Error::Value {
            section: self.shown(),
            option: name.to_owned(),
            value: value
                .chars()
                .take(64)
                .collect::<String>()
                .escape_debug()
                .to_string(),
            reason: reason.to_owned(),
            line,
        }
    }
}
