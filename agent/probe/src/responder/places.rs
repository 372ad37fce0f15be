//! Who measures here now: so many sessions at a time, of which one fills the line, one bears a token, and half at most are
//! of one initiator, so that none keeps out the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glimpse_model::id::AgentId;
use glimpse_model::token::{Claims, MeasureId, PeerMethod};

/// Whoever holds a place.
#[derive(Debug, PartialEq)]
struct Holder {
    initiator: AgentId,
    token: MeasureId,
    fills_line: bool,
}

/// The places of a responder.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    each: usize,
    held: Mutex<Vec<Holder>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    token: MeasureId,
}

impl Places {
    /// So many, and half of them for one initiator, but at least one.
    pub(super) fn new(all: u16) -> Arc<Self> {
        Arc::new(Self {
            all: all.into(),
            each: usize::from(all / 2).max(1),
            held: Mutex::default(),
        })
    }

    /// A place for a session by a token of `claims`, if there is one.
    pub(super) fn take(self: &Arc<Self>, claims: &Claims) -> Option<Place> {
        let mut held = self.held();
        let fills_line = match claims.method {
            PeerMethod::Ping => false,
            // Two that fill the line would measure each other.
            PeerMethod::Btc | PeerMethod::PacketTrains => true,
        };
        let here = held
            .iter()
            .filter(|holder| holder.initiator == claims.initiator)
            .count();
        let is_free = held.len() < self.all
            && here < self.each
            && !held
                .iter()
                .any(|holder| holder.token == claims.id || fills_line && holder.fills_line);
        if !is_free {
            return None;
        }
        held.push(Holder {
            initiator: claims.initiator.clone(),
            token: claims.id,
            fills_line,
        });
        Some(Place {
            places: self.clone(),
            token: claims.id,
        })
    }

    fn held(&self) -> MutexGuard<'_, Vec<Holder>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A token holds one place at most.
        self.places
            .held()
            .retain(|holder| holder.token != self.token);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use glimpse_model::time::Timestamp;

    use super::*;

    fn claims(initiator: &str, token: u8, method: PeerMethod) -> Claims {
        Claims {
            id: MeasureId::from_random([token; 16]),
            initiator: AgentId::new(initiator).unwrap(),
            responder: AgentId::new("two").unwrap(),
            method,
            not_before: Timestamp::from_micros(0),
            expires: Timestamp::from_micros(1),
            sessions: 100,
            max_bytes: 1,
            max_rate_bps: 1,
            max_duration_ms: 1,
        }
    }

    #[test]
    fn one_initiator_has_half_of_them_at_most() {
        let places = Places::new(4);
        let ping = |initiator, token| places.take(&claims(initiator, token, PeerMethod::Ping));
        let (first, second) = (ping("a", 1).unwrap(), ping("a", 2).unwrap());
        assert!(ping("a", 3).is_none());
        let third = ping("b", 4).unwrap();
        drop(first);
        assert!(ping("a", 3).is_some(), "given back");
        let (_fourth, _fifth) = (ping("a", 5).unwrap(), ping("c", 6).unwrap());
        assert!(ping("d", 7).is_none(), "all are taken");
        drop((second, third));
        assert!(ping("d", 7).is_some());
    }

    #[test]
    fn where_there_is_one_place_anybody_may_have_it() {
        let places = Places::new(1);
        let held = places.take(&claims("a", 1, PeerMethod::Btc)).unwrap();
        assert!(places.take(&claims("b", 2, PeerMethod::Ping)).is_none());
        drop(held);
        assert!(places.take(&claims("b", 2, PeerMethod::Ping)).is_some());
    }

    #[test]
    fn a_token_has_one_session_at_a_time() {
        let places = Places::new(16);
        let _held = places.take(&claims("a", 1, PeerMethod::Ping)).unwrap();
        assert!(places.take(&claims("a", 1, PeerMethod::Ping)).is_none());
        assert!(places.take(&claims("a", 2, PeerMethod::Ping)).is_some());
    }

    #[test]
    fn one_session_fills_the_line() {
        let places = Places::new(4);
        let held = places.take(&claims("a", 1, PeerMethod::Btc)).unwrap();
        let trains = claims("b", 2, PeerMethod::PacketTrains);
        assert!(places.take(&trains).is_none());
        assert!(places.take(&claims("c", 3, PeerMethod::Ping)).is_some());
        drop(held);
        assert!(places.take(&trains).is_some());
    }
}
