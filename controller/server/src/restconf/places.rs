//! Places for what operators ask at once: one of them cannot take all of the program's memory or time.

use crate::caller::{Share, Shares};
use crate::config::Operator;
use glimpse_restconf::{Error, Tag};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request waits for a place.
const TURN: Duration = Duration::from_secs(10);

/// Places of one kind.
#[derive(Debug)]
pub(super) struct Places {
    permits: Arc<Semaphore>,
    shares: Shares<String>,
    most: usize,
}

/// What is given back when nobody works any more on what it is for. Work goes on when whoever asked for it has hung up, and takes
/// memory until it ends: each piece of it has its own copy.
pub(super) type Held = Arc<dyn Send + Sync>;

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Share<String>,
}

impl Places {
    /// `all` places; at most `most` requests of one operator have one, or wait for it.
    pub(super) fn new(all: usize, most: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(all)),
            shares: Shares::default(),
            most,
        }
    }

    /// A place for a request of an operator, as soon as there is one.
    ///
    /// # Errors
    /// 429 where the operator has too many, or nothing becomes free.
    pub(super) async fn take(&self, operator: &Operator) -> Result<Place, Error> {
        let crowded = || {
            let message = "too many requests at once: wait for the answers to some of them";
            Error::protocol(Tag::ResourceDenied, message).with_status(429)
        };
        let share = self.shares.enter(&operator.name, self.most);
        let share = share.ok_or_else(crowded)?;
        match tokio::time::timeout(TURN, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place {
                _permit: permit,
                _share: share,
            }),
            _ => Err(crowded()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Role;

    fn operator(name: &str) -> Operator {
        Operator {
            name: name.to_owned(),
            role: Role::Operator,
            certificate: None,
            token: None,
            groups: Vec::new(),
            agents: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_has_a_share_and_waits_for_a_place_no_longer_than_its_turn() {
        let places = Places::new(2, 1);
        let (one, two, three) = (operator("1"), operator("2"), operator("3"));
        let first = places.take(&one).await.unwrap();
        assert_eq!(places.take(&one).await.unwrap_err().status, 429);
        let _second = places.take(&two).await.unwrap();
        assert_eq!(places.take(&three).await.unwrap_err().status, 429);
        let (third, ()) = tokio::join!(places.take(&three), async { drop(first) });
        assert!(third.is_ok());
    }
}
