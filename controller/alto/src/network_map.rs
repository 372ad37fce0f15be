//! Network maps (RFC 7285 §11.2.1) and longest-prefix matching.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Serialize;
use thiserror::Error;

use crate::address::leading_bits;
use crate::{Family, NameError, PidName, Prefix, PrefixError, Tag};

/// Why PIDs and prefixes make no network map.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkMapError {
    /// An address could be in either.
    #[error("prefix {prefix} is in both {first} and {second}")]
    Overlap {
        /// The prefix.
        prefix: Prefix,
        /// One PID that has it.
        first: PidName,
        /// The other.
        second: PidName,
    },
    /// Some addresses of a type that is present would be in no PID.
    #[error("no PID holds all of {}", .0.name())]
    Incomplete(Family),
    /// A name in a provisioned map.
    #[error("PID {0:?}: {1}")]
    Name(String, NameError),
    /// A prefix in a provisioned map.
    #[error("PID {0}: {1}")]
    Prefix(PidName, PrefixError),
    /// A prefix stands under another address type than its own, or the type is none that we know.
    #[error("PID {0}: address type {1:?} does not fit")]
    AddressType(PidName, String),
}

/// Groups of addresses: complete for every address type present, without overlaps.
#[derive(Clone, Debug)]
pub struct NetworkMap {
    pids: BTreeMap<PidName, BTreeMap<&'static str, BTreeSet<Prefix>>>,
    index: Index,
}

impl NetworkMap {
    /// A map of the given groups. PIDs may be without prefixes, prefixes may be nested.
    pub fn new(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
    ) -> Result<Self, NetworkMapError> {
        let map = Self::without_overlap(groups)?;
        for family in [Family::Ipv4, Family::Ipv6] {
            let present = map
                .pids
                .values()
                .any(|group| group.contains_key(family.name()));
            if present && map.owner(Prefix::everything(family)).is_none() {
                return Err(NetworkMapError::Incomplete(family));
            }
        }
        Ok(map)
    }

    /// A map of the given groups in which `rest` gets all addresses, of either type, that no other
    /// PID has.
    pub fn with_rest(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
        rest: &PidName,
    ) -> Result<Self, NetworkMapError> {
        let mut groups: Vec<_> = groups.into_iter().collect();
        let missing = [Family::Ipv4, Family::Ipv6]
            .map(Prefix::everything)
            .into_iter()
            .filter(|all| !groups.iter().any(|(_, prefixes)| prefixes.contains(all)))
            .collect();
        groups.push((rest.clone(), missing));
        Self::new(groups)
    }

    /// A map as it stands in a document: PID to address type to prefixes.
    pub fn parse(
        document: &BTreeMap<String, BTreeMap<String, Vec<String>>>,
    ) -> Result<Self, NetworkMapError> {
        let mut groups = Vec::new();
        for (name, group) in document {
            let pid =
                PidName::new(name).map_err(|error| NetworkMapError::Name(name.clone(), error))?;
            let mut prefixes = Vec::new();
            for (kind, texts) in group {
                for text in texts {
                    let prefix: Prefix = text
                        .parse()
                        .map_err(|error| NetworkMapError::Prefix(pid.clone(), error))?;
                    if prefix.family().name() != kind {
                        return Err(NetworkMapError::AddressType(pid, kind.clone()));
                    }
                    prefixes.push(prefix);
                }
            }
            groups.push((pid, prefixes));
        }
        Self::new(groups)
    }

    fn without_overlap(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
    ) -> Result<Self, NetworkMapError> {
        let mut map = Self {
            pids: BTreeMap::new(),
            index: Index::default(),
        };
        for (pid, prefixes) in groups {
            for prefix in &prefixes {
                if let Some(owner) = map.index.put(*prefix, &pid)
                    && owner != pid
                {
                    return Err(NetworkMapError::Overlap {
                        prefix: *prefix,
                        first: owner,
                        second: pid,
                    });
                }
            }
            let group = map.pids.entry(pid).or_default();
            for prefix in prefixes {
                group
                    .entry(prefix.family().name())
                    .or_default()
                    .insert(prefix);
            }
        }
        Ok(map)
    }

    /// Whether the PID is a name of this map.
    pub fn contains(&self, pid: &PidName) -> bool {
        self.pids.contains_key(pid)
    }

    /// All PIDs in the order of their names.
    pub fn pids(&self) -> impl Iterator<Item = &PidName> {
        self.pids.keys()
    }

    /// The PID of an address: that of the longest prefix that holds it (RFC 7285 §11.2.2). `None` only
    /// if the map says nothing of the address's type.
    pub fn pid_of(&self, address: IpAddr) -> Option<&PidName> {
        self.index.longest(address)
    }

    fn owner(&self, prefix: Prefix) -> Option<&PidName> {
        self.index.exact(prefix)
    }

    /// The tag of the content.
    pub fn tag(&self) -> Tag {
        Tag::of(&crate::publication::canonical(self))
    }
}

