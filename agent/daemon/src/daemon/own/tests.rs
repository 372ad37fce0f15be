#![allow(clippy::unwrap_used)]
use super::*;
use crate::daemon::tests::Bench;
use crate::local::service::{Complaint, Request, ResultsQuery, Survey};
use crate::local::uci::settings::parse;
use glimpse_model::time::SECOND;
use std::time::Duration;

const PING: &str = "\toption method 'ping'\n\tlist option 'host=127.0.0.1'\n\
                    \tlist option 'count=2'\n\tlist option 'interval=10'\n";

fn ping(count: u32, interval_ms: u32) -> Own {
    let options = json!({"host": "127.0.0.1", "count": count, "interval": interval_ms});
    Own::Method {
        method: "ping".to_owned(),
        options: options.as_object().unwrap().clone(),
    }
}

impl Bench {
    /// One that has agreed to nothing.
    async fn alone() -> Self {
        let mut bench = Self::new().await;
        let settings = bench.settings(|settings| settings.consent.enabled = false);
        bench.daemon.reload(settings);
        bench
    }

    /// Puts schedules in force.
    fn schedule(&mut self, text: &str) {
        let schedules = parse(text.as_bytes()).unwrap().0.schedules;
        let settings = self.settings(|settings| settings.schedules = schedules);
        self.daemon.reload(settings);
    }

