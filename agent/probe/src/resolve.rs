//! From what an instruction calls a host to the address that is measured.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use crate::context::Context;

/// How long a look-up may take.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// Longest host name (RFC 1035 §2.3.4), in bytes.
pub const HOST_LIMIT: usize = 253;
/// Longest label of a host name, in bytes.
const LABEL_LIMIT: usize = 63;

/// A look-up under way.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// How names become addresses.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`, in the resolver's order.
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// The resolver of the system, hosts file included.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name, 0))
                .await?
                .map(|address| address.ip())
                .collect())
        })
    }
}

/// Which version of the Internet Protocol is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyChoice {
    /// Whatever the resolver puts first.
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl FamilyChoice {
    const fn fits(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Ipv4 => "ipv4 ",
            Self::Ipv6 => "ipv6 ",
        }
    }
}

/// A host as an instruction may name it: an address, or a name that cannot be taken for anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A host name (RFC 1123 §2.1, with the underscores that occur).
    Name(String),
}

/// Why a text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing was given.
    #[error("must name a host")]
    Empty,
    /// It could be taken for an option of a program.
    #[error("must not begin with a hyphen")]
    Hyphen,
    /// More than 253 bytes, or a label of more than 63 or none.
    #[error("is no host name: names have up to 253 characters, their parts 1 to 63")]
    Length,
    /// A character that no host name has.
    #[error(
        "is no host name: letters, digits, hyphens and dots only (internationalised names in their xn-- form)"
    )]
    Character,
}

impl Host {
    /// Reads the `host` option.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.starts_with('-') {
            return Err(HostError::Hyphen);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            return Err(HostError::Character);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > HOST_LIMIT
            || name
                .split('.')
                .any(|label| label.is_empty() || label.len() > LABEL_LIMIT)
        {
            return Err(HostError::Length);
        }
        Ok(Self::Name(text.to_owned()))
    }

    /// The address to measure: the resolver's first of the wanted family, if the context admits it.
    ///
    /// # Errors
    /// Why there is none, for the record.
    pub async fn locate(&self, family: FamilyChoice, context: &Context) -> Result<IpAddr, String> {
        let address = match self {
            Self::Address(address) if family.fits(*address) => *address,
            Self::Address(address) => {
                return Err(format!("{address} is no {}address", family.words()));
            }
            Self::Name(name) => {
                let found =
                    match tokio::time::timeout(RESOLVE_LIMIT, context.resolver.resolve(name)).await
                    {
                        Err(_) => {
                            return Err(format!(
                                "{name} could not be resolved within {} s",
                                RESOLVE_LIMIT.as_secs()
                            ));
                        }
                        Ok(Err(error)) => {
                            return Err(format!("{name} could not be resolved: {error}"));
                        }
                        Ok(Ok(found)) => found,
                    };
                let first = found.into_iter().find(|address| family.fits(*address));
                first.ok_or_else(|| format!("{name} has no {}address", family.words()))?
            }
        };
        // What is connected to is what is judged: the mapped form of an IPv4 address is that address.
        let address = address.to_canonical();
        (context.admit)(address).map_err(|reason| format!("{address}: {reason}"))?;
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    struct Table(Vec<IpAddr>);

    impl Resolve for Table {
        fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    struct Silent;

    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
            Box::pin(std::future::pending())
        }
    }

    fn context(resolver: impl Resolve + 'static) -> Context {
        Context {
            resolver: Arc::new(resolver),
            ..Context::unlimited(Duration::from_mins(1), 1)
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_and_nothing_else() {
        for (text, error) in [
            ("", HostError::Empty),
            ("-f", HostError::Hyphen),
            ("-", HostError::Hyphen),
            ("a b", HostError::Character),
            ("a;reboot", HostError::Character),
            ("münchen.example", HostError::Character),
            ("fe80::1%eth0", HostError::Character),
            ("a..b", HostError::Length),
            (".", HostError::Length),
            (&"a".repeat(64), HostError::Length),
            (&"abc.".repeat(75), HostError::Length),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(
            Host::parse("192.0.2.1"),
            Ok(Host::Address([192, 0, 2, 1].into()))
        );
        assert_eq!(
            Host::parse("::1"),
            Ok(Host::Address("::1".parse().unwrap()))
        );
        for name in [
            "example.net",
            "example.net.",
            "_sip.example",
            "a-1",
            "xn--mnchen-3ya.example",
        ] {
            assert_eq!(Host::parse(name), Ok(Host::Name(name.to_owned())));
        }
    }

    #[tokio::test]
    async fn the_first_address_of_the_family_is_taken() {
        let (v6, v4): (IpAddr, IpAddr) =
            ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let context = context(Table(vec![v6, v4]));
        let host = Host::parse("host.example").unwrap();
        assert_eq!(host.locate(FamilyChoice::Any, &context).await, Ok(v6));
        assert_eq!(host.locate(FamilyChoice::Ipv4, &context).await, Ok(v4));
        let literal = Host::Address(v4);
        assert_eq!(
            literal.locate(FamilyChoice::Ipv6, &context).await,
            Err("192.0.2.1 is no ipv6 address".to_owned())
        );
        let empty = self::context(Table(vec![v4]));
        assert_eq!(
            host.locate(FamilyChoice::Ipv6, &empty).await,
            Err("host.example has no ipv6 address".to_owned())
        );
    }

    #[tokio::test]
    async fn what_was_resolved_is_judged_in_its_plain_form() {
        let mut context = context(Table(vec!["::ffff:192.168.1.1".parse().unwrap()]));
        context.admit = Arc::new(|address| Err(format!("not {address}")));
        let host = Host::parse("router.example").unwrap();
        assert_eq!(
            host.locate(FamilyChoice::Any, &context).await,
            Err("192.168.1.1: not 192.168.1.1".to_owned())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_resolver_is_given_up() {
        let host = Host::parse("host.example").unwrap();
        let error = host
            .locate(FamilyChoice::Any, &context(Silent))
            .await
            .unwrap_err();
        assert_eq!(error, "host.example could not be resolved within 10 s");
    }

    proptest! {
        #[test]
        fn no_accepted_host_begins_with_a_hyphen_or_holds_a_blank(text in ".{0,80}") {
            if Host::parse(&text).is_ok() {
                prop_assert!(!text.starts_with('-'));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
