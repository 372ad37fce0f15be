//! What one agent may send in a day, whatever it says in it: what is stored of it lives as long as the database.

use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const DAY_US: i64 = 86_400 * SECOND;

/// How many bytes each agent has sent lately. What it sends today is forgotten evenly within a day.
#[derive(Debug)]
pub(crate) struct Allowances {
    daily: u64,
    spent: Mutex<HashMap<AgentId, Spent>>,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    bytes: u64,
    at: Timestamp,
}

impl Spent {
    fn now(self, daily: u64, now: Timestamp) -> u64 {
        let elapsed = now.since(self.at).max(0);
        let forgotten = u128::from(daily) * u128::from(elapsed.unsigned_abs()) / DAY_US as u128;
        self.bytes
            .saturating_sub(u64::try_from(forgotten).unwrap_or(u64::MAX))
    }
}

impl Allowances {
    /// `daily` bytes for each agent.
    pub(crate) fn new(daily: u64) -> Self {
        Self {
            daily: daily.max(1),
            spent: Mutex::default(),
        }
    }

    /// Whether an agent may send more.
    ///
    /// # Errors
    /// The seconds until it may.
    pub(crate) fn ask(&self, agent: &AgentId, now: Timestamp) -> Result<(), u32> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = spent
            .get(agent)
            .map_or(0, |spent| spent.now(self.daily, now));
        if bytes < self.daily {
            return Ok(());
        }
        let excess = u128::from(bytes - self.daily + 1);
        let seconds = (excess * 86_400).div_ceil(u128::from(self.daily));
        Err(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Counts what an agent has sent: the last document of a day may go beyond.
    pub(crate) fn spend(&self, agent: &AgentId, bytes: usize, now: Timestamp) {
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = all
            .entry(agent.clone())
            .or_insert(Spent { bytes: 0, at: now });
        spent.bytes = spent.now(self.daily, now).saturating_add(bytes as u64);
        spent.at = now;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_allowance_is_each_agents_own_and_comes_back_within_a_day() {
        let allowances = Allowances::new(86_400);
        let [one, two] = ["one", "two"].map(|id| AgentId::new(id).unwrap());
        let at = |seconds: i64| Timestamp::from_micros((1_000_000 + seconds) * SECOND);
        assert_eq!(allowances.ask(&one, at(0)), Ok(()));
        allowances.spend(&one, 86_399, at(0));
        assert_eq!(allowances.ask(&one, at(0)), Ok(()), "a byte is left");
        allowances.spend(&one, 100, at(0));
        assert_eq!(allowances.ask(&one, at(0)), Err(100));
        assert_eq!(allowances.ask(&two, at(0)), Ok(()));
        assert_eq!(allowances.ask(&one, at(99)), Err(1));
        assert_eq!(allowances.ask(&one, at(100)), Ok(()));
        // A clock that is set back gives nothing, and takes nothing.
        assert_eq!(allowances.ask(&one, at(-500)), Err(100));
        allowances.spend(&one, 1_000_000, at(100));
        assert_eq!(allowances.ask(&one, at(86_500)), Err(913_600));
        assert_eq!(allowances.ask(&one, at(86_500 + 913_600)), Ok(()));
    }
}