    fn start(&mut self, own: &Own) -> ResultId {
        let answer = self.daemon.run_own(own);
        ResultId::parse(answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap()
    }

    /// Deals with the next message of a job.
    async fn step(&mut self) {
        let event = tokio::time::timeout(Duration::from_secs(10), self.daemon.own.next());
        let event = event.await.unwrap().unwrap();
        self.daemon.job_event(event).await;
    }

    /// What the household is shown, newest first.
    async fn shown(&mut self) -> Vec<Value> {
        let query = ResultsQuery::newest(100);
        let answer = self.daemon.answer(Request::Results(query)).await;
        answer["results"].as_array().unwrap().clone()
    }

    fn own_bytes(&self) -> u64 {
        self.daemon.guard.accounts().own()
    }
}

#[tokio::test]
async fn a_measurement_by_hand_is_kept_counted_and_never_sent() {
    let mut bench = Bench::alone().await;
    let id = bench.start(&ping(3, 10));
    let waiting = bench.daemon.run_status(id);
    assert_eq!(
        (&waiting["state"], &waiting["kind"]),
        (&json!("waiting"), &json!("measurement"))
    );
    bench.step().await;
    assert_eq!(bench.daemon.run_status(id)["state"], "running");
    bench.step().await;
    let done = bench.daemon.run_status(id);
    assert_eq!(
        (&done["state"], &done["method"]),
        (&json!("done"), &json!("ping"))
    );
    let record = &done["record"];
    assert_eq!(
        (
            &record["id"],
            &record["status"],
            &record["own"],
            &record["asked_by"]["door"]
        ),
        (&json!(id), &json!("ok"), &json!(true), &json!("household"))
    );
    assert_eq!(record["probe_result"]["round_trip_sent"], 3);
    let bytes =
        record["bytes"]["sent"].as_u64().unwrap() + record["bytes"]["received"].as_u64().unwrap();
    assert!(bytes > 0);
    assert_eq!(
        (done["bytes"].as_u64(), bench.own_bytes()),
        (Some(bytes), bytes)
    );
    assert_eq!(bench.shown().await, std::slice::from_ref(record));
    let series = json!({"op": "series", "figure": "delay", "range": "day"});
    let series = Request::parse(series.to_string().as_bytes()).unwrap();
    let series = bench.daemon.answer(series).await;
    assert_eq!(series["target"], "127.0.0.1");
    assert_eq!(
        bench.records().await,
        Vec::<Value>::new(),
        "nothing waits to be sent"
    );
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let mut bench = Bench::alone().await;
    for (own, said) in [
        (
            Own::Method {
                method: "dance".to_owned(),
                options: Map::new(),
            },
            "'dance' is not a method of this agent",
        ),
        (
            Own::Method {
                method: "ping".to_owned(),
                options: Map::new(),
            },
            "options.host: is missing",
        ),
        (ping(0, 10), "options.count: must be > 0"),
        (
            Own::Schedule("x\u{7}".to_owned()),
            "there is no schedule 'x\u{fffd}'",
        ),
    ] {
        assert_eq!(bench.daemon.run_own(&own), json!({ "error": said }));
    }
    let unknown = bench.daemon.run_status(ResultId::from_bytes([1; 16]));
    assert!(
        unknown["error"]
            .as_str()
            .unwrap()
            .contains("kept for 15 minutes")
    );
}

#[tokio::test]
async fn a_third_is_told_to_wait_and_what_is_cancelled_is_counted() {
    let mut bench = Bench::alone().await;
    let (one, other) = (bench.start(&ping(300, 1000)), bench.start(&ping(300, 1000)));
    let third = bench.daemon.run_own(&ping(1, 10));
    assert!(
        third["error"]
            .as_str()
            .unwrap()
            .contains("two tests are under way"),
        "{third}"
    );
    bench.step().await;
    bench.step().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        bench.daemon.run_status(one)["bytes"].as_u64().unwrap() > 0,
        "a live meter"
    );
    // A reload leaves them alone.
    let settings = bench.settings(|settings| settings.limits.parallel = 2);
    bench.daemon.reload(settings);
    assert_eq!(bench.daemon.cancel(one).await, json!({}));
    let status = bench.daemon.run_status(one);
    assert_eq!(
        (
            &status["state"],
            &status["record"]["error"],
            &status["record"]["status"]
        ),
        (
            &json!("cancelled"),
            &json!("cancelled by the household"),
            &json!("aborted")
        )
    );
    assert_eq!(status["bytes"].as_u64(), Some(bench.own_bytes()));
    assert!(bench.own_bytes() > 0);
    assert_eq!(bench.daemon.run_status(other)["state"], "running");
    assert_eq!(
        bench.daemon.cancel(one).await,
        json!({}),
        "twice is no harm"
    );
    assert!(bench.daemon.cancel(ResultId::from_bytes([1; 16])).await["error"].is_string());
    assert_eq!(bench.records().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_fills_the_line_waits_for_the_runs_of_others() {
    let mut bench = Bench::new().await;
    let set = json!({"schema": 2, "instructions": [{
        "id": "long", "timing": {"immediate": {}},
        "task": {"id": "1", "method": "ping", "options": {"host": "127.0.0.1", "count": 300, "interval": 1000}},
    }]});
    assert!(
        bench
            .daemon
            .instruct(set.to_string().as_bytes(), None)
            .await
    );
    bench.daemon.tick().await;
    let begins = bench.runs.recv().await.unwrap();
    bench.daemon.run_event(begins).await;
    let options = json!({"url": "http://127.0.0.1:1/"});
    let download = Own::Method {
        method: "httpdownload".to_owned(),
        options: options.as_object().unwrap().clone(),
    };
    let id = bench.start(&download);
    let early = tokio::time::timeout(Duration::from_millis(200), bench.daemon.own.next()).await;
    assert!(early.is_err(), "the ping has a place on the line");
    assert_eq!(bench.daemon.run_status(id)["state"], "waiting");
    // The household's other tests do not wait.
    let small = bench.start(&ping(1, 10));
    bench.step().await;
    bench.step().await;
    assert_eq!(bench.daemon.run_status(small)["state"], "done");
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    let ended = bench.runs.recv().await.unwrap();
    bench.daemon.run_event(ended).await;
    bench.step().await;
    assert!(bench.daemon.own.has_line());
    bench.step().await;
    assert_eq!(bench.daemon.run_status(id)["state"], "done");
    let sent = bench.records().await;
    assert!(
        sent.iter().all(|record| record["instruction_id"] == "long"),
        "{sent:?}"
    );
}

#[tokio::test]
async fn schedules_measure_without_consent_and_go_nowhere() {
    let mut bench = Bench::alone().await;
    bench.schedule(&format!(
        "config schedule 'now'\n{PING}\toption timing 'immediate'\n"
    ));
    bench.daemon.tick().await;
    bench.step().await;
    bench.step().await;
    let shown = bench.shown().await;
    assert_eq!(
        (
            &shown[0]["instruction_id"],
            &shown[0]["own"],
            &shown[0]["status"]
        ),
        (&json!("now"), &json!(true), &json!("ok"))
    );
    assert!(bench.own_bytes() > 0);
    // Once for what it says: neither time, nor a reload, nor another start fires it again.
    bench.daemon.tick().await;
    let settings = bench.settings(|_| {});
    bench.daemon.reload(settings);
    bench.daemon.tick().await;
    bench.daemon.plan_own(true, clock::now());
    bench.daemon.tick().await;
    assert_eq!(bench.daemon.own.jobs.under_way(), 0);
    // What is changed is new.
    let other = PING.replace("count=2", "count=1");
    bench.schedule(&format!(
        "config schedule 'now'\n{other}\toption timing 'immediate'\n"
    ));
    bench.daemon.tick().await;
    assert_eq!(bench.daemon.own.jobs.under_way(), 1);
    assert_eq!(bench.records().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_schedule_that_fired_is_remembered_by_the_next_process() {
    let mut bench = Bench::alone().await;
    let text = format!("config schedule 'now'\n{PING}\toption timing 'immediate'\n");
    bench.schedule(&text);
    bench.daemon.tick().await;
    assert_eq!(bench.daemon.own.jobs.under_way(), 1);
    let tell = bench.daemon.tell.clone();
    bench.daemon.own = Household::new(&bench.daemon.state_dir, tell);
    bench.daemon.plan_own(true, clock::now());
    bench.daemon.tick().await;
    assert_eq!(bench.daemon.own.jobs.under_way(), 0);
}

#[tokio::test]
async fn a_clock_that_is_set_late_counts_nothing_as_missed() {
    let mut bench = Bench::alone().await;
    bench.schedule(&format!(
        "config schedule 'p'\n{PING}\toption timing 'periodic'\n\toption every_minutes '1'\n"
    ));
    let tell = bench.daemon.tell.clone();
    bench.daemon.own = Household::new(&bench.daemon.state_dir, tell);
    // The next process begins without a clock, and gets one a day later.
    bench.daemon.plan_own(true, Timestamp::from_unix_seconds(5));
    let later = clock::now().plus_micros(86_400 * SECOND);
    bench.daemon.own_clock_was_set(later);
    bench.daemon.tick_own(later);
    assert_eq!(bench.shown().await, Vec::<Value>::new());
    let next = bench.daemon.own_wake_at().unwrap();
    assert!(
        (1..=60 * SECOND).contains(&next.since(later)),
        "{next} {later}"
    );
}

#[tokio::test]
async fn quiet_hours_hold_for_schedules_unless_they_say_otherwise() {
    let mut bench = Bench::alone().await;
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    bench.schedule(&format!(
        "config schedule 'kept'\n{PING}\toption timing 'immediate'\n\
         config schedule 'anyway'\n{PING}\toption timing 'immediate'\n\toption quiet_hours 'ignore'\n"
    ));
    bench.daemon.tick().await;
    assert!(bench.daemon.own.jobs.runs("anyway") && !bench.daemon.own.jobs.runs("kept"));
    let shown = bench.shown().await;
    assert_eq!(
        (
            &shown[0]["instruction_id"],
            &shown[0]["status"],
            &shown[0]["skip"]["reason"],
            &shown[0]["own"]
        ),
        (
            &json!("kept"),
            &json!("skipped"),
            &json!("quiet_hours"),
            &json!(true)
        )
    );
    assert_eq!(bench.records().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_firing_while_the_last_one_runs_is_left_out() {
    let mut bench = Bench::alone().await;
    let long = PING
        .replace("count=2", "count=300")
        .replace("interval=10", "interval=1000");
    bench.schedule(&format!(
        "config schedule 'p'\n{long}\toption timing 'periodic'\n\toption every_minutes '1'\n"
    ));
    let begin = clock::now();
    bench.daemon.tick_own(begin);
    assert!(bench.daemon.own.jobs.runs("p"));
    let next = bench.daemon.own_wake_at().unwrap();
    assert!((1..=60 * SECOND).contains(&next.since(begin)));
    bench.daemon.tick_own(next);
    let shown = bench.shown().await;
    assert_eq!(shown[0]["skip"]["reason"], "overlap");
    // Slots that passed unseen are one record with their number.
    bench
        .daemon
        .tick_own(next.plus_micros(10 * 60 * SECOND + 30 * SECOND));
    let shown = bench.shown().await;
    assert_eq!(
        (&shown[0]["skip"]["reason"], &shown[0]["skip"]["count"]),
        (&json!("missed"), &json!(10))
    );
}

#[tokio::test]
async fn schedules_of_both_sides_are_listed_with_their_cost() {
    let mut bench = Bench::new().await;
    bench.schedule(&format!(
        "config schedule 'hourly'\n{PING}\toption title 'Every hour'\n\toption timing 'periodic'\n\toption every_minutes '60'\n\
         config schedule 'off'\n{PING}\toption timing 'ondemand'\n\toption enabled '0'\n\
         config schedule 'bad'\n\toption method 'ping'\n\tlist option 'hops=3'\n\toption timing 'ondemand'\n"
    ));
    let settings = bench.settings(|settings| {
        settings.limits.forbidden_methods = vec!["traceroute".to_owned()];
        settings.limits.paused = vec!["evening".to_owned()];
        settings.controller.url = Some("https://c.example".to_owned());
    });
    bench.daemon.reload(settings);
    let task =
        |method: &str| json!({"id": "1", "method": method, "options": {"host": "192.0.2.1"}});
    let set = json!({"schema": 2, "instructions": [
        {"id": "evening", "task": task("ping"), "timing": {"periodic": {"interval": 3_600_000}},
            "purpose": "How is it in the evening?"},
        {"id": "path", "task": task("traceroute"), "timing": {"ondemand": {}}},
    ]});
    assert!(
        bench
            .daemon
            .instruct(set.to_string().as_bytes(), None)
            .await
    );
    let answer = bench.daemon.answer(Request::Schedules).await;
    let listed = answer["schedules"].as_array().unwrap();
    let of = |id: &str| listed.iter().find(|it| it["id"] == id).unwrap();
    let hourly = of("hourly");
    assert_eq!(
        (
            &hourly["own"],
            &hourly["title"],
            &hourly["targets"],
            &hourly["asked_by"]["door"]
        ),
        (
            &json!(true),
            &json!("Every hour"),
            &json!(["127.0.0.1"]),
            &json!("household")
        )
    );
    let method = bench.daemon.method("ping").unwrap();
    let options = Options::from_words(
        &method.options,
        ["host=127.0.0.1", "count=2", "interval=10"],
    )
    .unwrap();
    let once = method.worst_case_bytes(&options);
    assert_eq!(hourly["monthly_bytes"], once * 720);
    assert!(hourly["next"].is_string() && hourly["error"].is_null());
    assert_eq!(
        (&of("off")["enabled"], &of("off")["paused"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        of("bad")["error"],
        "schedule 'bad': option.hops: is not an option here"
    );
    let evening = of("evening");
    assert_eq!(
        (
            &evening["purpose"],
            &evening["asked_by"],
            &evening["paused"],
            &evening["forbidden"]
        ),
        (
            &json!("How is it in the evening?"),
            &json!({"door": "json", "name": "https://c.example"}),
            &json!(true),
            &json!(false)
        )
    );
    assert_eq!(
        (&of("path")["forbidden"], &of("path")["paused"]),
        (&json!(true), &json!(false))
    );
    let status = bench.daemon.answer(Request::Status).await;
    assert_eq!(
        status["settings_error"],
        "schedule 'bad': option.hops: is not an option here"
    );
}

#[tokio::test]
async fn a_long_list_fits_into_a_message() {
    let mut bench = Bench::new().await;
    let instructions: Vec<Value> = (0..300)
        .map(|n| {
            json!({"id": format!("i{n}"), "timing": {"ondemand": {}}, "purpose": "x".repeat(200),
                "task": {"id": "1", "method": "ping", "options": {"host": "192.0.2.1"}}})
        })
        .collect();
    let set = json!({"schema": 2, "instructions": instructions}).to_string();
    assert!(bench.daemon.instruct(set.as_bytes(), None).await);
    let answer = bench.daemon.answer(Request::Schedules).await;
    assert!(answer.to_string().len() < 60 << 10);
    assert!(answer["schedules"].as_array().unwrap().len() > 50);
    assert_eq!(answer["more"], true);
}

#[tokio::test]
async fn a_paused_instruction_leaves_skips_that_say_so() {
    let mut bench = Bench::new().await;
    let settings = bench.settings(|settings| settings.limits.paused = vec!["resting".to_owned()]);
    bench.daemon.reload(settings);
    let set = json!({"schema": 2, "instructions": [{"id": "resting", "timing": {"immediate": {}},
        "task": {"id": "1", "method": "ping", "options": {"host": "127.0.0.1"}}}]});
    assert!(
        bench
            .daemon
            .instruct(set.to_string().as_bytes(), None)
            .await
    );
    bench.daemon.tick().await;
    assert!(bench.daemon.running.is_empty());
    let record = &bench.records().await[0];
    assert_eq!(
        (&record["skip"]["reason"], &record["error"]),
        (
            &json!("method_forbidden"),
            &json!("paused by the household")
        )
    );
    assert!(
        record.get("own").is_none() && record.get("asked_by").is_none(),
        "not on the wire"
    );
    let shown = &bench.shown().await[0];
    assert_eq!(
        (&shown["own"], &shown["asked_by"]["door"]),
        (&json!(false), &json!("json"))
    );
}

#[tokio::test]
async fn the_survey_is_kept_and_shared_only_with_leave() {
    let mut bench = Bench::alone().await;
    let answers = json!({"contract_down_kbps": 100_000, "technology": "dsl"});
    let told = |share| Survey {
        answers: answers.as_object().unwrap().clone(),
        share,
    };
    assert_eq!(
        bench.daemon.answer(Request::SurveyAnswer(told(true))).await,
        json!({})
    );
    let kept = bench.daemon.answer(Request::SurveyGet).await;
    assert_eq!(
        (&kept["answers"]["technology"], &kept["shared"]),
        (&json!("dsl"), &json!(true))
    );
    assert_eq!(
        bench.records().await,
        Vec::<Value>::new(),
        "nobody has agreed to that"
    );
    let series = json!({"op": "series", "figure": "down"}).to_string();
    let series = Request::parse(series.as_bytes()).unwrap();
    assert_eq!(bench.daemon.answer(series).await["contract"], 100_000);
    let settings = bench.settings(|settings| {
        settings.consent.enabled = true;
        settings.controller.url = Some("https://c.example".to_owned());
    });
    bench.daemon.reload(settings);
    bench
        .daemon
        .answer(Request::SurveyAnswer(told(false)))
        .await;
    assert_eq!(
        bench.records().await,
        Vec::<Value>::new(),
        "the household keeps it to itself"
    );
    bench.daemon.answer(Request::SurveyAnswer(told(true))).await;
    assert_eq!(bench.records().await[0]["method"], "survey");
    let nonsense = Survey {
        answers: ping_options(),
        share: true,
    };
    let refused = bench.daemon.answer(Request::SurveyAnswer(nonsense)).await;
    assert!(
        refused["error"].as_str().unwrap().starts_with("answers."),
        "{refused}"
    );
}

fn ping_options() -> Map<String, Value> {
    json!({"host": "x"}).as_object().unwrap().clone()
}

#[tokio::test]
async fn the_trouble_shooter_is_a_job() {
    let mut bench = Bench::alone().await;
    let request = Request::Diagnose {
        complaint: Complaint::Down,
        client: None,
    };
    let answer = bench.daemon.answer(request).await;
    let id = ResultId::parse(answer["id"].as_str().unwrap()).unwrap();
    bench.step().await;
    let status = bench.daemon.run_status(id);
    assert_eq!(
        (&status["kind"], &status["state"]),
        (&json!("diagnose"), &json!("running"))
    );
    assert!(status["longest_ms"].as_u64().unwrap() >= 10_000);
    assert_eq!(bench.daemon.cancel(id).await, json!({}));
    assert_eq!(bench.daemon.run_status(id)["state"], "cancelled");
}

#[tokio::test]
async fn an_enrolment_that_fails_says_why_and_not_the_token() {
    let mut bench = Bench::alone().await;
    let enrol = json!({"op": "enrol", "token": "s3cret-token", "controller": "https://127.0.0.1:1",
        "fingerprint": format!("sha256:{}", "0a".repeat(32))});
    let request = Request::parse(enrol.to_string().as_bytes()).unwrap();
    let answer = bench.daemon.answer(request).await;
    let id = ResultId::parse(answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap();
    bench.step().await;
    bench.step().await;
    let status = bench.daemon.run_status(id);
    assert_eq!(
        (&status["kind"], &status["state"]),
        (&json!("enrol"), &json!("done"))
    );
    let error = status["error"].as_str().unwrap();
    assert!(
        error.contains("127.0.0.1") && !status.to_string().contains("s3cret"),
        "{status}"
    );
    let none = json!({"op": "enrol", "token": "t"}).to_string();
    let none = bench
        .daemon
        .answer(Request::parse(none.as_bytes()).unwrap())
        .await;
    assert_eq!(none["error"], "no controller is configured: name one");
}
