#![allow(clippy::unwrap_used)]

use super::*;
use axum::http::HeaderValue;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn client(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> Client {
    let peer = Peer {
        addr: (ip(peer), 4_000).into(),
        agent: None,
        pinned: None,
    };
    let mut headers = HeaderMap::new();
    for line in forwarded {
        headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
    }
    let trusted: Vec<Prefix> = trusted.iter().map(|t| t.parse().unwrap()).collect();
    Client::of(Some(&peer), &headers, &trusted)
}

#[test]
fn the_word_of_a_stranger_for_another_address_is_not_taken() {
    let stranger = client("203.0.113.9", &["192.0.2.1"], &["198.51.100.0/24"]);
    assert_eq!(stranger.address, Some(ip("203.0.113.9")));
    assert_eq!(stranger.network, ip("203.0.113.9"));
    assert_eq!(
        client("203.0.113.9", &["192.0.2.1"], &[]).address,
        Some(ip("203.0.113.9"))
    );
}

#[test]
fn behind_trusted_proxies_the_last_address_that_is_none_of_theirs_counts() {
    let proxies = &["198.51.100.0/24", "2001:db8:1::/48"];
    for (lines, address) in [
        (&["203.0.113.9"][..], "203.0.113.9"),
        (&["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
        (&["192.0.2.66", "203.0.113.9 , 198.51.100.8"], "203.0.113.9"),
        (&["203.0.113.9:4711"], "203.0.113.9"),
        (&["[2001:db8::9]:4711, 2001:db8:1::5"], "2001:db8::9"),
        (&["[2001:db8::9]"], "2001:db8::9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
    ] {
        let client = client("198.51.100.7", lines, proxies);
        assert_eq!(client.address, Some(ip(address)), "{lines:?}");
    }
    for lines in [
        &[][..],
        &["203.0.113.9, unknown"],
        &["198.51.100.8"],
        &["203.0.113.9,"],
    ] {
        let client = client("::ffff:198.51.100.7", lines, proxies);
        assert_eq!(client.address, None, "nobody knows: {lines:?}");
    }
    assert_eq!(
        client("198.51.100.7", &["x, 198.51.100.8"], proxies).network,
        ip("198.51.100.8")
    );
}

#[test]
fn limits_are_shared_by_an_address_or_a_site() {
    let network = |text| client(text, &[], &[]).network;
    assert_eq!(
        network("2001:db8:0:100::1"),
        network("2001:db8:0:1ff:ffff::2")
    );
    assert_ne!(network("2001:db8:0:100::1"), network("2001:db8:0:200::1"));
    assert_eq!(network("::ffff:192.0.2.1"), ip("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
}

fn at(address: u32) -> Client {
    Client::known(None, IpAddr::V4(address.into()))
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let rates = Rates::new(60, 100);
    let (one, two) = (at(1), at(2));
    let now = 1_000 * SECOND_US;
    for _ in 0..60 {
        assert_eq!(rates.spend(&one, 1, now), Ok(()));
    }
    assert_eq!(rates.spend(&one, 1, now), Err(1));
    assert_eq!(rates.spend(&one, 5, now), Err(5));
    assert_eq!(rates.spend(&two, 1, now), Ok(()));
    assert_eq!(rates.spend(&one, 1, now + SECOND_US), Ok(()));
    assert_eq!(rates.spend(&one, 1, now + SECOND_US), Err(1));
    assert_eq!(rates.spend(&one, 60, now + 61 * SECOND_US), Ok(()));
    assert_eq!(
        rates.spend(&two, 1_000, now + 61 * SECOND_US),
        Ok(()),
        "a minute's"
    );
    assert_eq!(rates.spend(&two, 1, now + 61 * SECOND_US), Err(1));
    assert_eq!(
        rates.spend(&two, 1, now - 86_400 * SECOND_US),
        Ok(()),
        "the clock was set back"
    );
}

#[test]
fn the_table_of_clients_is_bounded() {
    let rates = Rates::new(60, 10);
    let now = 1_000 * SECOND_US;
    for address in 0..10 {
        assert_eq!(rates.spend(&at(address), 2, now), Ok(()));
    }
    for address in 10..1_000 {
        let _ = rates.spend(&at(address), 1, now);
    }
    assert_eq!(rates.clients.lock().unwrap().due_us.len(), 11);
    assert!(
        rates.spend(&at(1_000), 1, now).is_err(),
        "newcomers share what one has"
    );
    assert_eq!(
        rates.spend(&at(3), 1, now),
        Ok(()),
        "those who were there keep theirs"
    );
    // Two seconds' worth of requests are forgotten after them.
    assert_eq!(rates.spend(&at(1_000), 1, now + 4 * SECOND_US), Ok(()));
    assert!(rates.clients.lock().unwrap().due_us.len() <= 3);
}
