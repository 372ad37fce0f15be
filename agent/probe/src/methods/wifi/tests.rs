#![allow(clippy::unwrap_used, clippy::expect_used)]
// The recorded replies are of a little-endian machine.
#![cfg(target_endian = "little")]

use std::collections::VecDeque;

use glimpse_model::outcome::{Ending, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::run::{Ask, AskError, look};
use super::*;

macro_rules! recorded {
    ($name:literal) => {
        bytes(include_str!(concat!(
            "../../../tests/data/wifi/",
            $name,
            ".hex"
        )))
    };
}

fn bytes(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    lines
        .flat_map(str::split_ascii_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// Answers in the order of the recordings, whose sequence numbers are those of the questions.
struct Recorded {
    answers: VecDeque<Vec<u8>>,
    asked: Vec<(u16, u8, bool)>,
}

impl Recorded {
    fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            asked: Vec::new(),
        }
    }

    fn house() -> Self {
        Self::new([
            recorded!("family"),
            recorded!("interfaces"),
            recorded!("station_of_client"),
            recorded!("survey_of_client"),
            recorded!("stations_of_ap"),
            recorded!("not_supported"),
        ])
    }

    async fn look(&mut self, interface: Option<&str>) -> Result<Outcome, AskError> {
        let interface = interface.map(str::to_owned);
        look(self, &WifiOptions { interface }).await
    }
}

impl Ask for Recorded {
    async fn ask(
        &mut self,
        family: u16,
        command: u8,
        dump: bool,
        _: &[(u16, &[u8])],
    ) -> Result<Vec<Vec<u8>>, AskError> {
        self.asked.push((family, command, dump));
        let answer = self.answers.pop_front().ok_or(AskError::Silent)?;
        let sequence = u32::from_ne_bytes(answer[8..12].try_into().unwrap());
        let mut dump = Dump::new(sequence);
        match dump.take(&answer)? {
            Progress::More => Err(AskError::Silent),
            Progress::Complete => Ok(dump.into_bodies()),
            Progress::Refused(number) => Err(AskError::Refused(number)),
        }
    }
}

fn list(outcome: &Outcome) -> &Vec<Value> {
    assert_eq!((outcome.ending, &outcome.error), (Ending::Done, &None));
    outcome.probe_result["ap_list"].as_array().unwrap()
}

/// `printf %s TEXT | sha512sum`.
const HOME: &str = "ed74cf28e117c5f6dc9d4b8dfd76a7728d86000884abe0bffab1b9c881e0006ca6e057331ec536449b407bb0c5d4d947caff50d94e44772eccb6e6ad155e1a71";
const DEVICE: &str = "94aedbb710d1e4a8076d702bf997dbaf48779bec7e6a249455e58e62cfb58aefc02971bd15e0c469d868e51e54664be50e3ffbec053b2ca9047b2ae28908c0c6";

#[tokio::test]
async fn a_client_and_an_access_point_are_told() {
    let mut kernel = Recorded::house();
    let outcome = kernel.look(None).await.unwrap();
    let [client, ap] = list(&outcome).as_slice() else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        client,
        &json!({
            "interface": "wlan0",
            "mode": "station",
            "ssid": HOME,
            "bssid": format!("0c:80:63:{DEVICE}"),
            "frequency": 5180,
            "channel": 36,
            "width_mhz": 80,
            "tx_power_mbm": 2000,
            "level": -58,
            "level_average_dbm": -60,
            "noise_dbm": -95,
            "tx_bitrate_kbps": 866_700,
            "rx_bitrate_kbps": 650_000,
            "inactive_ms": 20,
            "connected_s": 3600,
            "tx_packets": 5000,
            "tx_retries": 70,
            "tx_failed": 3,
            "active_ms": 100_000,
            "busy_ms": 25_000,
            "receive_ms": 9000,
            "transmit_ms": 8000,
        })
    );
    assert_eq!((&ap["mode"], &ap["channel"]), (&json!("ap"), &json!(6)));
    assert_eq!(
        ap["stations"],
        json!([
            {"level": -71, "tx_bitrate_kbps": 130_000, "inactive_ms": 500},
            {"level": -44, "tx_bitrate_kbps": 11_529_400},
        ])
    );
    assert!(ap.get("noise_dbm").is_none(), "its driver has no survey");
    let text = serde_json::to_string(&outcome.probe_result).unwrap();
    for secret in ["home", "guests", "d4:e5:f6", "a4:b1", "5200", "5220"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(
        kernel.asked,
        [
            (16, 3, false),
            (28, 5, true),
            (28, 17, true),
            (28, 50, true),
            (28, 17, true),
            (28, 50, true)
        ]
    );
}

#[tokio::test]
async fn one_interface_can_be_chosen() {
    let mut kernel = Recorded::house();
    let outcome = kernel.look(Some("wlan0")).await.unwrap();
    assert_eq!(list(&outcome).len(), 1);
    assert_eq!(kernel.answers.len(), 2, "the other was not asked about");
    let outcome = Recorded::house().look(Some("wlan7")).await.unwrap();
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(
        outcome.error.as_deref(),
        Some("wlan7 is no wi-fi interface of this machine")
    );
}

#[tokio::test]
async fn without_wifi_the_list_is_empty() {
    let outcome = Recorded::new([recorded!("no_family")])
        .look(None)
        .await
        .unwrap();
    assert!(list(&outcome).is_empty());
}

#[tokio::test]
async fn a_length_of_zero_ends_with_an_error() {
    let mut kernel = Recorded::new([recorded!("family"), recorded!("length_zero")]);
    // The dump itself is whole but for its end, which the recording lacks: the attributes are what is wrong.
    let answer = recorded!("length_zero");
    let mut dump = Dump::new(2);
    assert_eq!(dump.take(&answer), Ok(Progress::More));
    let body = dump.into_bodies().remove(0);
    let wrong = Malformed::Length { length: 0, room: 8 };
    assert_eq!(parse_interface(&body), Err(wrong));
    assert!(kernel.look(None).await.is_err());
}

#[tokio::test]
async fn this_machine_is_asked() {
    let options = Options::from_words(options::OPTIONS, []).unwrap();
    let outcome = run::run(&options).await;
    match outcome.ending {
        Ending::Done => assert!(outcome.probe_result["ap_list"].is_array()),
        _ => assert!(outcome.error.unwrap().starts_with("netlink: ")),
    }
    assert_eq!(outcome.bytes.total(), 0);
}

#[test]
fn channels_are_numbered_by_their_bands() {
    let numbers = [
        2412, 2472, 2484, 5180, 5885, 5955, 6875, 58_320, 868, 2400, 5940,
    ];
    let channels = numbers.map(nl80211::channel);
    let expected = [
        Some(1),
        Some(13),
        Some(14),
        Some(36),
        Some(177),
        Some(1),
        Some(185),
        Some(1),
        None,
        None,
        None,
    ];
    assert_eq!(channels, expected);
}

#[test]
fn names_that_no_interface_has_are_refused() {
    let read = |name: &str| {
        let words = [format!("interface={name}")];
        let options = Options::from_words(options::OPTIONS, words.iter().map(String::as_str))?;
        WifiOptions::read(&options)
    };
    assert_eq!(read("").unwrap().interface, None);
    assert_eq!(read("wlan0").unwrap().interface.as_deref(), Some("wlan0"));
    for name in ["../x", "a b", "0123456789abcdef", "eth0:1"] {
        assert_eq!(read(name).unwrap_err().path, "interface", "{name}");
    }
}

fn recordings() -> Vec<Vec<u8>> {
    vec![
        recorded!("family"),
        recorded!("interfaces"),
        recorded!("station_of_client"),
        recorded!("survey_of_client"),
        recorded!("stations_of_ap"),
        recorded!("not_supported"),
        recorded!("length_zero"),
    ]
}

proptest! {
    #[test]
    fn a_damaged_recording_is_read_or_refused(
        which in 0..7_usize,
        place in 0..2000_usize,
        damage in proptest::collection::vec(any::<u8>(), 0..5),
    ) {
        let mut recording = recordings().swap_remove(which);
        let sequence = u32::from_ne_bytes(recording[8..12].try_into().unwrap());
        let place = place % recording.len();
        let end = (place + damage.len()).min(recording.len());
        recording.splice(place..end, damage);
        let mut dump = Dump::new(sequence);
        let _ = dump.take(&recording);
        for body in dump.into_bodies() {
            let _ = (parse_family(&body), parse_interface(&body), parse_station(&body), parse_survey(&body));
        }
    }

    #[test]
    fn no_body_upsets_the_parsers(body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = (parse_family(&body), parse_interface(&body), parse_station(&body), parse_survey(&body));
    }
}
