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
