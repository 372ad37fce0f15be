//! Entities and their properties (RFC 9240 §5).

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{Endpoint, Family, NameError, PidName, Prefix, ResourceId};

/// Longest type of a property.
const LONGEST_TYPE: usize = 32;
/// What the types of private properties begin with.
const PRIVATE: &str = "priv:";
/// The type of domains of PIDs, and of the property that names a PID.
const PID: &str = "pid";

/// Why a text is no name of a property.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertyNameError {
    /// There is no dot between the resource, which may be missing, and the type.
    #[error("property name {0:?} has no dot before its type")]
    Dot(String),
    /// What stands before the dot is no resource id.
    #[error("resource of property name {0:?}: {1}")]
    Resource(String, NameError),
    /// The type is empty, longer than 32 characters, has others than ASCII letters, digits, `-`, `:` and `_`, or is
    /// `priv:` without more.
    #[error("type of property name {0:?} must be 1 to 32 letters, digits, `-`, `:` or `_`")]
    Type(String),
}

/// The name of a property (RFC 9240 §5.2.3): `nm.pid`, which the network map `nm` defines, or `.priv:glimpse-subs`, which
/// the property map does itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyName {
    text: String,
    dot: usize,
}

impl PropertyName {
    /// Takes a text that has the syntax of such a name.
    pub fn new(text: &str) -> Result<Self, PropertyNameError> {
        let (resource, kind) = text
            .split_once('.')
            .ok_or_else(|| PropertyNameError::Dot(text.to_owned()))?;
        if !resource.is_empty() {
            ResourceId::new(resource)
                .map_err(|error| PropertyNameError::Resource(text.to_owned(), error))?;
        }
        let clean = kind
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'_'));
        if !clean || !(1..=LONGEST_TYPE).contains(&kind.len()) || kind == PRIVATE {
            return Err(PropertyNameError::Type(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            dot: resource.len(),
        })
    }

    /// The property that names the PID of an address in a network map (RFC 9240 §8.7).
    pub fn pid_of(map: &ResourceId) -> Self {
        Self {
            text: format!("{map}.{PID}"),
            dot: map.as_str().len(),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Id of the resource that defines it; `None` if the property map does.
    pub fn resource(&self) -> Option<&str> {
        Some(&self.text[..self.dot]).filter(|resource| !resource.is_empty())
    }
}

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for PropertyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A set of entities of one kind (RFC 9240 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityDomain {
    /// `ipv4` or `ipv6`: addresses and prefixes. An address and the prefix of its full length are one entity; what is not
    /// said of it is inherited from the longest prefix that holds it and of which it is said.
    Addresses(Family),
    /// `nm.pid`: the PIDs of a network map. Nothing is inherited.
    Pids(ResourceId),
}

/// An entity of one of the domains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entity {
    /// An address or a prefix.
    Prefix(Prefix),
    /// A PID, which the network map need not have.
    Pid(PidName),
}

impl EntityDomain {
    /// Whether a text names an entity of this domain, rightly or not.
    pub(crate) fn is_named(&self, text: &str) -> bool {
        self.identifier(text).is_some()
    }

    /// The entity of this domain that a text names.
    pub(crate) fn entity(&self, text: &str) -> Option<Entity> {
        let identifier = self.identifier(text)?;
        match self {
            Self::Pids(_) => PidName::new(identifier).ok().map(Entity::Pid),
            Self::Addresses(family) if identifier.contains('/') => identifier
                .parse()
                .ok()
                .filter(|prefix: &Prefix| prefix.family() == *family)
                .map(Entity::Prefix),
            Self::Addresses(_) => text
                .parse()
                .ok()
                .map(|endpoint: Endpoint| Entity::Prefix(Prefix::host(endpoint.address()))),
        }
    }

    /// What follows the domain and its colon.
    fn identifier<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = match self {
            Self::Addresses(family) => text.strip_prefix(family.name())?,
            Self::Pids(map) => text
                .strip_prefix(map.as_str())?
                .strip_prefix('.')?
                .strip_prefix(PID)?,
        };
        rest.strip_prefix(':')
    }

    /// Id of the network map that defines it.
    pub fn resource(&self) -> Option<&str> {
        match self {
            Self::Addresses(_) => None,
            Self::Pids(map) => Some(map.as_str()),
        }
    }
}

impl fmt::Display for EntityDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(family) => f.write_str(family.name()),
            Self::Pids(map) => write!(f, "{map}.{PID}"),
        }
    }
}

