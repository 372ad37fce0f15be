//! Messages of DNS.

use crate::Seed;
use glimpse_fuzz::dns;

/// Where the question's name stands in a message.
const NAME: [u8; 2] = [0xc0, 12];

pub(crate) fn seeds() -> Vec<Seed> {
    let a = |last: u8| record(&NAME, 1, 300, &[192, 0, 2, last]);
    let alias = record(&NAME, 5, 60, b"\x05other\xc0\x10");
    let nsid = option(3, b"ns1.fra");
    let error = option(15, b"\x00\x16unreachable");
    let edns = [
        &[0, 0, 41, 4, 208, 0, 0, 128, 0][..],
        &length(nsid.len() + error.len()),
        &nsid,
        &error,
    ]
    .concat();
    let question = dns::question()[12..12 + 21].to_vec();
    let refused = [&header(0x8585, [0; 4])[..]].concat();
    let truncated = message(0x8780, [1, 0, 0, 0], &[]);
    let lying = message(0x8180, [1, 65_535, 0, 0], &[a(1)]);
    let beyond = message(
        0x8180,
        [1, 1, 0, 0],
        &[[&NAME[..], &[0, 1, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 1]].concat()],
    );
    let looping = message(
        0x8180,
        [1, 1, 0, 0],
        &[record(&[0xc0, 33], 1, 1, &[1, 2, 3, 4])],
    );
    let mixed = [
        record(
            &NAME,
            6,
            900,
            b"\x03ns1\xc0\x10\x05admin\xc0\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        ),
        record(&NAME, 15, 900, b"\0\x0a\x04mail\xc0\x10"),
        record(&NAME, 16, 900, b"\x0bv=spf1 -all\x03\"\\\x00"),
        record(
            &NAME,
            28,
            900,
            &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ),
        record(&NAME, 33, 900, b"\0\x01\0\x02\x14\x66\x03sip\xc0\x10"),
        record(&NAME, 257, 900, b"\0\x05issueca.example"),
        record(
            &NAME,
            46,
            900,
            b"\0\x01\x0d\x02\0\0\x01\x2c\x6a\0\0\0\x69\0\0\0\x30\x39\x07example\x03net\0sig",
        ),
        record(&NAME, 65, 900, b"\0\x01\0\0\x01\0\x03\x02h2"),
        record(&NAME, 65_280, 900, b"\x01\x02"),
    ];
    let answered = message(0x8180, [1, 1, 0, 0], &[a(1)]);
    let framed = |message: &[u8]| [&length(message.len()), message].concat();
    let mut chain = vec![0; 12];
    chain.extend_from_slice(b"\x07example\x03net\0\x03www\xc0\x0c\xc0\x19");
    let value = |kind: u16, data: &[u8]| {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0, 1, 13]);
        bytes.extend_from_slice(b"\x07example\x03net\0");
        bytes.extend_from_slice(data);
        bytes
    };
    vec![
        ("dns_answer", "addresses", message(0x81a0, [1, 3, 0, 1], &[alias, a(1), a(2), edns])),
        ("dns_answer", "mixed", message(0x8180, [1, 9, 0, 0], &mixed)),
        ("dns_answer", "refused", refused),
        ("dns_answer", "truncated", truncated),
        ("dns_answer", "lying-count", lying),
        ("dns_answer", "length-beyond-the-end", beyond),
        ("dns_answer", "pointer-to-itself", looping),
        ("dns_answer", "question-only", [&header(0x8183, [1, 0, 0, 0])[..], &question].concat()),
        ("dns_framing", "two", [&[255][..], &framed(&answered), &framed(b"")].concat()),
        ("dns_framing", "cut", [&[4][..], &framed(&answered), &framed(&answered)[..9]].concat()),
        ("dns_framing", "longest", [&[0][..], &[0xff; 4]].concat()),
        ("dns_name", "plain", b"\0\x03www\x07example\x03net\0".to_vec()),
        ("dns_name", "pointers", [&[30][..], &chain].concat()),
        ("dns_name", "odd-letters", b"\0\x05a.b\\\x80\0".to_vec()),
        ("dns_name", "pointer-forward", b"\x02\0\0\xc0\x04\x01a\0".to_vec()),
        ("dns_value", "mx", value(15, b"\0\x0a\x04mail\xc0\0")),
        ("dns_value", "caa", value(257, b"\0\x05issueca.example")),
        ("dns_value", "naptr", value(35, b"\0\x01\0\x02\x01u\x07E2U+sip\x05!^.*!\0")),
        ("dns_value", "nsec", value(47, b"\x01a\xc0\0\0\x06\x40\x01\0\0\0\x03")),
        ("dns_value", "loc", value(29, &[0, 0x12, 0x16, 0x13, 0x89, 0x17, 0x2d, 0xd0, 0x70, 0xbe, 0x15, 0xf0, 0, 0x98, 0x8d, 0x20])),
        ("dns_value", "svcb", value(64, b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x04\0\x04\xc0\0\x02\x01")),
        ("resolv_conf", "router", b"# from the provider\nsearch lan\nnameserver 192.168.1.1\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\noptions edns0\n".to_vec()),
        ("resolv_conf", "words", b"[2001:db8::53]:853\n192.0.2.53:5353\nA,AAAA,TXT,TYPE65280\nwww.example.net\n.\n".to_vec()),
    ]
}

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = dns::ID.to_be_bytes().to_vec();
    bytes.extend_from_slice(&flags.to_be_bytes());
    for count in counts {
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes
}

/// A message with the question, then these records.
fn message(flags: u16, counts: [u16; 4], records: &[Vec<u8>]) -> Vec<u8> {
    let question = &dns::question()[12..12 + 21];
    [&header(flags, counts)[..], question, &records.concat()].concat()
}

fn record(name: &[u8], kind: u16, ttl_s: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&1_u16.to_be_bytes());
    bytes.extend_from_slice(&ttl_s.to_be_bytes());
    bytes.extend_from_slice(&length(data.len()));
    bytes.extend_from_slice(data);
    bytes
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &length(data.len()), data].concat()
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap().to_be_bytes()
}
