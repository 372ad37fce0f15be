//! Answers to pings: claims for the machine, events for what stands before it.

use crate::Seed;
use crate::seeds::packets::{ROUTER, event, ip4};
use glimpse_fuzz::{pieces, probes};
use glimpse_net::packet::{Echo, Family, encode_echo_request, internet_checksum};
use glimpse_probe::methods::ping::Guest;

pub(crate) fn seeds() -> Vec<Seed> {
    [claims(), events()].concat()
}

fn claims() -> Vec<Seed> {
    let claim = |kind: u8, index: u8, text: &[u8]| [&[kind, index][..], text].concat();
    let text = |index| probes::ping_text(index).to_vec();
    let joined = |count: u8, claims: &[Vec<u8>]| {
        let mut bytes = vec![count];
        bytes.extend(pieces::joined(claims.iter().map(Vec::as_slice)));
        bytes
    };
    vec![
        (
            "ping",
            "answered-in-part",
            joined(
                3,
                &[
                    claim(1, 0, &text(0)),
                    claim(2, 2, &text(2)),
                    claim(0, 0, &text(1)[..8]),
                ],
            ),
        ),
        (
            "ping",
            "short-quotes",
            joined(
                1,
                &[
                    claim(0, 0, b""),
                    claim(0, 0, b"00"),
                    claim(0, 0, b"0"),
                    claim(0, 0, b""),
                ],
            ),
        ),
        (
            "ping",
            "duplicates-and-failures",
            joined(
                2,
                &[
                    claim(1, 0, &text(1)),
                    claim(1, 0, &text(1)),
                    claim(5, 0, &text(0)),
                    claim(3, 200, b""),
                    claim(4, 0, &text(0)),
                ],
            ),
        ),
    ]
}

/// Four packets over UDP of IPv4, a raw socket, a ping socket of IPv6.
fn events() -> Vec<Seed> {
    let text = |index| probes::ping_text(index).to_vec();
    let echo = |identifier: u16, index: u32, kind: u8| {
        let echo = Echo {
            identifier,
            sequence: u16::try_from(index + 1).unwrap(),
            payload: &text(index),
        };
        let mut bytes = Vec::new();
        encode_echo_request(Family::V4, &echo, &mut bytes);
        bytes[0] = kind;
        bytes[2..4].fill(0);
        let sum = internet_checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let joined = |choice: u8, events: &[Vec<u8>]| {
        let mut bytes = vec![choice];
        bytes.extend(pieces::joined(events.iter().map(Vec::as_slice)));
        bytes
    };
    let (came, failed) = (1 << 2, 3 << 2);
    let ours = [&b"0123456789abcdef"[..], b" measure-it.net"].concat();
    let other = Guest {
        tag: [1; 8],
        ..probes::guest()
    };
    let raw = |identifier, index| ip4(1, ROUTER, &echo(identifier, index, 0));
    vec![
        (
            "ping_face",
            "udp",
            joined(
                3 << 3,
                &[
                    event(failed, [3, 3], 33_434, &text(0)),
                    event(came, [0, 57], 0, &text(1)),
                    event(failed | 0x80, [11, 0], 33_434, &text(2)),
                    event(failed | 2, [3, 4], 1300, b""),
                ],
            ),
        ),
        (
            "ping_face",
            "udp-foreign",
            joined(
                1 << 3,
                &[
                    event(came, [0, 0], 0, &ours),
                    event(failed, [3, 3], 0, b"00"),
                    event(failed | 0x80, [3, 3], 0, &text(7)),
                ],
            ),
        ),
        (
            "ping_face",
            "peer",
            joined(
                1 << 6 | 2 << 3,
                &[
                    event(came, [0, 57], 0, &probes::echo_reply(probes::guest(), 1)),
                    event(came, [0, 57], 0, &probes::echo_reply(other, 0)),
                    event(came, [0, 57], 0, &text(0)),
                    event(
                        failed,
                        [3, 3],
                        5105,
                        &probes::echo_reply(probes::guest(), 0),
                    ),
                ],
            ),
        ),
        (
            "ping_face",
            "raw",
            joined(
                3 << 1 | 3 << 3,
                &[
                    event(came, [0, 64], 0, &raw(probes::IDENTIFIER, 0)),
                    event(came, [0, 64], 0, &raw(1, 1)),
                    event(failed, [3, 1], 0, &echo(probes::IDENTIFIER, 2, 8)),
                ],
            ),
        ),
        (
            "ping_face",
            "datagram6",
            joined(1 | 2 << 1, &[event(came, [0, 64], 0, &echo(9, 0, 129))]),
        ),
    ]
}
