#![allow(clippy::unwrap_used)]

use super::*;
use glimpse_model::id::InstructionId;
use glimpse_model::instruction::Instruction;
use glimpse_model::read::Cursor;
use glimpse_model::time::SECOND;
use glimpse_store::{Audience, LoadChange, Standing, StandingLoad, StoredInstruction};
use proptest::prelude::*;
use serde_json::{Value, json};

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap()
}

fn limits() -> Limits {
    Limits {
        runs_per_hour: 3600.0,
        packets_per_second: 100.0,
        opt_outs: OptOuts::new(&["Example.org", "192.0.2.0/24", "2001:db8::1"]).unwrap(),
    }
}

fn instruction(timing: &Value, options: &Value) -> Instruction {
    let value = json!({"id": "i", "timing": timing,
        "task": {"id": "t", "method": "ping", "options": options}});
    Instruction::read(&Cursor::root(&value), &|_| Ok(())).unwrap()
}

/// Judges `new` beside what stands.
fn admit(
    standing: &[Load<'_>],
    new: &Load<'_>,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), Refused> {
    let mut tally = Tally::default();
    for load in standing {
        tally.add(load, now);
    }
    tally.admit(new, limits, now)
}

fn load(instruction: &Instruction, agents: u64) -> Load<'_> {
    Load {
        instruction,
        agents,
        given: now(),
        cancelled: None,
    }
}

fn periodic(interval_ms: i64) -> Instruction {
    instruction(
        &json!({"periodic": {"interval": interval_ms, "randomSpread": 600_000}}),
        &json!({"host": "198.51.100.1"}),
    )
}

#[test]
fn runs_are_summed_over_the_fleet_and_over_instructions() {
    // 10 s: 360 runs an hour and agent.
    let new = periodic(10_000);
    assert_eq!(admit(&[], &load(&new, 10), &limits(), now()), Ok(()));
    let refused = admit(&[], &load(&new, 11), &limits(), now()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "198.51.100.1: 3960 runs per hour over the fleet, the limit is 3600; \
         use a longer interval or fewer agents"
    );
    let standing = [load(&new, 5), load(&new, 5)];
    assert!(admit(&standing, &load(&new, 1), &limits(), now()).is_err());
    let elsewhere = instruction(
        &json!({"periodic": {"interval": 10_000}}),
        &json!({"host": "198.51.100.2"}),
    );
    assert_eq!(
        admit(&standing, &load(&elsewhere, 10), &limits(), now()),
        Ok(())
    );
}

#[test]
fn one_target_in_many_spellings() {
    let standing = periodic(10_000);
    for options in [
        json!({"host": "::ffff:198.51.100.1"}),
        json!({"host": " 198.51.100.1"}),
        json!({"url": "https://user@198.51.100.1:8443/x"}),
        json!({"url": "http://[::ffff:198.51.100.1]/"}),
    ] {
        let new = instruction(&json!({"immediate": {}}), &options);
        let standing = [load(&standing, 10)];
        assert!(
            admit(&standing, &load(&new, 1), &limits(), now()).is_err(),
            "{options}"
        );
    }
    assert_eq!(Target::of("A.Example."), Target::of("a.example"));
}

#[test]
fn packets_that_may_fall_together_are_counted_together() {
    let at_once = instruction(
        &json!({"immediate": {}}),
        &json!({"host": "h.example", "count": 10, "interval": 200}),
    );
    // Ten packets in two seconds: five a second and agent.
    assert_eq!(admit(&[], &load(&at_once, 20), &limits(), now()), Ok(()));
    assert!(matches!(
        admit(&[], &load(&at_once, 21), &limits(), now()),
        Err(Refused::PacketsPerSecond { rate, .. }) if (rate - 105.0).abs() < 1e-9
    ));
    let spread = instruction(
        &json!({"oneoff": {"time": "2026-01-01T01:00:00Z", "randomSpread": 60_000}}),
        &json!({"host": "h.example", "count": 10, "interval": 200}),
    );
    assert_eq!(admit(&[], &load(&spread, 600), &limits(), now()), Ok(()));
    assert!(admit(&[], &load(&spread, 700), &limits(), now()).is_err());
}

