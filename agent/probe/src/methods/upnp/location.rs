//! Where a device says its documents are. Whoever answers a search writes this, so that it is taken only if it leads back to
//! the one who answered: never to another host, another protocol, or out of the local network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Longest URL that is read, in bytes.
const URL_LIMIT: usize = 512;

/// A document of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Where to connect to, with the zone of a link-local address.
    pub address: SocketAddr,
    /// Path and query, as the request line has them.
    pub path: String,
}

/// Why a URL is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LocationRefused {
    /// More than 512 bytes.
    #[error("is longer than {URL_LIMIT} bytes")]
    TooLong,
    /// Another scheme than `http`, or none.
    #[error("is no http url")]
    Scheme,
    /// A user or password, a space, a control character, a character beyond ASCII.
    #[error("holds what no url of a device holds")]
    Malformed,
    /// A name: it could mean any host, and another one each time.
    #[error("names its host, which must be an address")]
    Name,
    /// Port 0 or no number.
    #[error("has no valid port")]
    Port,
    /// Another host than the one that answered.
    #[error("leads to another host than the one that answered")]
    OtherHost,
    /// A host outside the network that was searched.
    #[error("leads out of the local network")]
    Outside,
}

impl Location {
    /// Reads an absolute URL whose host must be `responder`; the zone comes from there.
    pub fn parse(url: &str, responder: SocketAddr) -> Result<Self, LocationRefused> {
        if url.len() > URL_LIMIT {
            return Err(LocationRefused::TooLong);
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LocationRefused::Malformed);
        }
        let rest = url
            .get(..7)
            .filter(|scheme| scheme.eq_ignore_ascii_case("http://"))
            .and_then(|_| url.get(7..))
            .ok_or(LocationRefused::Scheme)?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') || path.starts_with('\\') {
            return Err(LocationRefused::Malformed);
        }
        let (host, port) = host_and_port(authority)?;
        if host != responder.ip() {
            return Err(LocationRefused::OtherHost);
        }
        let address = match responder {
            SocketAddr::V4(own) => SocketAddr::from((*own.ip(), port)),
            SocketAddr::V6(own) => SocketAddrV6::new(*own.ip(), port, 0, own.scope_id()).into(),
        };
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self { address, path })
    }

    /// What `reference` means in a document from here (RFC 3986 §5, without removing dot segments). An absolute one
    /// must lead to the same host; the port may differ.
    pub fn join(&self, reference: &str) -> Result<Self, LocationRefused> {
        if reference.len() > URL_LIMIT {
            return Err(LocationRefused::TooLong);
        }
        let has_scheme = reference
            .split_once(':')
            .is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#', '.']));
        if has_scheme {
            return Self::parse(reference, self.address);
        }
        let plain = reference.bytes().all(|byte| byte.is_ascii_graphic());
        if reference.is_empty() || !plain || reference.starts_with("//") || reference.contains('\\')
        {
            return Err(LocationRefused::Malformed);
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let path = if reference.starts_with('/') {
            reference.to_owned()
        } else {
            let own = self.path.split('?').next().unwrap_or_default();
            let folder = own.rfind('/').map_or("/", |slash| &own[..=slash]);
            format!("{folder}{reference}")
        };
        Ok(Self {
            address: self.address,
            path,
        })
    }

    /// `host:port`, an IPv6 address in brackets and without its zone: the key of results.
    pub fn host_port(&self) -> String {
        match self.address {
            SocketAddr::V4(address) => address.to_string(),
            SocketAddr::V6(address) => format!("[{}]:{}", address.ip(), address.port()),
        }
    }

    /// The URL, without the zone.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.host_port(), self.path)
    }
}

