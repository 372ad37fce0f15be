//! Collectors that an agent knows. A task may name one of them and no other: whoever configures tasks is not to make an agent of
//! the household, let alone a fleet, call at third parties or at the household's own machines.

use glimpse_model::sorted::SortedMap;
use std::net::Ipv6Addr;

/// Host and port of an https address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Name or address in lower case, without brackets.
    pub host: String,
    /// Port; 443 where the address has none.
    pub port: u16,
}

impl Origin {
    /// The origin of `https://HOST[:PORT][/PATH]`. An address with a user, a query, a fragment or characters that no plain address
    /// has yields none, so that whatever reads the address later finds the same host.
    pub fn of(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#\\\"<>^`{|}".contains(&byte);
        if !rest.bytes().all(plain) {
            return None;
        }
        let authority = rest.split('/').next()?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port {
            "" => 443,
            port => {
                let digits = port.strip_prefix(':')?;
                let all = digits.bytes().all(|byte| byte.is_ascii_digit());
                digits.parse().ok().filter(|port| all && *port != 0)?
            }
        };
        (!host.is_empty()).then(|| Self {
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

/// The controller's own, and those that the household has given names to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collectors {
    own: Option<Origin>,
    named: SortedMap<String, String>,
}

impl Collectors {
    /// The controller at this address, and channels by their names, each with the https address of its root.
    pub fn new<'a>(
        controller: Option<&str>,
        channels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let named = channels.into_iter();
        Self {
            own: controller.and_then(Origin::of),
            named: named
                .map(|(name, url)| (name.to_owned(), url.to_owned()))
                .collect(),
        }
    }

    /// The address of the channel of this name.
    pub fn channel(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    /// Whether `url` is of the controller's origin or of a channel's.
    pub fn knows(&self, url: &str) -> bool {
        Origin::of(url).is_some_and(|origin| {
            let named = self.named.values().filter_map(|url| Origin::of(url));
            named.chain(self.own.clone()).any(|known| known == origin)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn known() -> Collectors {
        Collectors::new(
            Some("https://Controller.example:8440"),
            [
                ("lab", "https://192.0.2.9/restconf"),
                ("six", "https://[2001:db8::1]:8443/r"),
            ],
        )
    }

    #[test]
    fn the_controller_and_the_channels_are_known_whatever_the_path() {
        let known = known();
        for url in [
            "https://controller.example:8440",
            "https://CONTROLLER.example:8440/restconf",
            "https://192.0.2.9",
            "https://192.0.2.9:443/other",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(known.knows(url), "{url}");
        }
        assert_eq!(known.channel("lab"), Some("https://192.0.2.9/restconf"));
        assert_eq!(known.channel("Lab"), None);
    }

    #[test]
    fn nobody_else_is() {
        let known = known();
        for url in [
            "http://controller.example:8440",
            "https://controller.example",
            "https://controller.example:8441",
            "https://controller.example.net:8440",
            "https://victim.example@controller.example:8440",
            "https://controller.example:8440@victim.example",
            "https://controller.example:8440\\@victim.example/",
            "https://victim.example\\.controller.example:8440",
            "https://controller.example:8440?x",
            "https://controller.example:8440#x",
            "https://controller.example:8440\u{3002}victim",
            "https://controller.example:+8440",
            "https://controller.example:08440000000000",
            "https://controller.example:0",
            "https://[2001:db8::1]",
            "https://[2001:db8::1]x:8443",
            "https://2001:db8::1:8443",
            "https://192.0.2.9:22",
            "https://127.0.0.1",
            "https://",
            "https://:8440",
            "",
        ] {
            assert!(!known.knows(url), "{url}");
        }
        assert!(!Collectors::default().knows("https://controller.example:8440"));
    }
}