#[test]
fn immediate_ones_count_for_an_hour_even_when_taken_back() {
    let one = instruction(
        &json!({"immediate": {}}),
        &json!({"host": "h.example", "count": 1}),
    );
    let mut limits = limits();
    limits.runs_per_hour = 10.0;
    let mut standing = load(&one, 10);
    let new = load(&one, 1);
    assert!(admit(&[standing], &new, &limits, now()).is_err());
    standing.cancelled = Some(now().plus_micros(SECOND));
    assert!(admit(&[standing], &new, &limits, now()).is_err());
    let later = now().plus_micros(3600 * SECOND);
    let new = Load {
        given: later,
        ..new
    };
    assert_eq!(admit(&[standing], &new, &limits, later), Ok(()));
}

#[test]
fn what_is_over_or_local_does_not_count() {
    let over = instruction(
        &json!({"periodic": {"interval": 1000, "end": "2025-12-31T00:00:00Z"}}),
        &json!({"host": "h.example"}),
    );
    let local = instruction(&json!({"ondemand": {}}), &json!({"host": "h.example"}));
    let stopped_by = periodic(1000);
    let mut stopped = load(&stopped_by, 1000);
    stopped.cancelled = Some(now());
    let new = periodic(10_000);
    let standing = [load(&over, 1000), load(&local, 1000), stopped];
    assert_eq!(admit(&standing, &load(&new, 10), &limits(), now()), Ok(()));
}

#[test]
fn opt_outs_hold_for_names_below_and_prefixes() {
    for host in [
        "example.org",
        "www.EXAMPLE.org.",
        "192.0.2.77",
        "::ffff:192.0.2.77",
        "2001:db8:0::1",
    ] {
        let timed = instruction(&json!({"ondemand": {}}), &json!({"host": host}));
        assert!(
            matches!(
                admit(&[], &load(&timed, 1), &limits(), now()),
                Err(Refused::OptedOut { .. })
            ),
            "{host}"
        );
    }
    for host in ["notexample.org", "192.0.3.1", "2001:db8::2", "org"] {
        let new = instruction(&json!({"immediate": {}}), &json!({"host": host}));
        assert_eq!(
            admit(&[], &load(&new, 1), &limits(), now()),
            Ok(()),
            "{host}"
        );
    }
    assert!(
        OptOuts::new(&["0.0.0.0/0"])
            .unwrap()
            .covers(&Target::of("203.0.113.9"))
    );
    for bad in ["", "192.0.2.0/33", "example.org/24", "::/129"] {
        assert!(OptOuts::new(&[bad]).is_err(), "{bad}");
    }
}

fn row(id: &str, given: Timestamp, reach: u64, withheld: u64) -> StoredInstruction {
    StoredInstruction {
        id: InstructionId::new(id).unwrap(),
        document: String::new(),
        audience: Audience::default(),
        reach,
        withheld,
        created: given,
        cancelled: None,
    }
}

fn standing(rows: Vec<(StoredInstruction, &Instruction, u64)>) -> Standing {
    let told_lately = rows.iter().map(|(_, _, lately)| *lately).collect();
    let instructions = rows.into_iter().map(|(row, instruction, _)| {
        let document = serde_json::to_string(instruction).unwrap();
        StoredInstruction { document, ..row }
    });
    Standing {
        instructions: instructions.collect(),
        told_lately,
        ..Standing::default()
    }
}

