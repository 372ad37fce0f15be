#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnose::slow::Known;
use crate::local::uci::Settings;
use glimpse_model::configuration::Diagnose as Offer;
use glimpse_model::time::Timestamp;
use glimpse_probe::registry::Registry;
use std::path::Path;

/// A machine whose files stand below `root`.
pub(in crate::diagnose) fn means(root: &Path, settings: Settings) -> Means {
    Means {
        registry: Arc::new(Registry::built_in()),
        settings,
        wan: crate::diagnose::means::Wan::default(),
        stations: None,
        client: None,
        root: root.to_owned(),
        tls: Arc::new(|| Err("none here".to_owned())),
        secure: None,
        known: Known::default(),
        ways: Vec::new(),
        now: || Timestamp::from_unix_seconds(1_795_000_000),
        seed: 7,
    }
}

/// Puts a file of the machine in its place.
pub(in crate::diagnose) fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A default route by the loopback.
pub(in crate::diagnose) const ROUTE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
    lo\t00000000\t0100007F\t0003\t0\t0\t0\t00000000\n";

fn settings(references: &[&str], controller: Option<&str>) -> Settings {
    let mut settings = Settings::default();
    settings.diagnose.references = references.iter().map(ToString::to_string).collect();
    settings.controller.url = controller.map(str::to_owned);
    settings
}

#[test]
fn the_references_are_the_settings_or_else_the_controller() {
    let root = tempfile::tempdir().unwrap();
    let of = |settings: Settings| Bench::new(&means(root.path(), settings)).references();
    let address = |last: u8| Host::Address([192, 0, 2, last].into());
    let controller = Some("https://c.example:8443");
    assert_eq!(
        of(settings(&["192.0.2.1", "192.0.2.2"], controller)),
        [(address(1), 443), (address(2), 443)]
    );
    assert_eq!(
        of(settings(&[], controller)),
        [(Host::Name("c.example".to_owned()), 8443)]
    );
    assert_eq!(of(settings(&[], None)), []);
}

#[tokio::test]
async fn an_address_counts_only_where_its_version_has_a_way_out() {
    let root = tempfile::tempdir().unwrap();
    let means = means(root.path(), settings(&["192.0.2.1", "2001:db8::1"], None));
    let bench = Bench::new(&means);
    assert_eq!(bench.targets().await, []);
    put(root.path(), "proc/net/route", ROUTE);
    let targets = bench.targets().await;
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].addresses.ipv4, Some([192, 0, 2, 1].into()));
}

#[tokio::test]
async fn whom_the_controller_names_is_not_in_the_household() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "proc/net/route", ROUTE);
    let url = "http://127.0.0.1:1/";
    let offer = Offer {
        reference: vec!["192.168.1.1".to_owned(), "9.9.9.9".to_owned()],
        speed_url: Some(url.to_owned()),
        ..Offer::default()
    };
    let mut offered = settings(&[], None);
    offered.diagnose.take(&offer);
    let foreign = means(root.path(), offered);
    let bench = Bench::new(&foreign);
    let targets = bench.targets().await;
    let addresses: Vec<_> = targets.iter().map(|target| target.addresses.ipv4).collect();
    assert_eq!(addresses, [Some([9, 9, 9, 9].into())]);
    let options = || json!({"url": url, "upload_url": url, "directions": "down"});
    let refused = bench.measure_for(url, "latencyload", options()).await;
    let refused = refused.unwrap().error.unwrap_or_default();
    assert!(refused.contains("may not be measured"), "{refused}");

    let own = means(root.path(), settings(&["192.168.1.1"], None));
    let bench = Bench::new(&own);
    assert_eq!(bench.targets().await.len(), 1, "the household's own word");
    let tried = bench.measure_for(url, "latencyload", options()).await;
    let tried = tried.unwrap().error.unwrap_or_default();
    assert!(!tried.contains("may not be measured"), "{tried}");
}

#[tokio::test]
async fn bytes_of_all_runs_are_counted_and_missing_methods_are_said() {
    let root = tempfile::tempdir().unwrap();
    let mut means = means(root.path(), Settings::default());
    let bench = Bench::new(&means);
    // Nobody listens there, which is an answer.
    let trips = bench.knock([127, 0, 0, 1].into(), 1).await.unwrap();
    assert_eq!((trips.sent, trips.received), (1, 1));
    let bytes = bench.bytes();
    assert!(bytes >= 60, "{bytes}");
    bench.knock([127, 0, 0, 1].into(), 1).await.unwrap();
    assert!(bench.bytes() > bytes);
    means.registry = Arc::new(Registry::default());
    let bench = Bench::new(&means);
    let none = bench.knock([127, 0, 0, 1].into(), 1).await;
    assert_eq!(none, Err(Reason::NoMethod("ping")));
}

#[test]
fn figures_of_methods_are_read() {
    let result = json!({"round_trip_sent": 4, "round_trip_received": 3, "round_trip_ms": [14.25, 13.001, 90.5]});
    let seen = trips(result.as_object().unwrap());
    assert_eq!(
        (seen.sent, seen.received, seen.median_us),
        (4, 3, Some(14_250))
    );
    assert_eq!(trips(&Map::new()), Trips::default());
    let result = json!({"results": [
        {"hop": "192.0.2.1", "rtt_min": 900}, {"hop": null, "rtt_min": null}, {"hop": "nonsense", "rtt_min": 3}]});
    assert_eq!(
        hops(result.as_object().unwrap()),
        [Some(([192, 0, 2, 1].into(), 900)), None, None]
    );
}

#[tokio::test]
async fn together_keeps_the_order() {
    let (slow, wake) = tokio::sync::oneshot::channel::<u8>();
    let first: Pin<Box<dyn Future<Output = u8>>> = Box::pin(async { wake.await.unwrap() });
    let second: Pin<Box<dyn Future<Output = u8>>> = Box::pin(async move {
        slow.send(1).unwrap();
        2
    });
    assert_eq!(together(vec![first, second]).await, [1, 2]);
}
