//! Bytes, time, and addresses that may not be asked.

use super::*;

#[tokio::test]
async fn a_flood_ends_the_run_at_its_announced_bytes() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| {
        let mut forged = address(query);
        forged[0] ^= 1;
        forged.resize(60_000, 0);
        vec![forged; 20]
    })
    .await;
    let given = server.options(&json!({"retries": 5, "tcp_retry": false}));
    let outcome = measure(given).await;
    assert!(
        outcome.error.unwrap().contains("stopped at its limit of"),
        "not by its time-out"
    );
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_byte_limit() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| vec![address(query)]).await;
    let context = Context {
        byte_limit: 160,
        ..context()
    };
    let outcome = measure_in(
        server.options(&json!({"type": "", "types": "A,MX"})),
        &context,
    )
    .await;
    assert_eq!(
        outcome.error.as_deref(),
        Some("MX: stopped at its limit of 160 bytes")
    );
    assert!(outcome.bytes.total() <= 160);
}

#[tokio::test]
async fn a_dropped_run_leaves_its_bytes_on_the_meter() {
    let server = Server::tcp(|stream| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    })
    .await;
    let options = read(&server.options(&json!({"transport": "Tcp", "timeout": 5000}))).unwrap();
    let context = Context {
        time_limit: Duration::from_millis(100),
        ..context()
    };
    let outcome = descriptor().run(&options, &context).await;
    assert_eq!(outcome.ending, Ending::Aborted);
    assert!(outcome.bytes.sent > 100, "{:?}", outcome.bytes);
}

#[tokio::test]
async fn refused_addresses_get_no_packet() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |_, _| panic!("asked")).await;
    let context = Context {
        admit: Arc::new(|_| Err("not global".to_owned())),
        ..context()
    };
    let outcome = measure_in(server.options(&json!({})), &context).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Failed, Some("127.0.0.1: not global"))
    );
    assert_eq!(outcome.bytes.total(), 0);
}