#[test]
fn newcomers_fill_what_the_limits_leave_and_no_more() {
    let every_10_s = periodic(10_000);
    let elsewhere = instruction(
        &json!({"periodic": {"interval": 10_000}}),
        &json!({"host": "198.51.100.2"}),
    );
    let out = instruction(&json!({"immediate": {}}), &json!({"host": "example.org"}));
    // 360 runs an hour each: eight are told, those it is withheld from do not count.
    let standing = standing(vec![
        (row("a", now(), 5, 100), &every_10_s, 0),
        (row("b", now(), 3, 0), &every_10_s, 0),
        (row("c", now(), 0, 0), &elsewhere, 0),
        (row("d", now(), 0, 0), &out, 0),
    ]);
    let mut gate = newcomers(limits()).gate(&standing, now());
    assert_eq!(gate(0), Ok(()));
    assert_eq!(gate(1), Ok(()));
    for place in [0, 1, 0] {
        let withholding = gate(place).unwrap_err();
        assert_eq!(withholding.target, "198.51.100.1");
        let said = "198.51.100.1: 3960 runs per hour over the fleet, the limit is 3600";
        assert!(withholding.reason.starts_with(said), "{withholding:?}");
    }
    // A group without agents leaves all the room to its first.
    for _ in 0..10 {
        assert_eq!(gate(2), Ok(()));
    }
    assert!(gate(2).is_err());
    assert_eq!(gate(3).unwrap_err().target, "example.org");
    assert!(gate(4).is_err(), "there is no such instruction");
}

#[test]
fn old_one_shots_count_for_the_hour_after_an_agent_is_told() {
    let once = instruction(
        &json!({"immediate": {}}),
        &json!({"host": "h.example", "count": 1}),
    );
    let given = now().plus_micros(-7200 * SECOND);
    let mut limits = limits();
    limits.runs_per_hour = 10.0;
    let passed = |lately| {
        let standing = standing(vec![(row("a", given, 1000, 0), &once, lately)]);
        let mut gate = newcomers(limits.clone()).gate(&standing, now());
        (0..20).filter(|_| gate(0).is_ok()).count()
    };
    assert_eq!(passed(0), 10);
    assert_eq!(passed(7), 3);
    assert_eq!(passed(10), 0);
}

#[test]
fn an_addition_counts_a_group_without_agents_as_one() {
    let every_10_s = periodic(10_000);
    let mut limits = limits();
    limits.runs_per_hour = 720.0;
    let verdict = |reach, withheld, new| {
        let mut standing = standing(vec![(row("a", now(), reach, withheld), &every_10_s, 0)]);
        standing.reach = vec![new];
        additions(vec![every_10_s.clone()], limits.clone(), now())(&standing).is_ok()
    };
    assert!(verdict(0, 0, 0) && verdict(0, 0, 1) && verdict(1, 0, 0));
    assert!(!verdict(0, 0, 2) && !verdict(2, 0, 0));
    assert!(verdict(0, 5, 2), "nobody is told what is withheld from all");
}

proptest! {
    /// Whatever passes one after the other, the sum over all that passed is within the limit.
    #[test]
    fn nothing_that_passes_goes_over_the_limit(
        wishes in prop::collection::vec((1_i64..100_000, 1_u64..50), 1..40)
    ) {
        let limits = limits();
        let instructions: Vec<Instruction> = wishes.iter().map(|(ms, _)| periodic(*ms)).collect();
        let mut passed: Vec<Load<'_>> = Vec::new();
        for (instruction, (_, agents)) in instructions.iter().zip(&wishes) {
            let new = load(instruction, *agents);
            if admit(&passed, &new, &limits, now()).is_ok() {
                passed.push(new);
            }
        }
        let mut sum = Demand::default();
        for demand in passed.iter().flat_map(|load| load.demands(now()).into_values()) {
            sum.add(demand);
        }
        prop_assert!(sum.runs_per_hour() <= limits.runs_per_hour + 1e-6);
        prop_assert!(sum.packets_per_second() <= limits.packets_per_second + 1e-6);
    }

    /// More agents, or more that stands, never turn a refusal into a pass.
    #[test]
    fn admission_is_monotonic(ms in 1_i64..100_000, agents in 1_u64..100, more in 1_u64..100) {
        let new = periodic(ms);
        let few = admit(&[], &load(&new, agents), &limits(), now());
        let many = admit(&[], &load(&new, agents + more), &limits(), now());
        let beside = admit(&[load(&new, more)], &load(&new, agents), &limits(), now());
        if few.is_err() {
            prop_assert!(many.is_err() && beside.is_err());
        }
    }
}

fn document(interval_ms: i64) -> String {
    serde_json::to_string(&periodic(interval_ms)).unwrap()
}

