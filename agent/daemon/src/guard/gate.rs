//! The judgement on every address that a run is about to measure, after resolution and at each
//! connect: what kind of address it is, and how much it and the line have been given lately.

use super::rate::Flow;
use super::{Denied, target};
use glimpse_model::record::SkipReason;
use glimpse_model::time::Timestamp;
use glimpse_net::target::classify;
use glimpse_probe::context::Admit;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Remembers why an address was refused, so that the run counts as skipped, not as failed.
#[derive(Debug, Clone, Default)]
pub struct Refusal(Arc<Mutex<Option<Denied>>>);

impl Refusal {
    /// Notes a refusal.
    pub fn note(&self, denied: Denied) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(denied);
    }

    /// The last refusal, if there was one.
    pub fn take(&self) -> Option<Denied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What one run may.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Addresses of the household's own network.
    pub lan: bool,
    /// Addresses that only a laboratory has.
    pub lab: bool,
    /// Bytes that the run can send to each address: 0 where they are bounded otherwise, and only the runs are counted
    /// (those that fill the line go to hosts that are listed, opt in, or hold a token); `None` where not even they are.
    pub charge: Option<u64>,
    /// What was given lately.
    pub flow: Flow,
    /// Where refusals are remembered.
    pub refusal: Refusal,
}

impl Gate {
    /// The judgement for the run's context; `now` is the clock.
    pub fn admit(self, now: fn() -> Timestamp) -> Arc<Admit> {
        // A run that connects again to where it was is not charged twice.
        let known = Mutex::new(BTreeSet::new());
        Arc::new(move |address| {
            let judged = self.judge(address, &known, now());
            judged.map_err(|denied| {
                let words = denied.words.clone();
                self.refusal.note(denied);
                words
            })
        })
    }

    fn judge(
        &self,
        address: IpAddr,
        known: &Mutex<BTreeSet<IpAddr>>,
        now: Timestamp,
    ) -> Result<(), Denied> {
        target::admit(address, self.lan, self.lab).map_err(|words| Denied {
            reason: SkipReason::TargetRefused,
            words,
        })?;
        let Some(bytes) = self.charge else {
            return Ok(());
        };
        let address = address.to_canonical();
        // What stays within the household burdens nobody else.
        if classify(address).is_local() && self.lan {
            return Ok(());
        }
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&address) {
            return Ok(());
        }
        self.flow
            .enter(address, bytes, now)
            .map_err(|words| Denied {
                reason: SkipReason::TargetRate,
                words,
            })?;
        known.insert(address);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::rate::Allowance;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000)
    }

    fn gate(flow: &Flow, charge: Option<u64>, lan: bool) -> (Arc<Admit>, Refusal) {
        let refusal = Refusal::default();
        let gate = Gate {
            lan,
            lab: false,
            charge,
            flow: flow.clone(),
            refusal: refusal.clone(),
        };
        (gate.admit(now), refusal)
    }

    fn flow() -> Flow {
        let flow = Flow::default();
        flow.allow(Allowance {
            runs: 10,
            target_bytes: 1000,
            all_bytes: 2500,
        });
        flow
    }

    #[test]
    fn names_of_one_address_share_its_allowance() {
        let flow = flow();
        let host: IpAddr = [9, 9, 9, 9].into();
        assert_eq!(gate(&flow, Some(600), false).0(host), Ok(()));
        let (admit, refusal) = gate(&flow, Some(600), false);
        let mapped = "::ffff:9.9.9.9".parse().unwrap();
        assert!(admit(mapped).is_err(), "another spelling is no other host");
        assert_eq!(refusal.take().unwrap().reason, SkipReason::TargetRate);
        assert_eq!(admit([9, 9, 9, 10].into()), Ok(()));
    }

    #[test]
    fn one_run_is_charged_once_an_address() {
        let flow = flow();
        let (admit, refusal) = gate(&flow, Some(600), false);
        for _ in 0..5 {
            assert_eq!(admit([9, 9, 9, 9].into()), Ok(()));
        }
        assert!(refusal.take().is_none());
    }

    #[test]
    fn the_household_and_sessions_of_others_are_not_counted_here() {
        let flow = flow();
        assert_eq!(
            gate(&flow, Some(5000), true).0([192, 168, 1, 1].into()),
            Ok(())
        );
        assert_eq!(gate(&flow, None, false).0([9, 9, 9, 9].into()), Ok(()));
        let (admit, refusal) = gate(&flow, None, false);
        assert!(admit([192, 168, 1, 1].into()).is_err());
        assert_eq!(refusal.take().unwrap().reason, SkipReason::TargetRefused);
    }

    #[test]
    fn what_fills_the_line_knocks_as_seldom_as_others() {
        let flow = flow();
        let host: IpAddr = [9, 9, 9, 9].into();
        for _ in 0..10 {
            assert_eq!(gate(&flow, Some(0), false).0(host), Ok(()));
        }
        assert!(gate(&flow, Some(0), false).0(host).is_err());
        assert_eq!(
            gate(&flow, Some(1000), false).0([9, 9, 9, 10].into()),
            Ok(()),
            "it takes no bytes from the minute"
        );
    }
}
