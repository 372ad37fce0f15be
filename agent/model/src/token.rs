//! Tokens: the controller's leave for one agent to measure together with another.
//!
//! `g1.<claims>.<signature>`: the claims are a JSON document and the signature an Ed25519 signature (RFC 8032) over the
//! text before the last dot, both in base64url without padding (RFC 4648 §5). This module reads and writes the text;
//! whoever relies on the claims checks the signature first.

use crate::id::AgentId;
use crate::read::{self, Cursor, Refused};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::fmt;

/// Longest token, in bytes.
pub const MAX_LEN: usize = 1024;
/// Most sessions that one token may open.
pub const MAX_SESSIONS: u16 = 100;
/// Longest session, in milliseconds: an hour.
pub const MAX_DURATION_MS: u32 = 3_600_000;

/// What the text begins with: the version of its form.
const VERSION: &str = "g1";

/// A UUID of any version: of a token, and of a measurement made with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeasureId([u8; 16]);

impl MeasureId {
    /// An id of 122 random bits (RFC 9562 §5.4).
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(
            uuid::Builder::from_random_bytes(random)
                .into_uuid()
                .into_bytes(),
        )
    }

    /// An id from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads a UUID string in the usual form with hyphens.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let text = cursor.text(36)?;
        match uuid::Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(Self(id.into_bytes())),
            _ => Err(cursor.refuse("must be a UUID")),
        }
    }
}

impl fmt::Display for MeasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for MeasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What two agents may do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerMethod {
    /// Bulk transport capacity: one TCP flow.
    Btc,
    /// Trains of packet pairs.
    PacketTrains,
    /// Datagrams that are sent back.
    Ping,
}

impl PeerMethod {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Btc => "btc",
            Self::PacketTrains => "packettrains",
            Self::Ping => "ping",
        }
    }

    /// Reads the word.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let word = cursor.text(16)?;
        [Self::Btc, Self::PacketTrains, Self::Ping]
            .into_iter()
            .find(|method| method.as_str() == word)
            .ok_or_else(|| cursor.refuse("must be one of btc, packettrains, ping"))
    }
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The token's own id.
    pub id: MeasureId,
    /// Who asks.
    pub initiator: AgentId,
    /// Who answers.
    pub responder: AgentId,
    /// What they do.
    pub method: PeerMethod,
    /// From when on.
    pub not_before: Timestamp,
    /// Until when, exclusive.
    pub expires: Timestamp,
    /// How many sessions may be opened: 1 to 100.
    pub sessions: u16,
    /// Bytes of one session in each direction, at IP level.
    pub max_bytes: u64,
    /// Bits per second in each direction.
    pub max_rate_bps: u64,
    /// Milliseconds of one session: 1 to 3 600 000.
    pub max_duration_ms: u32,
}

/// The members of the claims; any other is refused, as a limit that is not understood must not be dropped.
const MEMBERS: [&str; 10] = [
    "id",
    "initiator",
    "responder",
    "method",
    "not_before",
    "expires",
    "sessions",
    "max_bytes",
    "max_rate_bps",
    "max_duration_ms",
];

impl Claims {
    /// Reads the claims' JSON document.
    ///
    /// # Errors
    /// [`Refused`] naming the member: missing, out of bounds, or not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.only(&MEMBERS)?;
        let amount = |name| {
            let member = members.required(name)?;
            match member.unsigned()? {
                0 => Err(member.refuse("must be > 0")),
                amount => Ok(amount),
            }
        };
        let within = |name, most: i64| members.required(name)?.integer(1, most);
        let not_before = Timestamp::read(&members.required("not_before")?)?;
        let expires = members.required("expires")?;
        let claims = Self {
            id: MeasureId::read(&members.required("id")?)?,
            initiator: AgentId::read(&members.required("initiator")?)?,
            responder: AgentId::read(&members.required("responder")?)?,
            method: PeerMethod::read(&members.required("method")?)?,
            not_before,
            expires: Timestamp::read(&expires)?,
            sessions: u16::try_from(within("sessions", MAX_SESSIONS.into())?).unwrap_or(1),
            max_bytes: amount("max_bytes")?,
            max_rate_bps: amount("max_rate_bps")?,
            max_duration_ms: u32::try_from(within("max_duration_ms", MAX_DURATION_MS.into())?)
                .unwrap_or(1),
        };
        if claims.expires <= not_before {
            return Err(expires.refuse("must be later than not_before"));
        }
        Ok(claims)
    }

    /// What is to be signed: the token's text without its signature.
    pub fn unsigned(&self) -> String {
        let document = json!({
            "id": self.id.to_string(),
            "initiator": self.initiator,
            "responder": self.responder,
            "method": self.method.as_str(),
            "not_before": self.not_before,
            "expires": self.expires,
            "sessions": self.sessions,
            "max_bytes": self.max_bytes,
            "max_rate_bps": self.max_rate_bps,
            "max_duration_ms": self.max_duration_ms,
        });
        format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(document.to_string()))
    }
}