impl Serialize for NetworkMap {
    /// The data member `network-map`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pids.serialize(serializer)
    }
}

/// One table for each length of prefix, the longest first, per family: a look-up is at most as many
/// hash look-ups as there are lengths in use.
#[derive(Clone, Debug, Default)]
struct Index {
    families: [Lengths; 2],
}

/// Tables by prefix length; `Reverse` puts the longest first.
type Lengths = BTreeMap<std::cmp::Reverse<u8>, HashMap<u128, PidName>>;

impl Index {
    fn lengths(&self, family: Family) -> &Lengths {
        match family {
            Family::Ipv4 => &self.families[0],
            Family::Ipv6 => &self.families[1],
        }
    }

    /// Enters a prefix unless somebody has it; says who had it.
    fn put(&mut self, prefix: Prefix, pid: &PidName) -> Option<PidName> {
        let lengths = match prefix.family() {
            Family::Ipv4 => &mut self.families[0],
            Family::Ipv6 => &mut self.families[1],
        };
        let table = lengths
            .entry(std::cmp::Reverse(prefix.length()))
            .or_default();
        if let Some(owner) = table.get(&prefix.leading_bits()) {
            return Some(owner.clone());
        }
        table.insert(prefix.leading_bits(), pid.clone());
        None
    }

    fn exact(&self, prefix: Prefix) -> Option<&PidName> {
        self.lengths(prefix.family())
            .get(&std::cmp::Reverse(prefix.length()))?
            .get(&prefix.leading_bits())
    }

    fn longest(&self, address: IpAddr) -> Option<&PidName> {
        self.lengths(Family::of(address))
            .iter()
            .find_map(|(length, table)| table.get(&leading_bits(address, length.0)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn pid(name: &str) -> PidName {
        PidName::new(name).unwrap()
    }

    fn prefixes(texts: &[&str]) -> Vec<Prefix> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn a_prefix_twice_in_one_pid_is_there_once() {
        let map = NetworkMap::new([(
            pid("a"),
            prefixes(&["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8"]),
        )])
        .unwrap();
        assert_eq!(
            serde_json::to_string(&map).unwrap(),
            r#"{"a":{"ipv4":["0.0.0.0/0","10.0.0.0/8"]}}"#
        );
    }

    #[test]
    fn the_order_of_provisioning_does_not_matter() {
        let groups = [
            (pid("a"), prefixes(&["10.0.0.0/8", "0.0.0.0/0"])),
            (pid("b"), prefixes(&["9.0.0.0/8"])),
        ];
        let mut turned = groups.clone();
        turned.reverse();
        assert_eq!(
            NetworkMap::new(groups).unwrap().tag(),
            NetworkMap::new(turned).unwrap().tag()
        );
    }

    #[test]
    fn a_map_of_one_type_knows_nothing_of_the_other() {
        let map = NetworkMap::new([(pid("a"), prefixes(&["0.0.0.0/0"]))]).unwrap();
        assert_eq!(map.pid_of("2001:db8::1".parse().unwrap()), None);
        assert_eq!(map.pid_of("0.0.0.0".parse().unwrap()), Some(&pid("a")));
    }

    #[test]
    fn the_types_do_not_share_a_tree() {
        let map = NetworkMap::with_rest([(pid("a"), prefixes(&["10.0.0.0/8"]))], &PidName::total())
            .unwrap();
        assert_eq!(
            map.pid_of("a00::1".parse().unwrap()),
            Some(&PidName::total())
        );
        assert_eq!(
            map.pid_of("::10.0.0.1".parse().unwrap()),
            Some(&PidName::total())
        );
    }

    proptest! {
        #[test]
        fn the_longest_prefix_wins(
            entries in prop::collection::btree_map((0_u32..64, 0_u8..=6), 0_u8..5, 0..40), probe in 0_u32..64,
        ) {
            // Addresses in 0.0.0.0/26 are enough to hit every nesting.
            let groups = entries.iter().map(|((address, cut), owner)| {
                let base = address >> cut << cut;
                (pid(&format!("p{owner}-{base}-{cut}")), vec![Prefix::new(Ipv4Addr::from(base).into(), 32 - cut).unwrap()])
            });
            let unique: BTreeMap<_, _> = groups.map(|(p, prefix)| (prefix[0], p)).collect();
            let map = NetworkMap::with_rest(unique.iter().map(|(prefix, p)| (p.clone(), vec![*prefix])), &PidName::total()).unwrap();
            let brute = unique
                .iter()
                .filter(|(prefix, _)| prefix.leading_bits() == leading_bits(Ipv4Addr::from(probe).into(), prefix.length()))
                .max_by_key(|(prefix, _)| prefix.length())
                .map_or_else(PidName::total, |(_, p)| p.clone());
            prop_assert_eq!(map.pid_of(Ipv4Addr::from(probe).into()), Some(&brute));
        }
    }
}
