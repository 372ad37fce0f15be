#![allow(clippy::unwrap_used)]

use super::*;
use std::os::unix::fs::PermissionsExt;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_000_000);

fn answered(answers: &Value, share: bool) -> Result<Survey, Refused> {
    Survey::answer(answers.as_object().unwrap(), share, NOW)
}

fn all() -> Value {
    json!({"contract_down_kbps": 100_000, "contract_up_kbps": 40_000, "technology": "fibre", "provider": "Ünser Netz",
        "satisfaction": 4, "reliability": 5, "use": ["games", "work", "games"]})
}

#[test]
fn answers_are_kept_as_they_were_given_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(load(dir.path()).unwrap(), Survey::default());
    let survey = answered(&all(), true).unwrap();
    save(dir.path(), &survey).unwrap();
    let mode = fs::metadata(dir.path().join("survey.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let loaded = load(dir.path()).unwrap();
    assert_eq!(loaded, survey);
    let json = loaded.json();
    assert_eq!(json["answers"]["provider"], "Ünser Netz");
    assert_eq!(json["answers"]["use"], json!(["work", "games"]));
    assert_eq!(json["answered"], "2026-11-18T11:06:40Z");
    assert_eq!(json["shared"], true);
    assert_eq!(
        survey.contract(),
        Speeds {
            down_kbps: Some(100_000),
            up_kbps: Some(40_000)
        }
    );
}

#[test]
fn what_is_withdrawn_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &answered(&all(), true).unwrap()).unwrap();
    let none = answered(
        &json!({"provider": " ", "use": [], "technology": null}),
        true,
    )
    .unwrap();
    assert_eq!(none, Survey::default());
    save(dir.path(), &none).unwrap();
    assert!(!dir.path().join("survey.json").exists());
    // Twice is no fault.
    save(dir.path(), &none).unwrap();
    assert_eq!(
        load(dir.path()).unwrap().json(),
        json!({"answers": null, "answered": null, "shared": false})
    );
}

#[test]
fn only_what_may_be_shared_becomes_a_record() {
    let id = ResultId::from_parts(NOW, [1; 10]);
    assert_eq!(answered(&all(), false).unwrap().record(id), None);
    assert_eq!(Survey::default().record(id), None);
    let record = answered(&json!({"satisfaction": 2}), true)
        .unwrap()
        .record(id)
        .unwrap();
    assert_eq!(record.method.as_deref(), Some("survey"));
    assert_eq!(record.start_time, Some(NOW));
    assert_eq!(
        Value::Object(record.probe_result.clone()),
        json!({"satisfaction": 2})
    );
    // A repository reads it as any other.
    let document = serde_json::to_value(&record).unwrap();
    assert_eq!(Record::read(&Cursor::root(&document)).unwrap(), record);
}

#[test]
fn what_is_no_answer_is_said_with_its_name() {
    for (answers, said) in [
        (
            json!({"satisfaction": 6}),
            "answers.satisfaction: must be <= 5",
        ),
        (
            json!({"reliability": 0}),
            "answers.reliability: must be > 0",
        ),
        (
            json!({"contract_up_kbps": 100_000_001}),
            "answers.contract_up_kbps: must be <= 100000000",
        ),
        (
            json!({"contract_down_kbps": "fast"}),
            "answers.contract_down_kbps: must be a whole number",
        ),
        (
            json!({"technology": "pigeon"}),
            "answers.technology: must be one of dsl, cable, fibre,",
        ),
        (
            json!({"use": ["work", "sleep"]}),
            "answers.use[1]: must be one of work, school,",
        ),
        (
            json!({"use": ["work", "work", "work", "work", "work", "work", "work"]}),
            "answers.use: must have at most 6 elements",
        ),
        (
            json!({"provider": "x".repeat(65)}),
            "answers.provider: must be at most 64 bytes long",
        ),
        (
            json!({"provider": "a\u{0}b"}),
            "answers.provider: must not contain control characters",
        ),
        (json!({"name": "me"}), "answers.name: is not known here"),
    ] {
        let refused = answered(&answers, true).unwrap_err().to_string();
        assert!(refused.starts_with(said), "{refused} instead of {said}");
    }
}

#[test]
fn a_file_changed_by_hand_is_refused_with_its_fault() {
    let dir = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("{", "document: "),
        ("{}", "answers: is missing"),
        (
            r#"{"answers":{"satisfaction":9},"answered":"2026-11-18T00:00:00Z","shared":true}"#,
            "answers.satisfaction: must be <= 5",
        ),
        (
            r#"{"answers":{},"answered":"yesterday","shared":true}"#,
            "answered: must be a time",
        ),
    ] {
        fs::write(dir.path().join("survey.json"), text).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with(said), "{error}");
    }
}