/// A token that was read; nobody has looked at its signature yet. Its text is not shown by `Debug`: who has it can use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: Box<str>,
    signed: usize,
    claims: Claims,
    signature: [u8; 64],
}

impl Token {
    /// Reads the text.
    ///
    /// # Errors
    /// [`Refused`] at `token`, or at the member of the claims.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refuse = |reason| Refused::new("token", reason);
        if text.len() > MAX_LEN {
            return Err(refuse("must be at most 1024 bytes long"));
        }
        let form = || refuse("must have the form g1.CLAIMS.SIGNATURE");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(form)?;
        let (version, claims) = signed.split_once('.').ok_or_else(form)?;
        if version != VERSION {
            return Err(refuse("is of a version that is not known here"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| form());
        let claims = Claims::parse(&decode(claims)?).map_err(|refused| refused.within("token"))?;
        let signature = decode(signature)?.try_into().map_err(|_| form())?;
        Ok(Self {
            signed: signed.len(),
            text: text.into(),
            claims,
            signature,
        })
    }

    /// Makes the token of `claims` with the signature over [`Claims::unsigned`].
    ///
    /// # Errors
    /// [`Refused`] when the claims cannot be read back: out of bounds, or too long together.
    pub fn encode(claims: &Claims, signature: &[u8; 64]) -> Result<Self, Refused> {
        let text = format!(
            "{}.{}",
            claims.unsigned(),
            URL_SAFE_NO_PAD.encode(signature)
        );
        Self::parse(&text)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it allows, if its signature holds.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the signature is over.
    pub fn signed_part(&self) -> &str {
        self.text.get(..self.signed).unwrap_or_default()
    }

    /// The Ed25519 signature.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn claims() -> Claims {
        Claims {
            id: MeasureId::from_random([7; 16]),
            initiator: AgentId::new("home-1").unwrap(),
            responder: AgentId::new("home-2").unwrap(),
            method: PeerMethod::Btc,
            not_before: Timestamp::parse("2026-11-22T00:00:00Z").unwrap(),
            expires: Timestamp::parse("2026-11-22T01:00:00Z").unwrap(),
            sessions: 2,
            max_bytes: 1_000_000,
            max_rate_bps: 10_000_000,
            max_duration_ms: 15_000,
        }
    }

    fn refusal(document: &str) -> String {
        let text = format!(
            "g1.{}.{}",
            URL_SAFE_NO_PAD.encode(document),
            URL_SAFE_NO_PAD.encode([0; 64])
        );
        Token::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let token = Token::encode(&claims(), &[3; 64]).unwrap();
        assert_eq!(token.claims(), &claims());
        assert_eq!(token.signed_part(), claims().unsigned());
        assert_eq!(token.signature(), &[3; 64]);
        assert!(token.as_str().len() < 600, "{}", token.as_str().len());
        assert_eq!(Token::parse(token.as_str()).unwrap(), token);
        assert!(!format!("{token:?}").contains(token.as_str()));
    }

    #[test]
    fn each_fault_is_named() {
        let good = String::from_utf8(
            URL_SAFE_NO_PAD
                .decode(&claims().unsigned()["g1.".len()..])
                .unwrap(),
        )
        .unwrap();
        for (from, to, said) in [
            (
                "\"sessions\":2",
                "\"sessions\":0",
                "token.sessions: must be > 0",
            ),
            (
                "\"sessions\":2",
                "\"sessions\":101",
                "token.sessions: must be <= 100",
            ),
            (
                "\"sessions\":2",
                "\"sessions\":2,\"shares\":1",
                "token.shares: is not known here",
            ),
            (
                "\"btc\"",
                "\"nuke\"",
                "token.method: must be one of btc, packettrains, ping",
            ),
            (
                "T01:00",
                "T00:00",
                "token.expires: must be later than not_before",
            ),
            (
                "\"max_bytes\":1000000",
                "\"max_bytes\":0",
                "token.max_bytes: must be > 0",
            ),
            (
                "15000",
                "3600001",
                "token.max_duration_ms: must be <= 3600000",
            ),
        ] {
            assert!(good.contains(from), "{good}");
            assert_eq!(refusal(&good.replacen(from, to, 1)), said);
        }
        for text in [
            "",
            "g1",
            "g1.",
            "g1..",
            "g2.e30.AA",
            "g1.e30.AA",
            "g1.e30=.AA",
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
        assert!(Token::parse(&format!("g1.{}", "A".repeat(1100))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(g1\\.)?[A-Za-z0-9_.=\\-é]{0,200}") {
            let _ = Token::parse(&text);
        }

        #[test]
        fn a_changed_byte_is_another_token(place in 0_usize..200, letter in "[A-Za-z0-9_-]") {
            let token = Token::encode(&claims(), &[3; 64]).unwrap();
            let mut text = token.as_str().to_owned();
            text.replace_range(place..=place, &letter);
            if let Ok(changed) = Token::parse(&text) && text != token.as_str() {
                prop_assert!(changed.signed_part() != token.signed_part());
            }
        }
    }
}
