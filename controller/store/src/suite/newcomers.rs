//! What an agent is told that was there before it.

use super::{agent_id, instruction, now, token, yes};
use crate::{
    Addition, Admit, Audience, Enrolled, Judge, NewInstruction, NewToken, Standing, Store,
    Withholding,
};
use glimpse_model::id::InstructionId;
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

const HOUR_US: i64 = 3600 * SECOND;

/// At most `limit` agents, over all instructions in force, may be told of one `target`; a document
/// that names none has no limit, and from `until_us` on nothing has.
pub(crate) fn judge() -> Judge {
    Judge::new(|standing: &Standing, at| {
        let mut told: HashMap<String, u64> = HashMap::new();
        let mut documents = Vec::new();
        for known in &standing.instructions {
            let document: Value = serde_json::from_str(&known.document).unwrap();
            if let (Some(target), None) = (document["target"].as_str(), known.cancelled) {
                *told.entry(target.to_owned()).or_default() += known.reach;
            }
            documents.push(document);
        }
        Box::new(move |place| {
            let document = &documents[place];
            let (Some(target), Some(limit)) =
                (document["target"].as_str(), document["limit"].as_u64())
            else {
                return Ok(());
            };
            let told = told.entry(target.to_owned()).or_default();
            let over = document["until_us"]
                .as_i64()
                .is_some_and(|until| at.as_micros() >= until);
            if *told >= limit && !over {
                return Err(Withholding {
                    target: target.to_owned(),
                    reason: format!("{target}: {} agents, the limit is {limit}", *told + 1),
                });
            }
            *told += 1;
            Ok(())
        })
    })
}

fn limited(id: &str, target: &str, limit: u64, audience: Audience) -> NewInstruction {
    let until_us = now().plus_micros(3 * HOUR_US).as_micros();
    let document = json!({"id": id, "target": target, "limit": limit, "until_us": until_us});
    NewInstruction {
        document: document.to_string(),
        ..instruction(id, audience)
    }
}

fn west() -> Audience {
    Audience {
        agents: Vec::new(),
        groups: vec!["west".into()],
    }
}

async fn enrol(store: &dyn Store, hash: u8, agent: &str, back: bool, at: Timestamp) -> Enrolled {
    let token = NewToken {
        group: Some("west".into()),
        expires: at.plus_micros(1),
        ..token(hash, back.then_some(agent))
    };
    store.add_token(token).await.unwrap();
    let enrolment = crate::Enrolment {
        at,
        ..super::enrolment(hash, agent)
    };
    store.enrol(enrolment).await.unwrap().unwrap()
}

/// Of the instructions of this case, those that an agent is told and those withheld from it.
async fn known_to(store: &dyn Store, agent: &str) -> (Vec<String>, Vec<String>) {
    let told = store.visible_to(&agent_id(agent)).await.unwrap().documents;
    let told = told.iter().filter_map(|text| {
        let document: Value = serde_json::from_str(text).unwrap();
        let id = document["id"].as_str().unwrap().to_owned();
        id.starts_with("w-").then_some(id)
    });
    let withheld = store.withheld_from(&agent_id(agent)).await.unwrap();
    let withheld = withheld.iter().map(|row| row.instruction.to_string());
    (told.collect(), withheld.collect())
}

async fn counts(store: &dyn Store, id: &str) -> (u64, u64) {
    let id = InstructionId::new(id).unwrap();
    let known = store.instruction(&id).await.unwrap().unwrap();
    let listed = store.instructions(true).await.unwrap();
    assert!(listed.contains(&known), "both say the same");
    (known.reach, known.withheld)
}

