//! What a controller tells an agent about itself (`GET /agent/v2/configuration`).

use crate::SCHEMA;
use crate::read::{self, Cursor, Refused};
use crate::timing::{Periodic, Timing};
use serde::Serialize;

/// Where results go, and when the agent calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Configuration {
    /// Always 2.
    pub schema: u32,
    /// Base URL of the repository; the supervisor's own when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// When instructions are asked for.
    pub pull: Timing,
    /// When results are sent; `immediate` sends each as soon as it is there.
    pub upload: Timing,
    /// How long the supervisor may hold a request for instructions open, in seconds (0..=300).
    pub wait_s: u32,
    /// A monthly cap the operator asks for, in bytes; the household's own is never raised by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_bytes: Option<u64>,
    /// The key that signs the tokens of measurements between agents: Ed25519, 32 bytes in base64 (RFC 4648 §4).
    /// Without it the responder answers nobody.
    #[serde(skip_serializing_if = "Option::is_none", with = "key_text")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub peer_key: Option<[u8; 32]>,
    /// Whom the household's trouble-shooter may ask where the household names nobody.
    #[serde(skip_serializing_if = "Diagnose::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub diagnose: Diagnose,
}

/// Hosts that the operator offers to the household's trouble-shooter. What the household sets itself comes first, and it
/// may decline them all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Diagnose {
    /// Names or addresses that answer pings, at most 4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub reference: Vec<String>,
    /// A page over HTTP, without TLS, that any login page on the way would replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// Its exact content, but for white space at the end; at most 1024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_answer: Option<String>,
    /// What is downloaded to fill the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_url: Option<String>,
    /// Where is posted to, to fill it the other way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_url: Option<String>,
}

impl Diagnose {
    /// References that are used.
    pub const MOST_REFERENCES: usize = 4;
    /// Longest known page, in bytes.
    pub const LONGEST_ANSWER: usize = 1024;

    /// Whether nothing is offered.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let text = |name, most| {
            let member = members.optional(name);
            member
                .map(|text| text.text(most).map(str::to_owned))
                .transpose()
        };
        let mut reference = Vec::new();
        if let Some(list) = members.optional("reference") {
            for host in list.array(Self::MOST_REFERENCES)? {
                reference.push(host.text(253)?.to_owned());
            }
        }
        Ok(Self {
            reference,
            page_url: text("page_url", 500)?,
            page_answer: text("page_answer", Self::LONGEST_ANSWER)?,
            speed_url: text("speed_url", 500)?,
            upload_url: text("upload_url", 500)?,
        })
    }
}

/// A key as text.
mod key_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Serializer;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        key: &Option<[u8; 32]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match key {
            Some(key) => serializer.serialize_str(&STANDARD.encode(key)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn parse(text: &str) -> Option<[u8; 32]> {
        STANDARD.decode(text).ok()?.try_into().ok()
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            repository: None,
            pull: Timing::Periodic(Periodic {
                interval_ms: 60_000,
                start: None,
                end: None,
                spread_ms: 10_000,
            }),
            upload: Timing::Immediate {},
            wait_s: 60,
            monthly_bytes: None,
            peer_key: None,
            diagnose: Diagnose::default(),
        }
    }
}

impl Configuration {
    /// Parses the document; members that are not known are ignored.
    ///
    /// # Errors
    /// [`Refused`] naming the member; the agent then keeps the configuration it has.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.schema()?;
        let default = Self::default();
        let pull = match members.optional("pull") {
            None => default.pull,
            Some(cursor) => match Timing::read(&cursor)? {
                timing @ (Timing::Periodic(_) | Timing::Calendar(_)) => timing,
                _ => return Err(cursor.refuse("must be periodic or calendar")),
            },
        };
        let upload = match members.optional("upload") {
            None => default.upload,
            Some(cursor) => match Timing::read(&cursor)? {
                timing @ (Timing::Periodic(_) | Timing::Calendar(_) | Timing::Immediate {}) => {
                    timing
                }
                _ => return Err(cursor.refuse("must be immediate, periodic or calendar")),
            },
        };
        Ok(Self {
            schema: SCHEMA,
            repository: members
                .optional("repository")
                .map(|url| url.text(500).map(str::to_owned))
                .transpose()?,
            pull,
            upload,
            wait_s: match members.optional("wait_s") {
                Some(wait) => u32::try_from(wait.integer(0, 300)?).unwrap_or(0),
                None => default.wait_s,
            },
            monthly_bytes: members
                .optional("monthly_bytes")
                .map(|bytes| bytes.unsigned())
                .transpose()?,
            peer_key: members
                .optional("peer_key")
                .map(|key| {
                    key_text::parse(key.text(64)?)
                        .ok_or_else(|| key.refuse("must be 32 bytes in base64"))
                })
                .transpose()?,
            diagnose: match members.optional("diagnose") {
                Some(offer) => Diagnose::read(&offer)?,
                None => Diagnose::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let configuration = Configuration {
            repository: Some("https://repo.example.net".to_owned()),
            monthly_bytes: Some(7),
            peer_key: Some([9; 32]),
            diagnose: Diagnose {
                reference: vec!["ping.example.net".to_owned()],
                page_answer: Some("fine".to_owned()),
                speed_url: Some("https://speed.example.net/100M".to_owned()),
                ..Diagnose::default()
            },
            ..Configuration::default()
        };
        let printed = serde_json::to_vec(&configuration).unwrap();
        assert_eq!(Configuration::parse(&printed).unwrap(), configuration);
    }

    #[test]
    fn a_pull_that_never_comes_is_refused() {
        for (document, said) in [
            (
                r#"{"schema":2,"pull":{"ondemand":{}}}"#,
                "pull: must be periodic or calendar",
            ),
            (
                r#"{"schema":2,"pull":{"periodic":{"interval":0}}}"#,
                "pull.periodic.interval: must be > 0",
            ),
            (r#"{"schema":2,"wait_s":301}"#, "wait_s: must be <= 300"),
            (
                r#"{"schema":2,"peer_key":"AAAA"}"#,
                "peer_key: must be 32 bytes in base64",
            ),
        ] {
            assert_eq!(
                Configuration::parse(document.as_bytes())
                    .unwrap_err()
                    .to_string(),
                said
            );
        }
    }
}
