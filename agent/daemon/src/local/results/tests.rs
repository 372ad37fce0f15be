#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::history::Options;
use glimpse_model::id::ResultId;
use glimpse_model::record::{Record, Status};
use glimpse_model::time::Timestamp;

fn id(n: u8) -> ResultId {
    ResultId::from_bytes([n; 16])
}

/// Records of one second each, the last the newest: of `ping`, every third one own, every fourth one failed.
fn history(count: u8, figure_bytes: usize) -> History {
    let mut history = History::open(Options::default(), 0).0;
    for n in 0..count {
        let status = if n % 4 == 0 {
            Status::Failed
        } else {
            Status::Ok
        };
        let mut record = Record::new(id(n), status);
        record.method = Some(if n % 2 == 0 { "ping" } else { "dnslookup" }.to_owned());
        record.probe_result.insert("small".to_owned(), 7.into());
        let large = "x".repeat(figure_bytes);
        record.probe_result.insert("large".to_owned(), large.into());
        let own = n % 3 == 0;
        let mut shown = serde_json::to_value(&record).unwrap();
        shown["own"] = own.into();
        let time = Timestamp::from_unix_seconds(n.into()).as_micros();
        history.record(time, Raw::new(&record, time, own, shown.to_string()), &[]);
    }
    history
}

fn ids(answer: &Value) -> Vec<ResultId> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|record| ResultId::parse(record["id"].as_str().unwrap()).unwrap())
        .collect()
}

fn asked(history: &History, change: impl FnOnce(&mut ResultsQuery)) -> Value {
    let mut query = ResultsQuery::newest(100);
    change(&mut query);
    results(history, &query)
}

#[test]
fn pages_follow_each_other_newest_first() {
    let history = history(5, 1);
    let first = asked(&history, |query| query.limit = 2);
    assert_eq!(
        (ids(&first), &first["more"]),
        (vec![id(4), id(3)], &json!(true))
    );
    let second = asked(&history, |query| {
        (query.limit, query.before) = (3, Some(id(3)));
    });
    assert_eq!(
        (ids(&second), &second["more"]),
        (vec![id(2), id(1), id(0)], &json!(false))
    );
    let gone = asked(&history, |query| query.before = Some(id(99)));
    assert!(ids(&gone).is_empty());
}

#[test]
fn each_filter_narrows() {
    let history = history(8, 1);
    let time = |n| Some(Timestamp::from_unix_seconds(n));
    let own = asked(&history, |query| query.own = Some(true));
    assert_eq!(ids(&own), [id(6), id(3), id(0)]);
    assert!(own["results"][0]["own"].as_bool().unwrap());
    let others = asked(&history, |query| query.own = Some(false));
    assert_eq!(ids(&others).len(), 5);
    let failed = asked(&history, |query| query.status = Some(Status::Failed));
    assert_eq!(ids(&failed), [id(4), id(0)]);
    let names = asked(&history, |query| {
        query.method = Some("dnslookup".to_owned());
    });
    assert_eq!(ids(&names).len(), 4);
    let since = asked(&history, |query| {
        (query.since, query.until) = (time(2), time(4));
    });
    assert_eq!(ids(&since), [id(3), id(2)]);
    let one = asked(&history, |query| query.id = Some(id(5)));
    assert_eq!(ids(&one), [id(5)]);
    assert!(ids(&asked(&history, |query| query.id = Some(id(99)))).is_empty());
}

#[test]
fn an_answer_fits_into_a_message() {
    let history = history(40, 10_000);
    let page = asked(&history, |_| {});
    assert!(page.to_string().len() < 60 << 10);
    assert_eq!((ids(&page).len(), &page["more"]), (5, &json!(true)));
    // The socket can have them all.
    let all = asked(&history, |query| query.limit = 1000);
    assert_eq!((ids(&all).len(), &all["more"]), (40, &json!(false)));
}

#[test]
fn a_long_record_is_shortened_unless_it_is_asked_for() {
    let history = history(1, 40_000);
    let page = asked(&history, |_| {});
    let short = &page["results"][0];
    assert_eq!(short["shortened"], true);
    assert_eq!(short["probe_result"], json!({"small": 7}));
    let whole = asked(&history, |query| query.id = Some(id(0)));
    let whole = &whole["results"][0];
    assert_eq!(
        whole["probe_result"]["large"].as_str().unwrap().len(),
        40_000
    );
    assert!(whole.get("shortened").is_none());
}

#[test]
fn nothing_is_longer_than_a_message() {
    let history = history(1, 200_000);
    let whole = asked(&history, |query| query.id = Some(id(0)));
    assert!(whole.to_string().len() < 60 << 10);
    assert_eq!(whole["results"][0]["shortened"], true);
}
