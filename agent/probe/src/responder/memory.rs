//! Which sessions were opened with which tokens, until the tokens expire: none is opened twice. [`Used`] is pure;
//! [`Memory`] outlives the responder that fills it, and hands every change to whoever keeps it.
//!
//! Both tables are bounded; when they are full, newcomers are turned away, since forgetting a session would let it be
//! opened again.

use glimpse_model::sorted::SortedMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MAX_SESSIONS, MeasureId};
use serde_json::{Value, json};

use super::gate::Reason;

/// Tokens remembered.
pub const TOKENS: usize = 1024;
/// Sessions remembered, of all tokens together.
pub const SESSIONS: usize = 4096;
/// Longest document, in bytes: more than the most that is remembered can need.
pub const DOCUMENT_LIMIT: u64 = 512 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Opened {
    expires: Timestamp,
    sessions: Vec<MeasureId>,
}

/// The tokens that were used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    tokens: SortedMap<MeasureId, Opened>,
    sessions: usize,
}

impl Used {
    /// Whether `session` may still be opened with a token of `claims`.
    ///
    /// # Errors
    /// [`Reason::Replayed`] and [`Reason::Exhausted`].
    pub fn allows(&self, claims: &Claims, session: MeasureId) -> Result<(), Reason> {
        match self.tokens.get(&claims.id) {
            Some(opened) if opened.sessions.contains(&session) => Err(Reason::Replayed),
            Some(opened) if opened.sessions.len() >= claims.sessions.into() => {
                Err(Reason::Exhausted)
            }
            _ => Ok(()),
        }
    }

    /// Remembers that `session` was opened.
    ///
    /// # Errors
    /// As [`Self::allows`], and [`Reason::Throttled`] when no more can be remembered.
    pub fn enter(
        &mut self,
        claims: &Claims,
        session: MeasureId,
        now: Timestamp,
    ) -> Result<(), Reason> {
        self.allows(claims, session)?;
        if self.is_full(claims.id) {
            self.forget(now);
            if self.is_full(claims.id) {
                return Err(Reason::Throttled);
            }
        }
        self.add(claims.id, claims.expires, [session]);
        Ok(())
    }

    /// Forgets tokens that nobody can use any more.
    pub fn forget(&mut self, now: Timestamp) {
        self.tokens.retain(|_, opened| opened.expires > now);
        self.sessions = self
            .tokens
            .values()
            .map(|opened| opened.sessions.len())
            .sum();
    }

    /// Takes over what another one remembers, as far as there is room.
    pub fn merge(&mut self, other: Self) {
        for (token, opened) in other.tokens {
            for session in opened.sessions {
                if !self.is_full(token) {
                    self.add(token, opened.expires, [session]);
                }
            }
        }
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn is_full(&self, token: MeasureId) -> bool {
        self.sessions >= SESSIONS
            || (self.tokens.len() >= TOKENS && !self.tokens.contains_key(&token))
    }

    fn add(
        &mut self,
        token: MeasureId,
        expires: Timestamp,
        sessions: impl IntoIterator<Item = MeasureId>,
    ) {
        let opened = self.tokens.entry(token).or_insert_with(|| Opened {
            expires,
            sessions: Vec::new(),
        });
        // Two tokens of one id are one; it is remembered as long as either could be used.
        opened.expires = opened.expires.max(expires);
        for session in sessions {
            if !opened.sessions.contains(&session) {
                opened.sessions.push(session);
                self.sessions += 1;
            }
        }
    }

    /// What is remembered at `now`, as JSON: `[token, expires, [session…]]` for each.
    pub fn document(&self, now: Timestamp) -> Vec<u8> {
        let used: Vec<Value> = self
            .tokens
            .iter()
            .filter(|(_, opened)| opened.expires > now)
            .map(|(token, opened)| {
                let sessions: Vec<String> =
                    opened.sessions.iter().map(MeasureId::to_string).collect();
                json!([token.to_string(), opened.expires, sessions])
            })
            .collect();
        json!({ "used": used }).to_string().into_bytes()
    }

    /// Reads [`Self::document`].
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        let mut used = Self::default();
        for entry in members.required("used")?.array(TOKENS)? {
            let [token, expires, sessions] = entry
                .array(3)?
                .try_into()
                .map_err(|_| entry.refuse("must have three elements"))?;
            let sessions: Vec<MeasureId> = sessions
                .array(MAX_SESSIONS.into())?
                .iter()
                .map(MeasureId::read)
                .collect::<Result<_, _>>()?;
            used.add(
                MeasureId::read(&token)?,
                Timestamp::read(&expires)?,
                sessions,
            );
        }
        if used.sessions > SESSIONS {
            return Err(Refused::new(
                "used",
                "has more sessions than are remembered",
            ));
        }
        Ok(used)
    }
}

/// Puts a document of [`Used`] where the next process finds it.
pub type Keep = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

/// What one responder after the other has let in. Clones share it.
#[derive(Clone)]
pub struct Memory {
    used: Arc<Mutex<Used>>,
    keep: Arc<Keep>,
}

impl Memory {
    /// A memory that begins with `used`; `keep` is handed every change before the session begins.
    pub fn new(used: Used, keep: Arc<Keep>) -> Self {
        Self {
            used: Arc::new(Mutex::new(used)),
            keep,
        }
    }

    /// As [`Used::allows`].
    ///
    /// # Errors
    /// As there.
    pub fn allows(&self, claims: &Claims, session: MeasureId) -> Result<(), Reason> {
        self.used().allows(claims, session)
    }

    /// As [`Used::enter`]; what cannot be kept is not let in.
    ///
    /// # Errors
    /// As there; [`Reason::Throttled`] too where it cannot be kept.
    pub fn enter(&self, claims: &Claims, session: MeasureId, now: Timestamp) -> Result<(), Reason> {
        let mut used = self.used();
        used.enter(claims, session, now)?;
        (self.keep)(&used.document(now)).map_err(|error| {
            log::error!("sessions of other agents cannot be noted: {error}; none is let in");
            Reason::Throttled
        })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    /// One that ends with its last clone.
    fn default() -> Self {
        Self::new(Used::default(), Arc::new(|_| Ok(())))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
