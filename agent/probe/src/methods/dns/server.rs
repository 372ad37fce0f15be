//! Which servers are asked: one that was named, or those of the system.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Servers of the system that are asked at most, as the C library has it (resolv.conf(5), MAXNS).
pub const SERVER_LIMIT: usize = 3;
/// How much of the system's file is read, in bytes.
const FILE_LIMIT: u64 = 16_384;
/// Names that only a resolver of the home answers (RFC 6761, 6762, 8375 and the habits of routers).
const LOCAL_SUFFIXES: &[&str] = &[
    "local",
    "localhost",
    "localdomain",
    "lan",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "private",
    "corp",
    "test",
    "in-addr.arpa",
    "ip6.arpa",
    "fritz.box",
];

/// Why a text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// No address, or one with a scope.
    #[error(
        "must be an address, such as 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:853"
    )]
    Address,
    /// Port 0.
    #[error("must have a port from 1 to 65535")]
    Port,
}

/// Reads `IP` or `IP:port` (`[IP]:port` of IPv6); without a port, `port` is taken. Of a mapped address, the IPv4 one.
pub fn parse(text: &str, port: u16) -> Result<SocketAddr, ServerError> {
    let (address, port) = match text.parse::<IpAddr>() {
        Ok(address) => (address, port),
        Err(_) => match text.parse::<SocketAddr>() {
            Ok(SocketAddr::V6(v6)) if v6.scope_id() != 0 => return Err(ServerError::Address),
            Ok(server) => (server.ip(), server.port()),
            Err(_) => return Err(ServerError::Address),
        },
    };
    if port == 0 {
        return Err(ServerError::Port);
    }
    Ok(SocketAddr::new(address.to_canonical(), port))
}

/// What the system's file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemServers {
    /// Addresses of servers, in order, at most [`SERVER_LIMIT`].
    pub servers: Vec<IpAddr>,
    /// Domains of this network (`search`, `domain`), in lower case without the last dot.
    pub domains: Vec<String>,
}

impl SystemServers {
    /// Reads the text of a `resolv.conf`. What is not understood is passed over, addresses with a scope among them: the
    /// scope is a name only the kernel knows.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    if let Some(address) = address.filter(|_| found.servers.len() < SERVER_LIMIT) {
                        found.servers.push(address.to_canonical());
                    }
                }
                Some("search" | "domain") => {
                    let plain = |word: &str| word.trim_matches('.').to_ascii_lowercase();
                    found
                        .domains
                        .extend(words.map(plain).filter(|word| !word.is_empty()));
                }
                _ => {}
            }
        }
        found
    }

    /// Reads the file at `path`, as far as it is text and not absurdly long.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Whether `name` may be one that only this network knows: one label, a reserved or customary suffix, or beneath a
    /// domain of this network.
    pub fn is_local(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let beneath = |domain: &str| {
            name.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let single = !name.is_empty() && !name.contains('.');
        single
            || LOCAL_SUFFIXES.iter().any(|suffix| beneath(suffix))
            || self.domains.iter().any(|domain| beneath(domain))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn servers_are_addresses_with_or_without_a_port() {
        for (text, read) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:853", "[2001:db8::53]:853"),
            ("::ffff:10.0.0.1", "10.0.0.1:53"),
            ("[::ffff:10.0.0.1]:1", "10.0.0.1:1"),
        ] {
            assert_eq!(parse(text, 53), Ok(read.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.53:0", "[::1]:0"] {
            assert_eq!(parse(text, 53), Err(ServerError::Port), "{text}");
        }
        for text in [
            "",
            "-x",
            "dns.example",
            "192.0.2.53:",
            "192.0.2.53:65536",
            "[::1]",
            "fe80::1%eth0",
            "[fe80::1%2]:53",
        ] {
            assert_eq!(parse(text, 53), Err(ServerError::Address), "{text}");
        }
    }

    #[test]
    fn the_systems_file_is_read_as_far_as_it_is_understood() {
        let text = "# made by a daemon\nnameserver 192.0.2.1\n nameserver\t::1 \nnameserver fe80::1%br-lan\nnameserver\n\
                    options edns0\nsearch Example.NET. corp.example\nnameserver x\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let found = SystemServers::parse(text);
        let servers: Vec<IpAddr> = ["192.0.2.1", "::1", "192.0.2.2"]
            .map(|text| text.parse().unwrap())
            .into();
        assert_eq!(found.servers, servers);
        assert_eq!(found.domains, ["example.net", "corp.example"]);
        for name in [
            "nas",
            "nas.lan",
            "LAN.",
            "a.Example.net",
            "example.net.",
            "1.168.192.in-addr.arpa",
            "x.home.arpa",
        ] {
            assert!(found.is_local(name), "{name}");
        }
        for name in [
            ".",
            "example.org",
            "notexample.net",
            "lan.example",
            "wlan.org",
        ] {
            assert!(!found.is_local(name), "{name}");
        }
    }

    #[test]
    fn a_long_file_is_read_to_the_limit_and_a_missing_one_is_an_error() {
        let directory = std::env::temp_dir().join(format!("glimpse-resolv-{}", std::process::id()));
        let mut text = "#".repeat(16_384 - 24);
        text.push_str("\nnameserver 192.0.2.1\n\nnameserver 192.0.2.2\n");
        std::fs::write(&directory, text).unwrap();
        let found = SystemServers::read(&directory);
        std::fs::remove_file(&directory).unwrap();
        assert_eq!(found.unwrap().servers, [IpAddr::from([192, 0, 2, 1])]);
        assert!(SystemServers::read(&directory).is_err());
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(text in "\\PC{0,300}", name in "\\PC{0,40}") {
            let found = SystemServers::parse(&text);
            prop_assert!(found.servers.len() <= SERVER_LIMIT);
            found.is_local(&name);
        }
    }
}
