//! `[[operators]]`: people and programs that may use RESTCONF.

use glimpse_model::id::AgentId;
use glimpse_model::read::Refused;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What an operator may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and write.
    Operator,
    /// Read.
    #[default]
    Observer,
}

/// Who may use RESTCONF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Name, for the log and for jobs.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of its certificate in DER form; the certificate itself is trusted, whoever signed it.
    pub certificate: Option<[u8; 32]>,
    /// SHA-256 of its token.
    pub token: Option<[u8; 32]>,
    /// Groups it is confined to.
    pub groups: Vec<String>,
    /// Agents it is confined to; with both lists empty it has all.
    pub agents: Vec<AgentId>,
}

impl Operator {
    /// Whether an agent of this group is its business.
    pub fn has(&self, agent: &AgentId, group: Option<&str>) -> bool {
        self.groups.is_empty() && self.agents.is_empty()
            || self.agents.contains(agent)
            || group.is_some_and(|group| self.groups.iter().any(|own| own == group))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    name: String,
    #[serde(default)]
    role: Role,
    certificate_sha256: Option<String>,
    token_sha256: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    agents: Vec<String>,
}

impl Section {
    fn checked(self, at: &str) -> Result<Operator, Refused> {
        if self.name.trim().is_empty() || self.name.chars().any(|c| c.is_control() || c == ':') {
            let reason = "must not be empty and has no colon and no control characters";
            return Err(Refused::new(format!("{at}.name"), reason));
        }
        if self.certificate_sha256.is_none() && self.token_sha256.is_none() {
            return Err(Refused::new(at, "needs certificate_sha256 or token_sha256"));
        }
        let empty = Sha256::digest("").into();
        let hash = |key: &str, text: Option<String>| {
            text.map(|text| {
                digest(&text).ok_or_else(|| {
                    Refused::new(
                        format!("{at}.{key}"),
                        "must be 64 hexadecimal digits; colons may stand between",
                    )
                })
            })
            .transpose()
        };
        let token = hash("token_sha256", self.token_sha256)?;
        if token == Some(empty) {
            let reason = "is that of an empty token, which everybody has";
            return Err(Refused::new(format!("{at}.token_sha256"), reason));
        }
        Ok(Operator {
            certificate: hash("certificate_sha256", self.certificate_sha256)?,
            token,
            agents: self
                .agents
                .iter()
                .enumerate()
                .map(|(i, id)| {
                    AgentId::new(id)
                        .map_err(|reason| Refused::new(format!("{at}.agents[{i}]"), reason))
                })
                .collect::<Result<_, _>>()?,
            name: self.name,
            role: self.role,
            groups: self.groups,
        })
    }
}

/// Reads all; names, certificates and tokens each tell one from the other.
pub(super) fn checked(sections: Vec<Section>) -> Result<Vec<Operator>, Refused> {
    let mut operators: Vec<Operator> = Vec::with_capacity(sections.len());
    for (i, section) in sections.into_iter().enumerate() {
        let at = format!("operators[{i}]");
        let new = section.checked(&at)?;
        let same = |own: &Option<[u8; 32]>, other: &Option<[u8; 32]>| own.is_some() && own == other;
        if operators.iter().any(|known| {
            known.name == new.name
                || same(&known.certificate, &new.certificate)
                || same(&known.token, &new.token)
        }) {
            return Err(Refused::new(
                at,
                "has the name, certificate or token of another",
            ));
        }
        operators.push(new);
    }
    Ok(operators)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |all, digit| all << 4 | digit))
        .collect();
    (digits.len() == 64).then_some(())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn parse(text: &str) -> Result<Vec<Operator>, String> {
        Config::parse(text, Path::new("/c/controller.toml"))
            .map(|config| config.operators)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn operators_are_confined_to_their_agents() {
        let hash = "ab:".repeat(31) + "cd";
        let text = format!(
            "[[operators]]\nname = \"olga\"\nrole = \"operator\"\ncertificate_sha256 = \"{hash}\"\n\
             groups = [\"north\"]\nagents = [\"a-1\"]\n\
             [[operators]]\nname = \"otto\"\ntoken_sha256 = \"{}\"\n",
            "0".repeat(64)
        );
        let operators = parse(&text).unwrap();
        assert_eq!(operators[0].certificate.unwrap()[31], 0xcd);
        let [one, two] = ["a-1", "a-2"].map(|id| AgentId::new(id).unwrap());
        assert!(operators[0].has(&one, None) && operators[0].has(&two, Some("north")));
        assert!(!operators[0].has(&two, Some("south")) && !operators[0].has(&two, None));
        assert!(operators[1].has(&two, None));
        assert_eq!(
            operators[1].role,
            Role::Observer,
            "nobody writes who was not told so"
        );
    }

    #[test]
    fn faults_name_the_operator() {
        for (text, said) in [
            (
                "[[operators]]\nname = \"x\"",
                "operators[0]: needs certificate_sha256",
            ),
            (
                "[[operators]]\nname = \"x\"\ntoken_sha256 = \"12\"",
                "operators[0].token_sha256: must be 64",
            ),
            (
                "[[operators]]\nname = \"x\"\ntoken_sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
                "operators[0].token_sha256: is that of an empty token",
            ),
            (
                &format!(
                    "[[operators]]\nname = \"a:b\"\ntoken_sha256 = \"{}\"",
                    "1".repeat(64)
                ),
                "operators[0].name: ",
            ),
            (
                &format!(
                    "[[operators]]\nname = \"a\"\ntoken_sha256 = \"{0}\"\n[[operators]]\nname = \"b\"\ntoken_sha256 = \"{0}\"",
                    "1".repeat(64)
                ),
                "operators[1]: has the name, certificate or token of another",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