impl Serialize for EntityDomain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A prefix as the identifier of an entity: one of full length is written as an address.
pub(crate) struct Identifier(pub(crate) Prefix);

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(prefix) = self;
        let text = prefix.to_string();
        let shown = match text.split_once('/') {
            Some((address, "32")) if prefix.family() == Family::Ipv4 => address,
            Some((address, "128")) => address,
            _ => &text,
        };
        write!(f, "{}:{shown}", prefix.family().name())
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn nm() -> EntityDomain {
        EntityDomain::Pids(ResourceId::new("nm").unwrap())
    }

    #[test]
    fn names_of_properties_have_a_resource_or_none_and_a_type() {
        let name = PropertyName::new("nm.pid").unwrap();
        assert_eq!((name.as_str(), name.resource()), ("nm.pid", Some("nm")));
        assert_eq!(name, PropertyName::pid_of(&ResourceId::new("nm").unwrap()));
        assert_eq!(
            PropertyName::new(".priv:glimpse-subs").unwrap().resource(),
            None
        );
        assert!(matches!(
            PropertyName::new("pid"),
            Err(PropertyNameError::Dot(_))
        ));
        assert!(matches!(
            PropertyName::new("n/m.pid"),
            Err(PropertyNameError::Resource(..))
        ));
        let long = format!(".{}", "x".repeat(33));
        for bad in ["nm.", ".", ".a.b", ".priv:", ".a b", long.as_str()] {
            assert!(
                matches!(PropertyName::new(bad), Err(PropertyNameError::Type(_))),
                "{bad}"
            );
        }
        assert!(PropertyName::new(&long[..33]).is_ok());
    }

    #[test]
    fn a_pid_may_have_colons_and_an_address_may_be_a_prefix() {
        let pid = |name: &str| Some(Entity::Pid(PidName::new(name).unwrap()));
        assert_eq!(nm().entity("nm.pid:as3320:de-by"), pid("as3320:de-by"));
        for (text, is_named) in [
            ("nm.pid:", true),
            ("nm.pid:a.b", true),
            ("nm2.pid:a", false),
            ("nm:a", false),
        ] {
            assert_eq!(nm().is_named(text), is_named, "{text}");
            assert_eq!(nm().entity(text), None, "{text}");
        }
        let v4 = EntityDomain::Addresses(Family::Ipv4);
        let prefix = |text: &str| Some(Entity::Prefix(text.parse().unwrap()));
        assert_eq!(v4.entity("ipv4:192.0.2.0/24"), prefix("192.0.2.0/24"));
        assert_eq!(v4.entity("ipv4:192.0.2.1"), prefix("192.0.2.1/32"));
        assert_eq!(v4.entity("ipv6:2001:db8::1"), None);
        for bad in [
            "ipv4:192.0.2.1/24",
            "ipv4:2001:db8::/32",
            "ipv4:192.0.2.300",
            "ipv4:",
            "ipv4:192.0.2.0/33",
        ] {
            assert_eq!(v4.entity(bad), None, "{bad}");
        }
        let v6 = EntityDomain::Addresses(Family::Ipv6);
        assert_eq!(v6.entity("ipv6:2001:DB8:0::/32"), prefix("2001:db8::/32"));
    }

    #[test]
    fn a_prefix_of_full_length_is_written_as_an_address() {
        let written = |text: &str| Identifier(text.parse().unwrap()).to_string();
        assert_eq!(written("192.0.2.1/32"), "ipv4:192.0.2.1");
        assert_eq!(written("192.0.2.0/31"), "ipv4:192.0.2.0/31");
        assert_eq!(written("2001:db8::/128"), "ipv6:2001:db8::");
        assert_eq!(written("::/0"), "ipv6:::/0");
    }

    proptest! {
        #[test]
        fn any_text_is_an_entity_or_not(text in "(ipv4:|ipv6:|nm\\.pid:)?[0-9a-f:./]{0,40}", odd in "\\PC{0,40}") {
            for domain in [nm(), EntityDomain::Addresses(Family::Ipv4), EntityDomain::Addresses(Family::Ipv6)] {
                let _ = domain.entity(&odd);
                if let Some(Entity::Prefix(prefix)) = domain.entity(&text) {
                    prop_assert_eq!(domain.entity(&Identifier(prefix).to_string()), Some(Entity::Prefix(prefix)));
                }
            }
            let _ = PropertyName::new(&odd);
        }
    }
}
