//! The Simple Service Discovery Protocol: requests and answers (`UPnP` Device Architecture 1.1 §1.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Where SSDP lives.
pub(super) const PORT: u16 = 1900;
/// The group of IPv4.
pub(super) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// The group of IPv6, of the link only.
pub(super) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);
/// Longest request that [`request`] writes, in bytes.
pub(super) const REQUEST_LIMIT: usize = 224;
/// Longest answer that is read, in bytes; real ones fit one Ethernet frame.
pub(super) const ANSWER_LIMIT: usize = 2048;
/// Header lines that are looked at.
const LINE_LIMIT: usize = 64;

/// Gateways; a device of version 2 answers to both.
pub(super) const GATEWAY_1: &str = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
/// Gateways of version 2.
pub(super) const GATEWAY_2: &str = "urn:schemas-upnp-org:device:InternetGatewayDevice:2";
/// Media servers; later versions answer to it.
pub(super) const MEDIA_SERVER: &str = "urn:schemas-upnp-org:device:MediaServer:1";
/// Every device once.
pub(super) const ROOT_DEVICE: &str = "upnp:rootdevice";
/// Every device, and every service of it.
pub(super) const EVERYTHING: &str = "ssdp:all";

/// Where a request goes that leaves by `source`; `index` is the interface's number.
pub(super) fn group(source: IpAddr, index: u32) -> SocketAddr {
    match source {
        IpAddr::V4(_) => (GROUP_V4, PORT).into(),
        IpAddr::V6(_) => SocketAddrV6::new(GROUP_V6, PORT, 0, index).into(),
    }
}

/// A search for `target`, sent to `group`, whose answers are spread over `spread_s` seconds (MX, 1 to 5).
pub(super) fn request(group: IpAddr, target: &str, spread_s: u32) -> String {
    let host = match group {
        IpAddr::V4(group) => format!("{group}:{PORT}"),
        IpAddr::V6(group) => format!("[{group}]:{PORT}"),
    };
    let spread_s = spread_s.clamp(1, 5);
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {host}\r\nMAN: \"ssdp:discover\"\r\nMX: {spread_s}\r\nST: {target}\r\n\r\n"
    )
}

/// An answer to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was searched for, as the device says it (ST).
    pub target: String,
    /// Unique name of the device and what it announces (USN).
    pub unique_name: String,
    /// Where its description is (LOCATION), as written.
    pub location: String,
    /// What it runs (SERVER); may be empty.
    pub server: String,
}

/// Why a datagram is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// More than 2048 bytes.
    #[error("is longer than {ANSWER_LIMIT} bytes")]
    TooLong,
    /// Not UTF-8, or control characters within lines.
    #[error("is no text")]
    NoText,
    /// Another message: an announcement, a search of somebody else.
    #[error("does not begin with HTTP/1.1 200")]
    NoSuccess,
    /// A field that every answer has is missing.
    #[error("has no {0}")]
    Missing(&'static str),
}

