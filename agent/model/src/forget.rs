//! A household's wish that the controller forget its agent: the document of `POST /agent/v2/forget`.
//!
//! It is signed by the agent's key (ECDSA P-256 with SHA-256, RFC 5480 and RFC 3279 §2.2.3), so that the controller can
//! show later why it deleted what it had. This module reads and writes the document; whoever relies on it checks the
//! signature first.

use crate::SCHEMA;
use crate::id::AgentId;
use crate::read::{self, Cursor, Refused};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Longest document, in bytes.
pub const MAX_LEN: usize = 1024;
/// Longest signature of this kind in ASN.1 form, in bytes.
const MAX_SIGNATURE: usize = 72;

/// The wish of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// Who is to be forgotten.
    pub agent: AgentId,
    /// When the household said so.
    pub time: Timestamp,
    /// Over [`Forget::signed`], in ASN.1 form.
    pub signature: Vec<u8>,
}

impl Forget {
    /// The bytes that are signed: no other document of ours begins like them.
    pub fn signed(agent: &AgentId, time: Timestamp) -> Vec<u8> {
        format!("glimpse forget 1\n{agent}\n{}\n", time.as_micros()).into_bytes()
    }

    /// The document.
    pub fn to_json(&self) -> Value {
        json!({"schema": SCHEMA, "agent": self.agent, "time": self.time,
            "signature": STANDARD.encode(&self.signature)})
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX_LEN {
            return Err(Refused::new(
                "document",
                format!("must have at most {MAX_LEN} bytes"),
            ));
        }
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.schema()?;
        let signature = members.required("signature")?;
        let bytes = STANDARD
            .decode(signature.text(MAX_SIGNATURE.div_ceil(3) * 4)?)
            .map_err(|_| signature.refuse("must be base64"))?;
        Ok(Self {
            agent: AgentId::read(&members.required("agent")?)?,
            time: Timestamp::read(&members.required("time")?)?,
            signature: bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_reads_back_and_every_fault_is_named() {
        let wish = Forget {
            agent: AgentId::new("a-1").unwrap(),
            time: Timestamp::from_micros(1_700_000_000_123_456),
            signature: vec![0x30; 70],
        };
        let text = wish.to_json().to_string();
        assert_eq!(Forget::parse(text.as_bytes()).unwrap(), wish);
        assert_eq!(
            Forget::signed(&wish.agent, wish.time),
            b"glimpse forget 1\na-1\n1700000000123456\n"
        );
        for (from, to, said) in [
            (r#""a-1""#, r#""a b""#, "agent"),
            ("\"schema\":2", "\"schema\":3", "schema"),
            ("2023-11-14T22", "2023-11-99T22", "time"),
            ("MDAw", "****", "signature: must be base64"),
        ] {
            assert!(text.contains(from), "{text}");
            let refused = Forget::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(refused.to_string().starts_with(said), "{refused}");
        }
        let long = format!("{text}{}", " ".repeat(MAX_LEN));
        assert!(Forget::parse(long.as_bytes()).is_err());
    }
}
