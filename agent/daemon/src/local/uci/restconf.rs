//! `config restconf`: whether and how controllers reach this agent by RESTCONF.

use super::Error;
use super::value::Reader;
use std::net::IpAddr;

/// Port of RESTCONF call home (RFC 8071 §7, `restconf-ch-tls`).
pub const CALL_HOME_PORT: u16 = 4336;
/// Most entries of each list.
const MOST: usize = 16;

/// The LMAP door. The names are those of `ietf-restconf-server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restconf {
    /// `enabled`: the door is open at all (off); consent is needed beside it.
    pub enabled: bool,
    /// `listen`: local addresses at which connections are accepted; none by default.
    pub listen: Vec<IpAddr>,
    /// `port`: at which port, 1 to 65 535 (8443).
    pub port: u16,
    /// `call_home`: `HOST[:PORT]` of the endpoints of the controller that is called.
    pub call_home: Vec<Remote>,
    /// `connection_type`: `persistent` or `periodic` (`persistent`).
    pub connection: Connection,
    /// `idle_timeout`: seconds without a request after which a connection is given up, 10 to 86 400 (180).
    pub idle_timeout_s: u32,
    /// `start_with`: the endpoint that is tried first (`first-listed`).
    pub start_with: StartWith,
    /// `max_wait`: seconds to wait for a connection, 1 to 60 (5).
    pub max_wait_s: u16,
    /// `max_attempts`: how often an endpoint is tried before the next, 1 to 10 (3).
    pub max_attempts: u16,
    /// `client`: `NAME [GROUP] FINGERPRINT` of others who may read.
    pub clients: Vec<Client>,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// `remote-address`: name or address.
    pub address: String,
    /// `remote-port`.
    pub port: u16,
}

/// `connection-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Always.
    Persistent,
    /// Once in a while, until nothing was asked for `idle_timeout`.
    Periodic {
        /// `period`: minutes from one to the next, 1 to 65 535 (60).
        minutes: u16,
    },
}

/// `start-with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartWith {
    /// In the order of the list.
    FirstListed,
    /// With the one that was connected last.
    LastConnected,
    /// With any.
    RandomSelection,
}

/// Somebody who is known by the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user's name.
    pub name: String,
    /// A group of access control.
    pub group: Option<String>,
    /// SHA-256 of the certificate in DER form.
    pub fingerprint: [u8; 32],
}

impl Default for Restconf {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            port: 8443,
            call_home: Vec::new(),
            connection: Connection::Persistent,
            idle_timeout_s: 180,
            start_with: StartWith::FirstListed,
            max_wait_s: 5,
            max_attempts: 3,
            clients: Vec::new(),
        }
    }
}

impl Restconf {
    /// Reads the section.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let default = Self::default();
        let number = |name, unit, most: u16, default: u16| -> Result<u16, Error> {
            let value = reader.number(name, unit, 1..=u64::from(most), default.into())?;
            Ok(u16::try_from(value).unwrap_or(default))
        };
        // The package's script opens the firewall.
        reader.flag("firewall", false)?;
        let minutes = number("period", "minutes", u16::MAX, 60)?;
        let connection =
            reader.parsed(
                "connection_type",
                "persistent or periodic",
                |text| match text {
                    "persistent" => Some(Connection::Persistent),
                    "periodic" => Some(Connection::Periodic { minutes }),
                    _ => None,
                },
            )?;
        let start_with = reader.parsed(
            "start_with",
            "first-listed, last-connected or random-selection",
            |text| match text {
                "first-listed" => Some(StartWith::FirstListed),
                "last-connected" => Some(StartWith::LastConnected),
                "random-selection" => Some(StartWith::RandomSelection),
                _ => None,
            },
        )?;
        let idle = reader.number(
            "idle_timeout",
            "seconds",
            10..=86_400,
            default.idle_timeout_s.into(),
        )?;
        let mut read = Self {
            enabled: reader.flag("enabled", default.enabled)?,
            listen: reader.list("listen", "an address of this machine", |text| {
                text.parse().ok()
            })?,
            port: number("port", "(a port)", u16::MAX, default.port)?,
            call_home: reader.list("call_home", "HOST or HOST:PORT", remote)?,
            connection: connection.unwrap_or(default.connection),
            idle_timeout_s: u32::try_from(idle).unwrap_or(default.idle_timeout_s),
            start_with: start_with.unwrap_or(default.start_with),
            max_wait_s: number("max_wait", "seconds", 60, default.max_wait_s)?,
            max_attempts: number("max_attempts", "attempts", 10, default.max_attempts)?,
            clients: reader.list(
                "client",
                "NAME [GROUP] FINGERPRINT, the SHA-256 of a certificate",
                client,
            )?,
        };
        read.listen.truncate(MOST);
        read.call_home.truncate(MOST);
        read.clients.truncate(MOST);
        Ok(read)
    }
}

