//! How much an instruction set may ask of this machine, whatever the household's caps let pass.
//!
//! The guard looks at each firing by itself; so many firings that looking at them takes all of the processor, or that
//! waiting for their spread takes all of the memory, must not come into the plan.

use glimpse_model::instruction::{InstructionSet, RefusedInstruction};
use glimpse_model::read::Refused;
use glimpse_model::timing::Timing;

/// Firings per hour of all instructions together: 100 in a second.
const PER_HOUR: f64 = 360_000.0;
/// Firings that wait for their random spread to pass, of all instructions together.
const WAITING: f64 = 10_000.0;
const MS_PER_HOUR: f64 = 3_600_000.0;

/// Sets apart what goes beyond the bounds, in the order of the set.
pub(super) fn bound(set: &mut InstructionSet) {
    let (mut per_hour, mut waiting) = (0.0, 0.0);
    for instruction in std::mem::take(&mut set.instructions) {
        let more = instruction.timing.per_hour();
        let more_waiting = more * spread_ms(&instruction.timing) / MS_PER_HOUR;
        let excess = if per_hour + more > PER_HOUR {
            "asks, with those before it, for more than 100 firings in a second"
        } else if waiting + more_waiting > WAITING {
            "has, with those before it, more than 10000 firings waiting for their spread"
        } else {
            per_hour += more;
            waiting += more_waiting;
            set.instructions.push(instruction);
            continue;
        };
        set.refused.push(RefusedInstruction {
            id: Some(instruction.id),
            refused: Refused::new("timing", excess),
        });
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most 400 days: exact in a double"
)]
fn spread_ms(timing: &Timing) -> f64 {
    match timing {
        Timing::Periodic(periodic) => periodic.spread_ms as f64,
        Timing::Calendar(calendar) => calendar.spread_ms as f64,
        // One firing waits at most.
        Timing::Immediate {} | Timing::OneOff { .. } | Timing::OnDemand {} => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn bounded(timings: &[Value]) -> (Vec<String>, Vec<String>) {
        let instructions: Vec<Value> = timings
            .iter()
            .enumerate()
            .map(|(i, timing)| {
                json!({"id": i, "timing": timing,
                    "task": {"id": "t", "method": "ping", "options": {"host": "192.0.2.1"}}})
            })
            .collect();
        let document = json!({"schema": 2, "instructions": instructions});
        let mut set = InstructionSet::parse(document.to_string().as_bytes()).unwrap();
        bound(&mut set);
        let kept = set.instructions.iter().map(|kept| kept.id.to_string());
        let refused = set.refused.iter().map(|r| r.refused.to_string());
        (kept.collect(), refused.collect())
    }

    #[test]
    fn a_set_asks_for_a_hundred_firings_in_a_second_at_most() {
        let every = |ms: u32| json!({"periodic": {"interval": ms}});
        let (kept, refused) = bounded(&[every(1), every(20), every(20), every(1000), every(10)]);
        assert_eq!(kept, ["1", "2"]);
        assert_eq!(refused.len(), 3);
        assert!(refused[0].starts_with("timing: asks"), "{refused:?}");
        let (kept, _) = bounded(&vec![every(60_000); 1000]);
        assert_eq!(kept.len(), 1000, "once a minute each");
        let (kept, _) = bounded(&vec![json!({"immediate": {}}); 1000]);
        assert_eq!(kept.len(), 1000);
    }

    #[test]
    fn few_firings_wait_for_their_spread() {
        let day = 86_400_000;
        let spread =
            |ms: u32, spread: u32| json!({"periodic": {"interval": ms, "randomSpread": spread}});
        let (kept, refused) = bounded(&[
            spread(1000, day),
            spread(3_600_000, day),
            spread(1000, 60_000),
        ]);
        assert_eq!(kept, ["1", "2"]);
        assert!(refused[0].contains("spread"), "{refused:?}");
    }
}
