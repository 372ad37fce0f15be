//! Who may come in. Pure but for where its [`Memory`] is kept: wall clock and steady clock are arguments.
//!
//! A token is looked at in this order: form, whom it is for, its time, its method, and only then its signature, which
//! costs the most and is looked at so many times a second at most.

use glimpse_model::sorted::SortedMap;
use std::net::SocketAddr;

use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};
use ring::{hmac, signature};

use super::memory::Memory;
use crate::peer::datagram::Cookie;

/// How long a cookie is good, in seconds.
const COOKIE_SECONDS: u32 = 10;
/// Signatures looked at per second, and at once after a quiet time: so many for addresses that have proved to be the
/// sender's, and as many for others, whose flood must not keep the former out.
const CHECKS_PER_SECOND: u64 = 25;
const CHECKS_AT_ONCE: u64 = 50;
const SECOND_NS: u64 = 1_000_000_000;
/// From one line in the log to the next, in nanoseconds.
const LOG_NS: u64 = 60 * SECOND_NS;

/// Why somebody was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not this protocol.
    Garbage,
    /// No token that can be read.
    Malformed,
    /// The token is for another responder.
    Misdirected,
    /// Its time has not come.
    Early,
    /// Its time is over.
    Expired,
    /// It is for another method.
    Method,
    /// The controller did not sign it.
    Unlisted,
    /// This session was opened before.
    Replayed,
    /// All its sessions were opened.
    Exhausted,
    /// The address did not prove to be the sender's.
    Cookie,
    /// More came than can be looked at or remembered.
    Throttled,
}

impl Reason {
    /// Word for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Malformed => "malformed",
            Self::Misdirected => "misdirected",
            Self::Early => "early",
            Self::Expired => "expired",
            Self::Method => "method",
            Self::Unlisted => "unlisted",
            Self::Replayed => "replayed",
            Self::Exhausted => "exhausted",
            Self::Cookie => "cookie",
            Self::Throttled => "throttled",
        }
    }
}

/// Whether `key` made the token's signature.
pub fn verify(key: &[u8; 32], token: &Token) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, key)
        .verify(token.signed_part().as_bytes(), token.signature())
        .is_ok()
}

/// What tokens must be, which were used, and the secret of the cookies.
#[derive(Debug)]
pub struct Gate {
    key: [u8; 32],
    agent: AgentId,
    secret: hmac::Key,
    memory: Memory,
    /// When the signatures looked at so far are paid off, in nanoseconds: those for any address.
    paid_ns: u64,
    /// And those for addresses that have proved to be the sender's.
    proved_paid_ns: u64,
    refused: SortedMap<Reason, u64>,
    untold: SortedMap<Reason, u64>,
    told_ns: Option<u64>,
}

impl Gate {
    /// A gate for tokens signed by `key` for `agent`; `secret` makes the cookies and is drawn anew by each process.
    pub fn new(key: [u8; 32], agent: AgentId, secret: &[u8; 32]) -> Self {
        Self {
            key,
            agent,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            memory: Memory::default(),
            paid_ns: 0,
            proved_paid_ns: 0,
            refused: SortedMap::new(),
            untold: SortedMap::new(),
            told_ns: None,
        }
    }

    /// The same with a memory of sessions that others before it have let in.
    #[must_use]
    pub fn remembering(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// Looks at a token for `method` and at whether `session` can be opened with it. It came from an address that has
    /// proved to be the sender's: over TCP, or with its cookie.
    ///
    /// # Errors
    /// [`Reason`]; whoever sent it gets no answer.
    pub fn check(
        &mut self,
        text: &str,
        method: PeerMethod,
        session: MeasureId,
        now: Timestamp,
        now_ns: u64,
    ) -> Result<Claims, Reason> {
        let claims = self.look(text, session, now, now_ns, true)?;
        if claims.method == method {
            Ok(claims)
        } else {
            Err(Reason::Method)
        }
    }

    /// As [`Self::check`], for any of the methods and from any address.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn read(
        &mut self,
        text: &str,
        session: MeasureId,
        now: Timestamp,
        now_ns: u64,
    ) -> Result<Claims, Reason> {
        self.look(text, session, now, now_ns, false)
    }

