#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::series::{Figure, Range};
use glimpse_model::time::Timestamp;
use proptest::prelude::*;
use serde_json::Map;

fn id() -> ResultId {
    ResultId::from_parts(Timestamp::from_unix_seconds(1_700_000_000), [7; 10])
}

fn options() -> Map<String, Value> {
    let document = json!({"host": "192.0.2.1", "count": 3});
    document.as_object().unwrap().clone()
}

fn all() -> Vec<Request> {
    let filtered = ResultsQuery {
        since: Some(Timestamp::from_unix_seconds(1)),
        until: Some(Timestamp::from_unix_seconds(2)),
        before: Some(id()),
        limit: 100,
        method: Some("ping".to_owned()),
        status: Some(Status::Failed),
        own: Some(false),
        id: Some(id()),
    };
    vec![
        Request::Status,
        Request::Results(filtered),
        Request::Series(SeriesQuery {
            figure: Figure::BusyDelay,
            range: Range::Year,
            target: Some("a.example".to_owned()),
            points: 400,
        }),
        Request::Run(Own::Method {
            method: "ping".to_owned(),
            options: options(),
        }),
        Request::Run(Own::Schedule("evening".to_owned())),
        Request::RunStatus(id()),
        Request::Cancel(id()),
        Request::Budget,
        Request::Schedules,
        Request::Capabilities { method: None },
        Request::Capabilities {
            method: Some("ping".to_owned()),
        },
        Request::Enrol(Enrol {
            token: Token("secret".to_owned()),
            controller: Some("https://c.example".to_owned()),
            fingerprint: None,
        }),
        Request::Diagnose {
            complaint: Complaint::Slow,
            client: Some("192.168.1.7".parse().unwrap()),
        },
        Request::SurveyGet,
        Request::SurveyAnswer(Survey {
            answers: options(),
            share: true,
        }),
        Request::Export {
            format: ExportFormat::Csv,
            cursor: Some("17".to_owned()),
        },
        Request::Erase,
    ]
}

/// What the control socket alone takes.
fn of_socket() -> Vec<Request> {
    vec![
        Request::Own { bytes: 9 },
        Request::ResetAccess,
        Request::Results(ResultsQuery::newest(MOST_RESULTS)),
    ]
}

#[test]
fn requests_read_back() {
    for request in all().into_iter().chain(of_socket()) {
        let bytes = request.to_json().to_string();
        assert_eq!(Request::parse(bytes.as_bytes()).unwrap(), request);
    }
}

#[test]
fn calls_mean_the_same_as_requests() {
    for request in all() {
        let mut arguments = request.to_json().as_object().unwrap().clone();
        arguments.remove("op");
        arguments.insert("ubus_rpc_session".to_owned(), "0123".into());
        let read = Request::of_call(request.op(), &arguments).unwrap();
        assert_eq!(read.unwrap(), request);
    }
    for request in of_socket() {
        let mut arguments = request.to_json().as_object().unwrap().clone();
        arguments.remove("op");
        let read = Request::of_call(request.op(), &arguments);
        assert!(read.is_none_or(|read| read.is_err()), "{request:?}");
    }
    assert!(Request::of_call("reboot", &Map::new()).is_none());
}

