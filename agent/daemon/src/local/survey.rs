//! The voluntary survey: what the household tells of its contract and how it likes its line. Kept in `state_dir`; with
//! leave it travels once as a record of method `survey`.

use crate::diagnose::slow::Speeds;
use crate::files;
use glimpse_model::id::ResultId;
use glimpse_model::read::{Cursor, Refused, json};
use glimpse_model::record::{Record, Status};
use glimpse_model::time::Timestamp;
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The method of its records.
pub const METHOD: &str = "survey";
/// Longest file read, in bytes.
const FILE_LIMIT: u64 = 8 << 10;
/// Highest speed of a contract: 100 Gbit/s.
const MOST_KBPS: i64 = 100_000_000;
/// Longest name of a provider, in bytes.
const PROVIDER_BYTES: usize = 64;
/// How the line comes into the house.
const TECHNOLOGIES: [&str; 7] = [
    "dsl",
    "cable",
    "fibre",
    "mobile",
    "satellite",
    "fixed_wireless",
    "other",
];
/// What it is used for.
const USES: [&str; 6] = ["work", "school", "video", "games", "calls", "browsing"];

/// What was answered; every question may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Download speed of the contract, in kbit/s.
    pub contract_down_kbps: Option<u64>,
    /// Upload speed of the contract, in kbit/s.
    pub contract_up_kbps: Option<u64>,
    /// How the line comes into the house.
    pub technology: Option<&'static str>,
    /// Who the provider is.
    pub provider: Option<String>,
    /// How content the household is, 1 to 5.
    pub satisfaction: Option<u8>,
    /// How reliable it finds the line, 1 to 5.
    pub reliability: Option<u8>,
    /// What the line is used for, each word once, in the order of the question.
    pub uses: Vec<&'static str>,
}

impl Answers {
    /// Reads the answers.
    ///
    /// # Errors
    /// The member at fault, and what it must be.
    pub fn read(answers: &Cursor<'_>) -> Result<Self, Refused> {
        let members = answers.object()?;
        members.only(&[
            "contract_down_kbps",
            "contract_up_kbps",
            "technology",
            "provider",
            "satisfaction",
            "reliability",
            "use",
        ])?;
        let number = |name: &str, most: i64| -> Result<Option<u64>, Refused> {
            let given = members.optional(name);
            let number = given.map(|given| given.integer(1, most)).transpose()?;
            Ok(number.and_then(|number| u64::try_from(number).ok()))
        };
        let five = |name| Ok(number(name, 5)?.and_then(|number| u8::try_from(number).ok()));
        let technology = members.optional("technology");
        let provider = members
            .optional("provider")
            .map(|given| given.text(PROVIDER_BYTES))
            .transpose()?
            .map(str::trim)
            .filter(|provider| !provider.is_empty());
        let mut used = [false; USES.len()];
        if let Some(given) = members.optional("use") {
            for given in given.array(USES.len())? {
                let word = one_of(&given, &USES)?;
                for (used, known) in used.iter_mut().zip(USES) {
                    *used |= known == word;
                }
            }
        }
        let uses = USES.into_iter().zip(used);
        Ok(Self {
            contract_down_kbps: number("contract_down_kbps", MOST_KBPS)?,
            contract_up_kbps: number("contract_up_kbps", MOST_KBPS)?,
            technology: technology
                .map(|given| one_of(&given, &TECHNOLOGIES))
                .transpose()?,
            provider: provider.map(str::to_owned),
            satisfaction: five("satisfaction")?,
            reliability: five("reliability")?,
            uses: uses
                .filter(|(_, used)| *used)
                .map(|(word, _)| word)
                .collect(),
        })
    }

    /// Only what was answered.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        put(
            "contract_down_kbps",
            self.contract_down_kbps.map(Value::from),
        );
        put("contract_up_kbps", self.contract_up_kbps.map(Value::from));
        put("technology", self.technology.map(Value::from));
        put("provider", self.provider.clone().map(Value::from));
        put("satisfaction", self.satisfaction.map(Value::from));
        put("reliability", self.reliability.map(Value::from));
        let uses = (!self.uses.is_empty()).then(|| Value::from(self.uses.clone()));
        put("use", uses);
        map
    }
}

fn one_of(given: &Cursor<'_>, words: &[&'static str]) -> Result<&'static str, Refused> {
    let text = given.text(PROVIDER_BYTES)?;
    let known = words.iter().find(|word| **word == text);
    known
        .copied()
        .ok_or_else(|| given.refuse(format_args!("must be one of {}", words.join(", "))))
}

/// The survey as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The answers; `None`: not answered, or withdrawn.
    pub answers: Option<Answers>,
    /// When they were given.
    pub answered: Option<Timestamp>,
    /// Whether they may leave the house.
    pub shared: bool,
}

impl Survey {
    /// What the household answers at `now`. No answer at all withdraws those before.
    ///
    /// # Errors
    /// The member at fault, and what it must be.
    pub fn answer(
        answers: &Map<String, Value>,
        share: bool,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let value = Value::Object(answers.clone());
        let answers = Answers::read(&Cursor::at(&value, "answers"))?;
        if answers == Answers::default() {
            return Ok(Self::default());
        }
        Ok(Self {
            answers: Some(answers),
            answered: Some(now),
            shared: share,
        })
    }

    /// Reads the file's text. Pure.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = json(bytes)?;
        let members = Cursor::root(&document).object()?;
        Ok(Self {
            answers: Some(Answers::read(&members.required("answers")?)?),
            answered: Some(Timestamp::read(&members.required("answered")?)?),
            shared: members.required("shared")?.boolean()?,
        })
    }

    /// As `survey_get` has it, and the file.
    pub fn json(&self) -> Value {
        json!({
            "answers": self.answers.as_ref().map(Answers::to_map),
            "answered": self.answered,
            "shared": self.shared,
        })
    }

    /// The speeds of the contract.
    pub fn contract(&self) -> Speeds {
        let answers = self.answers.as_ref();
        Speeds {
            down_kbps: answers.and_then(|answers| answers.contract_down_kbps),
            up_kbps: answers.and_then(|answers| answers.contract_up_kbps),
        }
    }

    /// The record that shares it; `None` if it is not to be shared. Whether the household has consented to anything
    /// leaving it is for the caller to know.
    pub fn record(&self, id: ResultId) -> Option<Record> {
        let answers = self.answers.as_ref().filter(|_| self.shared)?;
        let mut record = Record::new(id, Status::Ok);
        record.method = Some(METHOD.to_owned());
        record.planned_time = self.answered;
        record.start_time = self.answered;
        record.end_time = self.answered;
        record.probe_result = answers.to_map();
        Some(record)
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("survey.json")
}

/// The survey in `state_dir`; of a household that was not asked yet, an empty one.
///
/// # Errors
/// The system's, and `InvalidData` with the member at fault of a file that was changed by hand.
pub fn load(state_dir: &Path) -> io::Result<Survey> {
    match files::read_bounded(&path(state_dir), FILE_LIMIT) {
        Ok(bytes) => Survey::parse(&bytes)
            .map_err(|refused| io::Error::new(io::ErrorKind::InvalidData, refused.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Survey::default()),
        Err(error) => Err(error),
    }
}

/// Keeps the survey in `state_dir`, for the agent's user alone; one without answers is taken away.
///
/// # Errors
/// The system's.
pub fn save(state_dir: &Path, survey: &Survey) -> io::Result<()> {
    let path = path(state_dir);
    if survey.answers.is_some() {
        return files::replace(&path, survey.json().to_string().as_bytes(), 0o600);
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