    fn look(
        &mut self,
        text: &str,
        session: MeasureId,
        now: Timestamp,
        now_ns: u64,
        proved: bool,
    ) -> Result<Claims, Reason> {
        let token = Token::parse(text).map_err(|_| Reason::Malformed)?;
        let claims = token.claims();
        if claims.responder != self.agent {
            return Err(Reason::Misdirected);
        }
        if now < claims.not_before {
            return Err(Reason::Early);
        }
        if now >= claims.expires {
            return Err(Reason::Expired);
        }
        self.memory.allows(claims, session)?;
        let earliest = now_ns.saturating_sub(CHECKS_AT_ONCE * SECOND_NS / CHECKS_PER_SECOND);
        let paid_ns = if proved {
            &mut self.proved_paid_ns
        } else {
            &mut self.paid_ns
        };
        if *paid_ns > now_ns {
            return Err(Reason::Throttled);
        }
        *paid_ns = (*paid_ns).max(earliest) + SECOND_NS / CHECKS_PER_SECOND;
        if verify(&self.key, &token) {
            Ok(claims.clone())
        } else {
            Err(Reason::Unlisted)
        }
    }

    /// Remembers that `session` was opened with a token that was checked.
    ///
    /// # Errors
    /// [`Reason::Replayed`], [`Reason::Exhausted`], and [`Reason::Throttled`] when no more can be remembered.
    pub fn enter(
        &mut self,
        claims: &Claims,
        session: MeasureId,
        now: Timestamp,
    ) -> Result<(), Reason> {
        self.memory.enter(claims, session, now)
    }

    /// The challenge for an address: the time and the cookie that it must bring back.
    pub fn challenge(&self, from: SocketAddr, session: MeasureId, now_ns: u64) -> (u32, Cookie) {
        let time = seconds(now_ns);
        (time, self.cookie(from, session, time))
    }

    /// Whether an address brings back the cookie that it was given lately.
    pub fn knows(
        &self,
        from: SocketAddr,
        session: MeasureId,
        time: u32,
        cookie: &Cookie,
        now_ns: u64,
    ) -> bool {
        let age = seconds(now_ns).wrapping_sub(time);
        let expected = self.cookie(from, session, time);
        let differing = expected
            .iter()
            .zip(cookie)
            .fold(0, |all, (a, b)| all | (a ^ b));
        age <= COOKIE_SECONDS && differing == 0
    }

    fn cookie(&self, from: SocketAddr, session: MeasureId, time: u32) -> Cookie {
        let mut context = hmac::Context::with_key(&self.secret);
        match from {
            SocketAddr::V4(from) => context.update(&from.ip().to_ipv6_mapped().octets()),
            SocketAddr::V6(from) => context.update(&from.ip().octets()),
        }
        context.update(&from.port().to_be_bytes());
        context.update(session.as_bytes());
        context.update(&time.to_be_bytes());
        let tag = context.sign();
        let mut cookie = Cookie::default();
        for (byte, of) in cookie.iter_mut().zip(tag.as_ref()) {
            *byte = *of;
        }
        cookie
    }

    /// Counts somebody who was not answered. Once a minute there is a line for the log.
    pub fn note(&mut self, reason: Reason, now_ns: u64) -> Option<String> {
        *self.refused.entry(reason).or_default() += 1;
        *self.untold.entry(reason).or_default() += 1;
        if self
            .told_ns
            .is_some_and(|told| now_ns.saturating_sub(told) < LOG_NS)
        {
            return None;
        }
        self.told_ns = Some(now_ns);
        let counts: Vec<String> = std::mem::take(&mut self.untold)
            .into_iter()
            .map(|(reason, count)| format!("{} {count}", reason.as_str()))
            .collect();
        Some(counts.join(", "))
    }

    /// How many were not answered, by reason.
    pub fn refused(&self) -> SortedMap<Reason, u64> {
        self.refused.clone()
    }
}

fn seconds(now_ns: u64) -> u32 {
    u32::try_from(now_ns / SECOND_NS % (1 << 32)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
