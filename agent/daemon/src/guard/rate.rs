//! How often one target is measured, and how much it and everybody together are sent.

use glimpse_model::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

const MINUTE: i64 = 60 * SECOND;

/// Targets remembered at most; beyond, some that were not measured lately are forgotten.
const LIMIT: usize = 4096;

/// The runs of the last minute by target.
#[derive(Debug, Default)]
pub struct Targets {
    started: BTreeMap<String, VecDeque<Timestamp>>,
}

impl Targets {
    /// Whether another run may start at `now` where `per_minute` are allowed.
    pub fn may(&self, name: &str, now: Timestamp, per_minute: u32) -> bool {
        let lately = |starts: &VecDeque<Timestamp>| {
            starts
                .iter()
                .filter(|start| is_recent(**start, now))
                .count()
        };
        self.started.get(name).map_or(0, lately) < per_minute as usize
    }

    /// Notes a run that starts at `now`.
    pub fn enter(&mut self, name: &str, now: Timestamp) {
        if self.started.len() >= LIMIT && !self.started.contains_key(name) {
            self.forget(now);
        }
        let starts = self.started.entry(name.to_owned()).or_default();
        starts.retain(|start| is_recent(*start, now));
        starts.push_back(now);
    }

    fn forget(&mut self, now: Timestamp) {
        self.started
            .retain(|_, starts| starts.back().is_some_and(|last| is_recent(*last, now)));
        if self.started.len() >= LIMIT {
            self.started.pop_first();
        }
    }
}

/// Starts older than the window, or from before a clock was set back, count no more.
fn is_recent(start: Timestamp, now: Timestamp) -> bool {
    (0..MINUTE).contains(&now.since(start))
}

/// What may be begun within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Runs to one address.
    pub runs: u32,
    /// Bytes of the runs to one address, each with its worst case.
    pub target_bytes: u64,
    /// Bytes of all runs, each with its worst case.
    pub all_bytes: u64,
}

/// What was begun within the last minute, by address: names do not matter, and of IPv6 the /64 counts,
/// where one host has as many addresses as it likes. Shared by all runs.
#[derive(Debug, Clone, Default)]
pub struct Flow(Arc<Mutex<Begun>>);

#[derive(Debug, Default)]
struct Begun {
    allowance: Allowance,
    /// `(when, whither, bytes)`, the oldest first.
    runs: VecDeque<(Timestamp, IpAddr, u64)>,
}

impl Flow {
    /// Puts another allowance in force.
    pub fn allow(&self, allowance: Allowance) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .allowance = allowance;
    }

    /// Notes a run that begins at `now` and can send `bytes` to `address`.
    ///
    /// # Errors
    /// Why it may not, in words for the skip record; nothing is noted then.
    pub fn enter(&self, address: IpAddr, bytes: u64, now: Timestamp) -> Result<(), String> {
        let begun = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.runs.retain(|(at, ..)| is_recent(*at, now));
        if begun.runs.len() >= LIMIT {
            return Err("too many measurements were begun in this minute".to_owned());
        }
        let (key, allowance) = (neighbourhood(address), begun.allowance);
        let (mut runs, mut there, mut all) = (0_u32, bytes, bytes);
        for (_, whither, bytes) in &begun.runs {
            all = all.saturating_add(*bytes);
            if *whither == key {
                runs += 1;
                there = there.saturating_add(*bytes);
            }
        }
        if runs >= allowance.runs {
            return Err(format!(
                "{address} was measured {runs} times in this minute, as often as is allowed"
            ));
        }
        if there > allowance.target_bytes {
            return Err(format!(
                "{address} could be sent {there} bytes in this minute, {} are allowed",
                allowance.target_bytes
            ));
        }
        if all > allowance.all_bytes {
            return Err(format!(
                "all measurements of this minute could send {all} bytes, {} are allowed",
                allowance.all_bytes
            ));
        }
        begun.runs.push_back((now, key, bytes));
        Ok(())
    }
}

/// The address, or of IPv6 the /64 that one host may have for itself.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut targets = Targets::default();
        for n in 0..10_000 {
            targets.enter(&format!("host{n}"), Timestamp::from_micros(n));
        }
        assert!(targets.started.len() <= LIMIT);
    }

    fn flow() -> Flow {
        let flow = Flow::default();
        flow.allow(Allowance {
            runs: 3,
            target_bytes: 1000,
            all_bytes: 2500,
        });
        flow
    }

    #[test]
    fn bytes_and_runs_of_a_minute_are_bounded_by_address_and_together() {
        let (flow, t0) = (flow(), Timestamp::from_micros(0));
        let [a, b, c]: [IpAddr; 3] = [1, 2, 3].map(|n| [9, 9, 9, n].into());
        assert_eq!(flow.enter(a, 1000, t0), Ok(()));
        assert!(
            flow.enter(a, 1, t0)
                .is_err_and(|words| words.contains("1001 bytes"))
        );
        assert_eq!(flow.enter(b, 1000, t0), Ok(()));
        assert!(
            flow.enter(c, 501, t0)
                .is_err_and(|words| words.contains("all measurements"))
        );
        assert_eq!(flow.enter(c, 500, t0), Ok(()));
        let later = t0.plus_micros(MINUTE);
        for _ in 0..3 {
            assert_eq!(flow.enter(a, 10, later), Ok(()));
        }
        assert!(
            flow.enter(a, 10, later)
                .is_err_and(|words| words.contains("3 times"))
        );
    }

    #[test]
    fn a_host_with_many_ipv6_addresses_is_one_target() {
        let (flow, now) = (flow(), Timestamp::from_micros(0));
        let [a, b, other]: [IpAddr; 3] = ["2620:fe::1", "2620:fe::2", "2620:fe:0:1::1"]
            .map(|text| text.parse().unwrap_or_else(|_| unreachable!()));
        assert_eq!(flow.enter(a, 900, now), Ok(()));
        assert!(flow.enter(b, 900, now).is_err());
        assert_eq!(flow.enter(other, 900, now), Ok(()));
    }
}