/// Only the one way to write an address that Rust reads: no octal, hexadecimal or shortened parts, which others read otherwise.
fn host_and_port(authority: &str) -> Result<(IpAddr, u16), LocationRefused> {
    let (host, port): (IpAddr, &str) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(LocationRefused::Malformed)?;
        // Some devices write the zone that the address has on their side (RFC 6874); ours is known.
        let host = host.split('%').next().unwrap_or_default();
        let host: Ipv6Addr = host.parse().map_err(|_| LocationRefused::Name)?;
        (host.into(), port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, port) = authority.split_at(end);
        let host: Ipv4Addr = host.parse().map_err(|_| LocationRefused::Name)?;
        (host.into(), port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 80,
        Some("") => 80,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| LocationRefused::Port)?
        }
        _ => return Err(LocationRefused::Port),
    };
    if port == 0 {
        return Err(LocationRefused::Port);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn responder() -> SocketAddr {
        "192.168.1.1:1900".parse().unwrap()
    }

    fn refusal(url: &str) -> LocationRefused {
        Location::parse(url, responder()).unwrap_err()
    }

    #[test]
    fn the_responders_own_url_is_taken() {
        let url = |text: &str| Location::parse(text, responder()).unwrap().url();
        assert_eq!(
            url("http://192.168.1.1:5000/a/b.xml?x=1#y"),
            "http://192.168.1.1:5000/a/b.xml?x=1"
        );
        assert_eq!(url("HTTP://192.168.1.1"), "http://192.168.1.1:80/");
        assert_eq!(url("http://192.168.1.1:?q"), "http://192.168.1.1:80/?q");
        let zone: SocketAddr = SocketAddrV6::new("fe80::7".parse().unwrap(), 1900, 0, 3).into();
        let found = Location::parse("http://[FE80::7%25eth0]:49152/d.xml", zone).unwrap();
        assert_eq!(found.url(), "http://[fe80::7]:49152/d.xml");
        assert!(matches!(found.address, SocketAddr::V6(v6) if v6.scope_id() == 3));
    }

    #[test]
    fn every_other_url_is_refused() {
        use LocationRefused::{Malformed, Name, OtherHost, Port, Scheme, TooLong};
        let long = format!("http://192.168.1.1/{}", "a".repeat(500));
        let cases = [
            ("http://192.168.1.2/d.xml", OtherHost),
            ("http://203.0.113.9/d.xml", OtherHost),
            ("http://127.0.0.1:8080/", OtherHost),
            ("http://[::1]/", OtherHost),
            ("http://[::ffff:192.168.1.1]/", OtherHost),
            ("http://router.lan/", Name),
            ("http://192.168.1.1.example.net/", Name),
            ("http://3232235777/", Name),
            ("http://0300.0250.1.1/", Name),
            ("http://192.168.257/", Name),
            ("http:///d.xml", Name),
            ("http://[fe80::1/", Malformed),
            ("http://192.168.1.1@203.0.113.9/", Malformed),
            ("http://203.0.113.9\\@192.168.1.1/", Name.min(OtherHost)),
            ("http://192.168.1.1\\d.xml", Malformed),
            ("http://192.168.1.1/d.xml HTTP/1.1", Malformed),
            ("http://192.168.1.1/\r\nX: y", Malformed),
            ("http://192.168.1.1/\u{e4}", Malformed),
            ("https://192.168.1.1/", Scheme),
            ("file:///etc/passwd", Scheme),
            ("//192.168.1.1/", Scheme),
            ("", Scheme),
            ("http://192.168.1.1:0/", Port),
            ("http://192.168.1.1:65536/", Port),
            ("http://192.168.1.1:+80/", Port),
            ("http://192.168.1.1:80:80/", Port),
            (long.as_str(), TooLong),
        ];
        for (url, reason) in cases {
            if url.contains("\\@") {
                assert!(Location::parse(url, responder()).is_err(), "{url}");
            } else {
                assert_eq!(refusal(url), reason, "{url}");
            }
        }
    }

    #[test]
    fn references_stay_at_their_host() {
        let base =
            Location::parse("http://192.168.1.1:5000/dir/root.xml?x=/y", responder()).unwrap();
        let join = |reference: &str| base.join(reference).map(|found| found.url());
        assert_eq!(
            join("/ctl/IPConn").unwrap(),
            "http://192.168.1.1:5000/ctl/IPConn"
        );
        assert_eq!(
            join("ctl?a:b").unwrap(),
            "http://192.168.1.1:5000/dir/ctl?a:b"
        );
        assert_eq!(
            join("http://192.168.1.1:49000/c").unwrap(),
            "http://192.168.1.1:49000/c"
        );
        for hostile in [
            "http://192.168.1.2/c",
            "//203.0.113.9/c",
            "javascript:x",
            "",
            "a b",
            "/\u{0}",
            "\\\\h",
        ] {
            assert!(base.join(hostile).is_err(), "{hostile}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leads_elsewhere(url in "(http://)?[0-9a-z.:@\\\\/?#%\\[\\]]{0,40}") {
            let base = Location::parse("http://192.168.1.1/x", responder()).unwrap();
            for found in [Location::parse(&url, responder()), base.join(&url)].into_iter().flatten() {
                prop_assert_eq!(found.address.ip(), responder().ip());
                prop_assert!(found.address.port() != 0);
                prop_assert!(found.path.starts_with('/') && found.path.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn what_is_written_is_read_again(port in 1..=u16::MAX, path in "/[a-zA-Z0-9/._?=&-]{0,60}") {
            let location = Location { address: SocketAddr::from(([192, 168, 1, 1], port)), path };
            prop_assert_eq!(Location::parse(&location.url(), responder()), Ok(location));
        }
    }
}