/// Reads one datagram. Of a header that occurs twice, the first counts.
pub fn parse_answer(datagram: &[u8]) -> Result<Answer, NoAnswer> {
    if datagram.len() > ANSWER_LIMIT {
        return Err(NoAnswer::TooLong);
    }
    let text = std::str::from_utf8(datagram).map_err(|_| NoAnswer::NoText)?;
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
    let version = words.next().unwrap_or_default();
    if !version.starts_with("HTTP/1.") || words.next() != Some("200") {
        return Err(NoAnswer::NoSuccess);
    }
    let [mut target, mut name, mut location, mut server] = [None; 4];
    for line in lines.take(LINE_LIMIT).take_while(|line| !line.is_empty()) {
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(NoAnswer::NoText);
        }
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let place = match field.trim_end().to_ascii_uppercase().as_str() {
            "ST" => &mut target,
            "USN" => &mut name,
            "LOCATION" => &mut location,
            "SERVER" => &mut server,
            _ => continue,
        };
        place.get_or_insert(value.trim());
    }
    let must = |value: Option<&str>, field| {
        value
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .ok_or(NoAnswer::Missing(field))
    };
    Ok(Answer {
        target: must(target, "ST")?,
        unique_name: must(name, "USN")?,
        location: must(location, "LOCATION")?,
        server: server.unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: upnp:rootdevice\r\nUSN: uuid:4d6::upnp:rootdevice\r\n\
         EXT:\r\nserver:  Debian/12 UPnP/1.1 MiniUPnPd/2.3.1 \r\nLocation: http://192.168.1.1:5000/rootDesc.xml\r\nOPT: \"x\"; ns=01\r\n\r\n";

    #[test]
    fn an_answer_is_read_whatever_the_case_of_its_fields() {
        let answer = parse_answer(ANSWER.as_bytes()).unwrap();
        assert_eq!(answer.target, ROOT_DEVICE);
        assert_eq!(answer.unique_name, "uuid:4d6::upnp:rootdevice");
        assert_eq!(answer.location, "http://192.168.1.1:5000/rootDesc.xml");
        assert_eq!(answer.server, "Debian/12 UPnP/1.1 MiniUPnPd/2.3.1");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let fault = |text: &str| parse_answer(text.as_bytes()).unwrap_err();
        assert_eq!(fault(""), NoAnswer::NoSuccess);
        assert_eq!(fault("NOTIFY * HTTP/1.1\r\n\r\n"), NoAnswer::NoSuccess);
        assert_eq!(fault("HTTP/1.1 404 No\r\n\r\n"), NoAnswer::NoSuccess);
        assert_eq!(
            fault(&ANSWER.replace("Location", "X")),
            NoAnswer::Missing("LOCATION")
        );
        assert_eq!(
            fault(&ANSWER.replace("ST:", "ST: \r\nSX:")),
            NoAnswer::Missing("ST")
        );
        assert_eq!(fault(&ANSWER.replace("/rootDesc", "/\0")), NoAnswer::NoText);
        assert_eq!(parse_answer(&[0xff; 40]), Err(NoAnswer::NoText));
        assert_eq!(
            parse_answer(&[b'A'; ANSWER_LIMIT + 1]),
            Err(NoAnswer::TooLong)
        );
    }

    #[test]
    fn a_field_behind_the_headers_does_not_count() {
        let (head, tail) = ANSWER.split_once("EXT:").unwrap();
        let text = format!("{head}\r\n{tail}");
        assert_eq!(
            parse_answer(text.as_bytes()),
            Err(NoAnswer::Missing("LOCATION"))
        );
    }

    #[test]
    fn requests_name_their_group_and_fit() {
        let text = request(GROUP_V4.into(), GATEWAY_1, 1);
        assert_eq!(
            text,
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
        );
        for target in [GATEWAY_1, GATEWAY_2, MEDIA_SERVER, ROOT_DEVICE, EVERYTHING] {
            for group in [GROUP_V4.into(), Ipv6Addr::from(u128::MAX).into()] {
                assert!(request(group, target, 9).len() <= REQUEST_LIMIT);
            }
        }
        assert!(request(GROUP_V6.into(), EVERYTHING, 0).contains("HOST: [ff02::c]:1900\r\n"));
    }

    proptest! {
        #[test]
        fn no_datagram_upsets_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_answer(&bytes);
        }

        #[test]
        fn a_damaged_answer_yields_no_control_characters(place in 0..ANSWER.len(), byte: u8) {
            let mut bytes = ANSWER.as_bytes().to_vec();
            bytes[place] = byte;
            if let Ok(answer) = parse_answer(&bytes) {
                for text in [&answer.target, &answer.unique_name, &answer.location, &answer.server] {
                    prop_assert!(!text.chars().any(|c| c.is_control() && c != '\t'));
                }
            }
        }
    }
}
