//! Sessions of others, and the household's word over them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::daemon::tests::Bench;
use crate::guard::Rules;
use crate::local::uci::{QuietHours, QuietZone};
use glimpse_model::id::AgentId;
use serde_json::json;
use std::net::IpAddr;
use tokio::sync::oneshot;

impl Bench {
    /// Asks to begin and gives the answer, and by what the session is ended.
    async fn ask(
        &mut self,
        session: u8,
        method: &'static str,
        peer: &str,
    ) -> (Result<(), String>, Recall) {
        let ask = responder::Ask {
            session: id(session),
            method,
            initiator: AgentId::new("one").unwrap(),
            peer: peer.parse::<IpAddr>().unwrap(),
            worst_bytes: 1000,
            meter: Meter::default(),
            recall: Recall::default(),
        };
        let recall = ask.recall.clone();
        let (reply, answer) = oneshot::channel();
        self.daemon.told(Told::Event(Event::Asks(ask, reply))).await;
        (answer.await.unwrap(), recall)
    }

    /// What is said of a session that was ended in the middle.
    async fn ends(&mut self, session: u8, ending: Ending) {
        let bytes = Meter::default().read();
        let outcome = Outcome {
            ending,
            ..Outcome::failed("the connection was lost", bytes)
        };
        let ended = Told::Event(Event::Ended(id(session), outcome));
        self.daemon.told(ended).await;
    }
}

fn id(session: u8) -> MeasureId {
    MeasureId::from_random([session; 16])
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[tokio::test]
async fn a_session_id_that_is_in_use_is_refused_and_takes_nothing_from_the_one_who_has_it() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.ask(1, "ping_mp", "9.9.9.9").await.0, Ok(()));
    let (second, _) = bench.ask(1, "ping_mp", "9.9.9.10").await;
    assert_eq!(
        second,
        Err("there is a session of this id already".to_owned())
    );
    bench.ends(1, Ending::Done).await;
    let records = bench.records().await;
    assert_eq!(records.len(), 1, "one session, one record");
    assert_eq!(bench.ask(1, "ping_mp", "9.9.9.9").await.0, Ok(()));
}

#[tokio::test]
async fn a_visitor_with_many_ipv6_addresses_is_one() {
    let mut bench = Bench::new().await;
    let settings = bench.settings(|settings| settings.limits.target_rate = 2);
    bench.daemon.reload(settings);
    for (session, peer) in [(1, "2620:fe::1"), (2, "2620:fe::2:1")] {
        assert_eq!(bench.ask(session, "ping_mp", peer).await.0, Ok(()));
    }
    let (third, _) = bench.ask(3, "ping_mp", "2620:fe::3:1:1").await;
    assert!(third.is_err_and(|words| words.contains("as often in this minute")));
    let (other, _) = bench.ask(4, "ping_mp", "2620:fe:0:1::1").await;
    assert_eq!(other, Ok(()), "the next network is another");
    for (session, peer) in [(5, "9.9.9.9"), (6, "9.9.9.10"), (7, "9.9.9.11")] {
        assert_eq!(bench.ask(session, "ping_mp", peer).await.0, Ok(()));
    }
}

#[tokio::test]
async fn quiet_hours_that_begin_during_a_session_end_it() {
    let mut bench = Bench::new().await;
    let (may, recall) = bench.ask(1, "btc_mp", "9.9.9.9").await;
    assert_eq!(may, Ok(()));
    let rules = Rules {
        quiet: vec![QuietHours::parse("22:00-06:00").unwrap()],
        quiet_zone: QuietZone::parse("UTC").unwrap(),
        ..bench.daemon.guard.rules().clone()
    };
    bench.daemon.guard.set_rules(rules);
    let before = at("2026-11-22T21:59:12.3Z");
    bench.daemon.recall_unwanted(before);
    assert_eq!(recall.reason(), None);
    let look = bench.daemon.next_look(before);
    assert_eq!(look, Some(at("2026-11-22T22:00:00Z")), "and then it looks");
    bench.daemon.recall_unwanted(look.unwrap());
    let reason = "these are the household's quiet hours";
    assert_eq!(recall.reason().as_deref(), Some(reason));
    bench.ends(1, Ending::Failed).await;
    let record = &bench.records().await[0];
    assert_eq!(
        (&record["status"], &record["error"]),
        (&json!("aborted"), &json!(reason))
    );
    assert_eq!(bench.daemon.next_look(before), None, "nothing is under way");
}

#[tokio::test]
async fn what_was_over_before_it_was_to_end_keeps_its_figures() {
    let mut bench = Bench::new().await;
    bench.ask(1, "btc_mp", "9.9.9.9").await.0.unwrap();
    let settings = bench.settings(|settings| {
        settings.limits.forbidden_methods = vec!["btc_mp".to_owned()];
    });
    bench.daemon.reload(settings);
    bench.ends(1, Ending::Done).await;
    assert_eq!(bench.records().await[0]["status"], "ok");
}

#[tokio::test]
async fn consent_that_is_withdrawn_is_the_reason_though_the_responder_stops_too() {
    let mut bench = Bench::new().await;
    bench.ask(1, "ping_mp", "9.9.9.9").await.0.unwrap();
    let settings = bench.settings(|settings| settings.consent.enabled = false);
    bench.daemon.reload(settings);
    bench.daemon.told(Told::Stopped).await;
    let record = &bench.records().await[0];
    assert_eq!(record["status"], "aborted");
    let reason = "the household has not agreed to measure for others";
    assert_eq!(record["error"], reason);
}