/// `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1` or `[2001:db8::1]:port`.
fn remote(text: &str) -> Option<Remote> {
    let (address, port) = if text.parse::<IpAddr>().is_ok() {
        (text, None)
    } else if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        match port {
            "" => (address, None),
            port => (address, Some(port.strip_prefix(':')?)),
        }
    } else {
        match text.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (text, None),
        }
    };
    if address.parse::<IpAddr>().is_err() && !super::host::is_host_name(address) {
        return None;
    }
    let port = match port {
        None => CALL_HOME_PORT,
        Some(digits) => {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.parse().ok().filter(|port| *port != 0);
            port.filter(|_| plain)?
        }
    };
    Some(Remote {
        address: address.to_ascii_lowercase(),
        port,
    })
}

fn client(text: &str) -> Option<Client> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (name, group, digest) = match words[..] {
        [name, digest] => (name, None, digest),
        [name, group, digest] => (name, Some(group.to_owned()), digest),
        _ => return None,
    };
    Some(Client {
        name: name.to_owned(),
        group,
        fingerprint: sha256(digest)?,
    })
}

/// A SHA-256 in hexadecimal digits, with colons or without.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let digest: String = text.chars().filter(|c| *c != ':').collect();
    // In the notation of RFC 7407 a number of the algorithm stands before it: 4 is SHA-256.
    let digest = match digest.len() {
        66 => digest.strip_prefix("04")?.to_owned(),
        _ => digest,
    };
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut fingerprint = [0; 32];
    for (byte, at) in fingerprint.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digest.get(at..at + 2)?, 16).ok()?;
    }
    Some(fingerprint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::settings::parse;
    use super::*;

    fn read(options: &str) -> Result<Restconf, String> {
        match parse(format!("config restconf\n{options}").as_bytes()) {
            Ok((settings, warnings)) => {
                assert_eq!(warnings, []);
                Ok(settings.restconf)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_door_is_shut_unless_the_household_opens_it() {
        assert_eq!(parse(b"").unwrap().0.restconf, Restconf::default());
        assert!(!Restconf::default().enabled && Restconf::default().listen.is_empty());
        let digest = "ab".repeat(32);
        let text = format!(
            "option enabled 1\nlist listen 192.168.1.1\nlist listen ::1\noption port 443\n\
             list call_home Controller.Example\nlist call_home '[2001:db8::1]:4000'\nlist call_home 192.0.2.1:5\n\
             option connection_type periodic\noption period 10\noption idle_timeout 60\noption start_with last-connected\n\
             option max_wait 9\noption max_attempts 2\nlist client 'olga {digest}'\nlist client 'otto operator 04:{digest}'\n"
        );
        let settings = read(&text).unwrap();
        assert!(settings.enabled);
        assert_eq!(settings.listen.len(), 2);
        let remotes: Vec<String> = settings
            .call_home
            .iter()
            .map(|remote| format!("{} {}", remote.address, remote.port))
            .collect();
        assert_eq!(
            remotes,
            ["controller.example 4336", "2001:db8::1 4000", "192.0.2.1 5"]
        );
        assert_eq!(settings.connection, Connection::Periodic { minutes: 10 });
        assert_eq!(settings.start_with, StartWith::LastConnected);
        assert_eq!(settings.clients[0].fingerprint, [0xab; 32]);
        assert_eq!(settings.clients[0].group, None);
        assert_eq!(settings.clients[1].group.as_deref(), Some("operator"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for option in [
            "list listen everywhere",
            "list call_home 'a b:1'",
            "list call_home host:0",
            "list call_home host:+1",
            "list call_home '[::1'",
            "option connection_type sometimes",
            "option start_with last",
            "option max_attempts 0",
            "list client 'olga 01:23'",
        ] {
            let refused = read(&format!("{option}\n")).unwrap_err();
            assert!(refused.starts_with("restconf."), "{option}: {refused}");
        }
    }
}