#[test]
fn what_agents_send_by_themselves_counts_and_is_exchanged_as_a_whole() {
    // 10 s: 360 runs an hour and agent; nine agents have it.
    let standing = Standing {
        loads: vec![StandingLoad {
            document: document(10_000),
            agents: 9,
            given: now(),
        }],
        reach: vec![2],
        ..Standing::default()
    };
    // Beside it there is room for one agent more, not for two, whichever door they come by.
    assert!(additions(vec![periodic(10_000)], limits(), now())(&standing).is_err());
    let change = |gone: &[i64], new: &[i64]| LoadChange {
        gone: gone.iter().map(|ms| (document(*ms), now())).collect(),
        new: new.iter().map(|ms| document(*ms)).collect(),
        begin: Vec::new(),
    };
    let changes = [
        // Twice as often: instead of 360 runs 720.
        change(&[10_000], &[5_000]),
        // No room is left.
        change(&[], &[1_000_000]),
        // Less makes room, for the next one too.
        change(&[10_000], &[20_000]),
        change(&[], &[30_000]),
        change(&[], &[300_000]),
    ];
    // What is gone has run once.
    let and_one = Limits {
        runs_per_hour: limits().runs_per_hour + 1.0,
        ..limits()
    };
    let verdicts = loads(and_one, now())(&standing, &changes);
    let passed: Vec<bool> = verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(passed, [true, false, true, true, true]);
    let reason = verdicts[1].as_ref().unwrap_err();
    assert_eq!(reason.target, "198.51.100.1");
    assert!(reason.reason.contains("runs per hour"), "{}", reason.reason);
    // A fleet that is over its limit may still be told to do less, and what stays as it is is not judged.
    let full = Limits {
        runs_per_hour: 100.0,
        ..limits()
    };
    let verdicts = loads(full, now())(&standing, &[change(&[10_000], &[]), change(&[], &[])]);
    assert!(verdicts.iter().all(Result::is_ok));
}

fn once(host: &str) -> Instruction {
    instruction(
        &json!({"immediate": {}}),
        &json!({"host": host, "count": 1}),
    )
}

fn text(instruction: &Instruction) -> String {
    serde_json::to_string(instruction).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    now().plus_micros(seconds * SECOND)
}

#[test]
fn a_run_counts_for_its_hour_though_its_load_is_gone() {
    let run = |instruction: &Instruction, given, gone| {
        let (document, since) = remains(&text(instruction), given, gone)?;
        assert_eq!(
            stored(&document).unwrap().timing,
            glimpse_model::timing::Timing::Immediate {}
        );
        Some(since)
    };
    assert_eq!(run(&once("h"), at(0), at(10)), Some(at(0)));
    assert_eq!(run(&once("h"), at(0), at(3600)), None, "long ago");
    let oneoff = instruction(
        &json!({"oneoff": {"time": "2026-01-01T00:10:00Z"}}),
        &json!({"host": "h"}),
    );
    assert_eq!(run(&oneoff, at(0), at(599)), None, "it has not run");
    assert_eq!(run(&oneoff, at(0), at(700)), Some(at(600)));
    let daily = periodic(86_400_000);
    assert_eq!(run(&daily, at(0), at(60)), Some(at(60)), "its first time");
    assert_eq!(run(&daily, at(0), at(7200)), None, "not before it repeats");
    assert_eq!(run(&daily, at(0), at(86_400)), Some(at(86_400)));
    let fixed = instruction(
        &json!({"periodic": {"interval": 86_400_000, "start": "2026-01-01T01:00:00Z"}}),
        &json!({"host": "h"}),
    );
    assert_eq!(run(&fixed, at(0), at(3599)), None);
    assert_eq!(run(&fixed, at(0), at(3601)), Some(at(3601)));
    assert_eq!(
        run(&fixed, at(0), at(9000)),
        None,
        "the next one is tomorrow"
    );
}