#[test]
fn what_is_no_request_is_said() {
    for (text, said) in [
        (r#"{"op":"results","last":0}"#, "last: must be > 0"),
        (r#"{"op":"results","limit":101}"#, "limit: must be <= 100"),
        (
            r#"{"op":"results","newest":1}"#,
            "newest: is not known here",
        ),
        (
            r#"{"op":"results","status":"fine"}"#,
            "status: must be one of ok, failed, aborted, skipped, refused, gap",
        ),
        (r#"{"op":"own"}"#, "bytes: is missing"),
        (r#"{"op":"series"}"#, "figure: is missing"),
        (
            r#"{"op":"series","figure":"speed"}"#,
            "figure: must be one of delay, loss, down, up, busy_delay, dns",
        ),
        (
            r#"{"op":"series","figure":"delay","points":401}"#,
            "points: must be <= 400",
        ),
        (r#"{"op":"run"}"#, "method: is missing"),
        (
            r#"{"op":"run","method":"ping","schedule":"s"}"#,
            "schedule: must not stand beside method",
        ),
        (
            r#"{"op":"run","schedule":"s","options":{}}"#,
            "options: must not stand beside schedule, which has its own",
        ),
        (
            r#"{"op":"run","method":"ping","options":[]}"#,
            "options: must be an object",
        ),
        (r#"{"op":"run_status","id":"7"}"#, "id: must be a UUID"),
        (r#"{"op":"cancel"}"#, "id: is missing"),
        (
            r#"{"op":"enrol","controller":"https://c"}"#,
            "token: is missing",
        ),
        (
            r#"{"op":"diagnose","kind":"sad"}"#,
            "kind: must be one of speed, down, slow",
        ),
        (
            r#"{"op":"diagnose","kind":"slow","client":"laptop"}"#,
            "client: must be an IP address",
        ),
        (
            r#"{"op":"survey_answer","answers":{}}"#,
            "share: is missing",
        ),
        (
            r#"{"op":"export","format":"xml"}"#,
            "format: must be one of json, csv",
        ),
        (r#"{"op":"erase"}"#, "confirm: is missing"),
        (
            r#"{"op":"erase","confirm":"yes"}"#,
            "confirm: must be the word erase",
        ),
        ("[]", "document: must be an object"),
    ] {
        let refused = Request::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), said, "{text}");
    }
    let refused = Request::parse(br#"{"op":"reboot"}"#).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("op: must be one of status, ")
    );
    for request in all().into_iter().chain(of_socket()) {
        assert!(refused.reason.contains(request.op()), "{}", request.op());
    }
}

#[test]
fn a_token_stands_in_no_log() {
    let request = Request::parse(br#"{"op":"enrol","token":" s3cret\u0020"}"#).unwrap();
    assert!(!format!("{request:?}").contains("s3cret"));
    let Request::Enrol(enrol) = request else {
        panic!("{request:?}")
    };
    assert_eq!(enrol.token.reveal(), "s3cret");
}

#[test]
fn what_cannot_be_taken_back_is_the_owners() {
    let of_owner: Vec<&str> = all()
        .iter()
        .chain(&of_socket())
        .filter(|request| request.is_of_owner())
        .map(Request::op)
        .collect();
    assert_eq!(of_owner, ["enrol", "erase", "nacm-reset"]);
}

#[tokio::test]
async fn events_reach_whoever_listens() {
    let (service, _asked) = Service::new();
    let event = Event::Job {
        id: id(),
        state: JobState::Running,
    };
    assert!(
        service.teller().send(event.clone()).is_err(),
        "nobody listens"
    );
    let (mut one, mut other) = (service.events(), service.clone().events());
    service.teller().send(event.clone()).unwrap();
    assert_eq!(one.recv().await.unwrap(), event);
    assert_eq!(other.recv().await.unwrap(), event);
    assert_eq!(event.name(), "job");
    assert_eq!(event.to_json(), json!({"id": id(), "state": "running"}));
    let result = Event::Result {
        id: id(),
        method: Some("ping".to_owned()),
        status: Status::Ok,
        own: true,
    };
    assert_eq!(result.name(), "result");
    assert_eq!(
        result.to_json(),
        json!({"id": id(), "method": "ping", "status": "ok", "own": true})
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes: Vec<u8>) {
        let _ = Request::parse(&bytes);
    }

    #[test]
    fn no_argument_panics(op in 0usize..17, name in "[a-z]{1,8}", text in ".{0,80}", number: i64) {
        let requests = all();
        let Some(request) = requests.get(op) else { return Ok(()) };
        let mut arguments = request.to_json().as_object().unwrap().clone();
        arguments.remove("op");
        let names: Vec<String> = arguments.keys().cloned().collect();
        for value in [Value::from(text), Value::from(number), json!([{}])] {
            for known in &names {
                let mut changed = arguments.clone();
                changed.insert(known.clone(), value.clone());
                let _ = Request::of_call(request.op(), &changed);
            }
            let mut more = arguments.clone();
            more.insert(name.clone(), value.clone());
            let _ = Request::of_call(request.op(), &more);
        }
    }
}