pub(crate) async fn pass_the_judge(store: &dyn Store) {
    let present = counts(store, "i-new").await.0;
    let named = Audience {
        agents: vec![agent_id("b-1")],
        groups: Vec::new(),
    };
    let new = vec![
        limited("w-1", "t", 1, west()),
        limited("w-2", "t", 1, west()),
        limited("w-all", "u", present + 1, Audience::default()),
        limited("w-named", "v", 0, named),
    ];
    let added = store.add_instructions(new, yes()).await.unwrap();
    assert!(matches!(added, Addition::Added(reach) if reach == [0, 0, present, 1]));

    let first = enrol(store, 101, "first", false, now().plus_micros(1)).await;
    assert_eq!(first.withheld.len(), 1, "{:?}", first.withheld);
    assert_eq!(first.withheld[0].instruction.as_str(), "w-2");
    assert_eq!(first.withheld[0].target, "t");
    assert_eq!(first.withheld[0].reason, "t: 2 agents, the limit is 1");
    assert_eq!(first.withheld[0].at, now().plus_micros(1));
    let kept = store.withheld_from(&agent_id("first")).await.unwrap();
    assert_eq!(kept, first.withheld);
    enrol(store, 102, "second", false, now().plus_micros(2)).await;
    assert_eq!(
        known_to(store, "first").await,
        (vec!["w-1".into(), "w-all".into()], vec!["w-2".into()])
    );
    let all = vec!["w-1".into(), "w-2".into(), "w-all".into()];
    assert_eq!(known_to(store, "second").await, (vec![], all));
    assert_eq!(counts(store, "w-1").await, (1, 1));
    assert_eq!(counts(store, "w-2").await, (0, 2));
    assert_eq!(counts(store, "w-all").await, (present + 1, 1));

    let back = enrol(store, 103, "first", true, now().plus_micros(3)).await;
    assert_eq!(back.withheld, [], "who comes back is no newcomer");
    assert_eq!(known_to(store, "first").await.1, ["w-2"]);

    room_is_given_to_who_waits_longest(store).await;
    additions_are_judged_by_what_is_told(store).await;
    time_makes_room(store).await;
}

async fn room_is_given_to_who_waits_longest(store: &dyn Store) {
    let before = store.visible_to(&agent_id("first")).await.unwrap().revision;
    let id = InstructionId::new("w-1").unwrap();
    let cancelled = store.cancel_instruction(id, now().plus_micros(4));
    assert!(cancelled.await.unwrap());
    assert_eq!(
        known_to(store, "first").await,
        (vec!["w-2".into(), "w-all".into()], vec![])
    );
    let all = vec!["w-2".into(), "w-all".into()];
    assert_eq!(known_to(store, "second").await, (vec![], all));
    assert_eq!(counts(store, "w-2").await, (1, 1));
    let woken = tokio::time::timeout(Duration::from_secs(5), store.changed(before));
    assert!(woken.await.unwrap().unwrap() > before);

    let at = now().plus_micros(HOUR_US + 1);
    store.revoke(agent_id("first"), at).await.unwrap().unwrap();
    let all = vec!["w-2".into(), "w-all".into()];
    assert_eq!(known_to(store, "second").await, (all, vec![]));
    assert_eq!(counts(store, "w-2").await, (1, 0));
}

async fn additions_are_judged_by_what_is_told(store: &dyn Store) {
    let at = now().plus_micros(2 * HOUR_US);
    enrol(store, 104, "third", false, at).await;
    assert_eq!(known_to(store, "third").await.1, ["w-2", "w-all"]);
    let admit: Admit = Box::new(|standing| {
        let of = |id: &str| {
            let mut known = standing.instructions.iter().zip(&standing.told_lately);
            let found = known.find(|(known, _)| known.id.as_str() == id);
            found.map(|(known, lately)| (known.reach, known.withheld, *lately))
        };
        // Released after its first hour, and so told lately; the agent that waits is not told.
        assert_eq!(of("w-2"), Some((1, 1, 1)));
        assert_eq!(of("w-named"), Some((1, 0, 0)));
        assert_eq!(of("w-1"), None, "taken back more than an hour ago");
        // The newcomer was told of it, as nothing limits it.
        assert_eq!(of("i-new").map(|(_, _, lately)| lately), Some(1));
        Err("seen".into())
    });
    let new = NewInstruction {
        created: at,
        ..instruction("w-3", west())
    };
    let refused = store.add_instructions(vec![new], admit).await.unwrap();
    assert!(matches!(refused, Addition::Refused(_)));
}

async fn time_makes_room(store: &dyn Store) {
    let before = store.visible_to(&agent_id("third")).await.unwrap().revision;
    let early = now().plus_micros(3 * HOUR_US - 1);
    assert_eq!(store.release_withheld(early).await.unwrap(), 0);
    let after = store.visible_to(&agent_id("third")).await.unwrap().revision;
    assert_eq!(before, after, "nobody is woken for nothing");
    let late = now().plus_micros(3 * HOUR_US);
    assert_eq!(store.release_withheld(late).await.unwrap(), 2);
    assert_eq!(known_to(store, "third").await.1, Vec::<String>::new());
    assert!(store.visible_to(&agent_id("third")).await.unwrap().revision > before);
    assert_eq!(store.release_withheld(late).await.unwrap(), 0);
}