#[test]
fn what_ran_is_not_made_room_of() {
    let mut limits = limits();
    limits.runs_per_hour = 2.0;
    let given = text(&once("h.example"));
    let standing = Standing {
        loads: vec![StandingLoad {
            document: given.clone(),
            agents: 2,
            given: at(0),
        }],
        ..Standing::default()
    };
    let change = LoadChange {
        gone: vec![(given.clone(), at(0))],
        new: vec![given.clone()],
        ..LoadChange::default()
    };
    let refused = loads(limits.clone(), at(60))(&standing, std::slice::from_ref(&change)).remove(0);
    assert_eq!(refused.unwrap_err().target, "h.example");
    assert!(loads(limits.clone(), at(3600))(&standing, &[change])[0].is_ok());
    // What was let pass long before the agent gets it runs then.
    let begin = LoadChange {
        begin: vec![(given, at(0))],
        ..LoadChange::default()
    };
    let full = Standing {
        loads: vec![StandingLoad {
            document: text(&once("h.example")),
            agents: 2,
            given: at(7000),
        }],
        ..Standing::default()
    };
    assert!(loads(limits.clone(), at(7200))(&full, std::slice::from_ref(&begin))[0].is_err());
    assert!(loads(limits, at(7200))(&standing, &[begin])[0].is_ok());
}

#[test]
fn an_agent_s_word_counts_for_its_part_of_the_limit_and_no_more() {
    let much = instruction(
        &json!({"periodic": {"interval": 1}}),
        &json!({"host": "anchor.example", "count": 9_223_372_036_854_775_807_u64, "interval": 0}),
    );
    let documents = vec![text(&much); 2000];
    let counted = foreign(&documents, &limits(), now());
    let [load] = &counted[..] else {
        panic!("{counted:?}")
    };
    assert_eq!(
        (
            load.target.as_str(),
            load.runs_per_hour_millionths,
            load.packets_per_second_millionths
        ),
        ("anchor.example", 36_000_000, 1_000_000)
    );
    // An agent that says so leaves room for the others: 3600 runs an hour are the limit.
    let standing = Standing {
        foreign: counted,
        reach: vec![9],
        ..Standing::default()
    };
    let every_10_s = instruction(
        &json!({"periodic": {"interval": 10_000, "randomSpread": 600_000}}),
        &json!({"host": "anchor.example"}),
    );
    let verdict = |reach: u64| {
        let standing = Standing {
            reach: vec![reach],
            ..standing.clone()
        };
        additions(vec![every_10_s.clone()], limits(), now())(&standing).is_ok()
    };
    assert!(verdict(9) && !verdict(10));
}

#[test]
fn nothing_is_lost_beside_what_is_taken_away() {
    let huge = instruction(
        &json!({"periodic": {"interval": 1}}),
        &json!({"host": "h.example", "count": 10_000, "interval": 1}),
    );
    let little = instruction(
        &json!({"periodic": {"interval": 3_600_000}}),
        &json!({"host": "h.example"}),
    );
    let mut tally = Tally::default();
    tally.add(&load(&little, 1), now());
    let before = tally.clone();
    tally.add(&load(&huge, u64::from(u32::MAX)), now());
    for _ in 0..3 {
        tally.add(&load(&huge, 1), now());
        tally.remove(&load(&huge, 1), now());
    }
    tally.remove(&load(&huge, u64::from(u32::MAX)), now());
    assert_eq!(tally, before);
}

#[test]
fn all_targets_of_a_task_are_judged() {
    let lookup = instruction(
        &json!({"immediate": {}}),
        &json!({"host": "random.example", "dns_server": "192.0.2.9"}),
    );
    let mut task = lookup.clone();
    task.tasks[0].method = "dnslookup".to_owned();
    // 192.0.2.0/24 wants nothing.
    assert!(matches!(
        admit(&[], &load(&task, 1), &limits(), now()),
        Err(Refused::OptedOut { target }) if target == Target::of("192.0.2.9")
    ));
}

#[test]
fn operators_of_some_agents_leave_room_to_those_of_all() {
    let new = periodic(10_000);
    let confined = limits().confined();
    assert_eq!(admit(&[], &load(&new, 5), &confined, now()), Ok(()));
    assert!(admit(&[], &load(&new, 6), &confined, now()).is_err());
    assert_eq!(
        admit(&[load(&new, 5)], &load(&new, 5), &limits(), now()),
        Ok(())
    );
}
