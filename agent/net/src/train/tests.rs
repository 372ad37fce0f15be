#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::count::datagram_bytes;

fn pair(address: IpAddr) -> (UdpSocket, UdpSocket) {
    let receiver = UdpSocket::bind((address, 0)).unwrap();
    receiver
        .set_read_timeout(Some(std::time::Duration::from_secs(2)))
        .unwrap();
    let sender = UdpSocket::bind((address, 0)).unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    (sender, receiver)
}

fn numbered(index: u32, packet: &mut Vec<u8>) {
    assert!(packet.is_empty());
    packet.extend_from_slice(&index.to_be_bytes());
    packet.resize(200, 7);
}

#[tokio::test]
async fn packets_leave_when_they_are_due_with_the_kernels_stamps() {
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let (sender, receiver) = pair(address);
        let tally = Tally::default();
        let due = at_rate(40, 250, 500_000);
        assert_eq!(due[39], 39 * 500_000);
        let launched = monotonic_ns();
        let train = launch(sender, due, numbered, tally.clone())
            .unwrap()
            .await
            .unwrap();
        assert!(matches!(train.end, TrainEnd::Complete));
        assert!(train.refusal.is_none());
        assert_eq!(train.sent_packets(), 40);
        let mut buffer = [0; 300];
        for index in 0..40_u32 {
            assert_eq!(receiver.recv(&mut buffer).unwrap(), 200);
            assert_eq!(buffer[..4], index.to_be_bytes());
        }
        for packet in &train.departures {
            let sent = packet.sent.unwrap();
            // A scheduler may be late on a busy machine, the pacing is never early.
            assert!(
                sent.monotonic_ns >= launched + packet.due_ns,
                "{packet:?} left early"
            );
            assert!(
                sent.kernel_ns.is_some(),
                "matched by its number: {packet:?}"
            );
        }
        assert!(train.spread_ns().unwrap() > 0);
        let bytes = 40 * datagram_bytes(Family::from(address), 200);
        assert_eq!(
            (tally.read().sent_bytes, tally.read().sent_packets),
            (bytes, 40)
        );

        // The numbers begin anew with the next train from the same socket.
        let again = launch(train.socket, vec![0; 5], numbered, tally)
            .unwrap()
            .await
            .unwrap();
        assert!(
            again
                .departures
                .iter()
                .all(|packet| packet.sent.unwrap().kernel_ns.is_some())
        );
    }
}

#[tokio::test]
async fn the_limit_ends_a_train_before_the_packet_that_would_pass_it() {
    let (sender, _receiver) = pair(Ipv4Addr::LOCALHOST.into());
    let tally = Tally::limited(3 * 228 + 227);
    let train = launch(sender, vec![0; 10], numbered, tally.clone())
        .unwrap()
        .await
        .unwrap();
    assert!(matches!(train.end, TrainEnd::Limit));
    assert_eq!(train.sent_packets(), 3);
    assert_eq!(tally.read().total_bytes(), 3 * 228);
}

#[tokio::test]
async fn a_dropped_flight_ends_at_once_and_sends_no_more() {
    let (sender, receiver) = pair(Ipv4Addr::LOCALHOST.into());
    let tally = Tally::default();
    let hour = at_rate(3600, 228, 228);
    let flight = launch(sender, hour, numbered, tally.clone()).unwrap();
    receiver.recv(&mut [0; 300]).unwrap();
    let begun = monotonic_ns();
    drop(flight);
    assert!(monotonic_ns() - begun < 200_000_000);
    assert_eq!(tally.read().sent_packets, 1);
}

#[tokio::test]
async fn a_packet_that_the_kernel_refuses_is_told_and_the_rest_still_leaves() {
    let (sender, receiver) = pair(Ipv4Addr::LOCALHOST.into());
    let fill = |index: u32, packet: &mut Vec<u8>| {
        // Longer than UDP can carry.
        packet.resize(if index == 1 { 70_000 } else { 100 }, 0);
    };
    let train = launch(sender, vec![0, 1, 2], fill, Tally::default())
        .unwrap()
        .await
        .unwrap();
    assert_eq!(train.sent_packets(), 2);
    assert_eq!(train.departures[1].sent, None);
    assert!(train.refusal.is_some());
    assert!(train.departures[0].sent.unwrap().kernel_ns.is_some());
    assert_eq!(receiver.recv(&mut [0; 300]).unwrap(), 100);
    assert_eq!(receiver.recv(&mut [0; 300]).unwrap(), 100);
}

#[tokio::test]
async fn a_port_that_refuses_does_not_stop_the_train() {
    let (sender, receiver) = pair(Ipv4Addr::LOCALHOST.into());
    drop(receiver);
    let train = launch(
        sender,
        at_rate(10, 100, 200_000),
        numbered,
        Tally::default(),
    )
    .unwrap()
    .await
    .unwrap();
    // One may fail by the error about the one before.
    assert!(train.sent_packets() >= 9, "{train:?}");
}

#[test]
fn an_unconnected_socket_is_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(launch(socket, vec![0], numbered, Tally::default()).is_err());
}

proptest! {
    #[test]
    fn the_rate_holds_over_any_length(count in 2..2000_u32, bytes in 28..1500_u32, rate in 1000..1_000_000_000_u64) {
        let due = at_rate(count, bytes, rate);
        prop_assert_eq!(due.len(), count as usize);
        prop_assert!(due.is_sorted());
        let exact = u128::from(count - 1) * u128::from(bytes) * NS_PER_S / u128::from(rate);
        prop_assert_eq!(u128::from(*due.last().unwrap()), exact);
        prop_assert_eq!(due[0], 0);
    }

    #[test]
    fn no_rate_means_at_once(count in 0..100_u32) {
        prop_assert_eq!(at_rate(count, 1000, 0), vec![0; count as usize]);
    }
}
