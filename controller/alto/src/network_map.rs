//! Network maps (RFC 7285 §11.2.1) and longest-prefix matching.

mod simplify;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::SerializeMap;
use thiserror::Error;

use crate::lookup::Lookup;
use crate::publication::begin_member;
use crate::{Family, NameError, PidName, Prefix, PrefixError, Tag};

/// Bytes of a prefix in a document, about.
const WRITTEN: usize = 20;

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
///
/// Prefixes that say nothing are left out: one inside the next shorter prefix if that is of the same PID, and two halves of
/// one PID in favour of the whole, unless that is another PID's (RFC 7971 §3.7).
#[derive(Clone, Debug)]
pub struct NetworkMap {
    /// In order.
    pids: Box<[PidName]>,
    /// In order, with indices of PIDs.
    prefixes: Box<[(Prefix, u32)]>,
    /// For each prefix the index of the longest one around it, or its own.
    outer: Box<[u32]>,
    /// Indices of prefixes, grouped by PID.
    grouped: Box<[u32]>,
    /// For each PID where its group begins, and the number of prefixes.
    groups: Box<[u32]>,
    lookup: Lookup,
    tag: Tag,
}

impl NetworkMap {
    /// A map of the given groups. PIDs may be without prefixes, prefixes may be nested.
    ///
    /// # Errors
    /// [`NetworkMapError::Overlap`], [`NetworkMapError::Incomplete`].
    pub fn new(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
    ) -> Result<Self, NetworkMapError> {
        let (pids, prefixes) = said(groups)?;
        Ok(Self::indexed(pids, prefixes))
    }

    /// A map of the given groups in which `rest` gets all addresses, of either type, that no other
    /// PID has.
    ///
    /// # Errors
    /// [`NetworkMapError::Overlap`].
    pub fn with_rest(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
        rest: &PidName,
    ) -> Result<Self, NetworkMapError> {
        Self::new(completed(groups, rest))
    }

    /// The same, or the map `before` if it would come out equal.
    ///
    /// # Errors
    /// [`NetworkMapError::Overlap`].
    pub fn with_rest_after(
        groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
        rest: &PidName,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, NetworkMapError> {
        let (pids, prefixes) = said(completed(groups, rest))?;
        let same = before.filter(|before| *before.pids == *pids && *before.prefixes == *prefixes);
        Ok(match same {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self::indexed(pids, prefixes)),
        })
    }

    /// A map as it stands in a document: PID to address type to prefixes.
    ///
    /// # Errors
    /// [`NetworkMapError`].
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

    fn indexed(pids: Vec<PidName>, prefixes: Vec<(Prefix, u32)>) -> Self {
        let mut grouped: Vec<u32> = (0..).take(prefixes.len()).collect();
        let owner = |index: &u32| prefixes[*index as usize].1;
        grouped.sort_by_key(owner);
        let groups = (0..)
            .take(pids.len() + 1)
            .map(|pid| short(grouped.partition_point(|index| owner(index) < pid)))
            .collect();
        let mut map = Self {
            lookup: Lookup::new(&prefixes),
            outer: outer(&prefixes),
            groups,
            grouped: grouped.into(),
            pids: pids.into(),
            prefixes: prefixes.into(),
            tag: Tag::of(&[]),
        };
        let mut data = Vec::with_capacity(map.prefixes.len() * WRITTEN);
        map.write(&mut data);
        map.tag = Tag::of(&data);
        map
    }

    /// Appends the data member `network-map`: what it serialises to, in a fraction of the time. In names JSON escapes nothing.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (nth, (pid, group)) in self.groups().enumerate() {
            begin_member(out, nth, pid.as_str());
            group.write(out);
        }
        out.push(b'}');
    }

    /// Whether the PID is a name of this map.
    pub fn contains(&self, pid: &PidName) -> bool {
        self.pids.binary_search(pid).is_ok()
    }

    /// The PID of that name.
    pub(crate) fn pid(&self, name: &str) -> Option<&PidName> {
        let at = self.pids.binary_search_by(|pid| pid.as_str().cmp(name));
        Some(&self.pids[at.ok()?])
    }

    /// All PIDs in the order of their names.
    pub fn pids(&self) -> impl Iterator<Item = &PidName> {
        self.pids.iter()
    }

    /// The prefixes of a PID; `None` if it is no name of this map.
    pub fn group(&self, pid: &PidName) -> Option<Group<'_>> {
        Some(self.group_at(self.pids.binary_search(pid).ok()?))
    }

    /// All PIDs with their prefixes, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&PidName, Group<'_>)> {
        self.pids
            .iter()
            .enumerate()
            .map(|(index, pid)| (pid, self.group_at(index)))
    }

    fn group_at(&self, pid: usize) -> Group<'_> {
        let (from, to) = (self.groups[pid] as usize, self.groups[pid + 1] as usize);
        Group {
            map: self,
            indices: &self.grouped[from..to],
        }
    }

    /// The PID of an address: that of the longest prefix that holds it (RFC 7285 §11.2.2). `None` only
    /// if the map says nothing of the address's type.
    pub fn pid_of(&self, address: IpAddr) -> Option<&PidName> {
        Some(&self.pids[self.lookup.find(address)? as usize])
    }

    /// The PID of the longest prefix that holds all of the given one.
    pub fn pid_around(&self, prefix: Prefix) -> Option<&PidName> {
        let after = self.prefixes.partition_point(|(p, _)| *p <= prefix);
        // What is around it is also around the one before it, if that is not it already.
        let mut index = after.checked_sub(1)?;
        loop {
            let (candidate, pid) = self.prefixes[index];
            if candidate.covers(prefix) {
                return Some(&self.pids[pid as usize]);
            }
            let outer = self.outer[index] as usize;
            if outer == index {
                return None;
            }
            index = outer;
        }
    }

    /// The prefixes inside the given one, itself among them, in their order, with their PIDs.
    pub fn inside(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, &PidName)> {
        let from = self.prefixes.partition_point(|(p, _)| *p < prefix);
        self.prefixes[from..]
            .iter()
            .take_while(move |(inner, _)| prefix.covers(*inner))
            .map(|(inner, pid)| (*inner, &self.pids[*pid as usize]))
    }

    /// Number of prefixes.
    pub fn prefix_count(&self) -> usize {
        self.prefixes.len()
    }

    /// The tag of the content.
    pub fn tag(&self) -> Tag {
        self.tag.clone()
    }
}

/// PIDs and prefixes with indices of PIDs, both in order.
type Said = (Vec<PidName>, Vec<(Prefix, u32)>);

/// What groups say, without what says nothing, if they make a network map.
fn said(groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>) -> Result<Said, NetworkMapError> {
    let mut by_name: BTreeMap<PidName, Vec<Prefix>> = BTreeMap::new();
    for (pid, mut prefixes) in groups {
        by_name.entry(pid).or_default().append(&mut prefixes);
    }
    let mut prefixes = Vec::with_capacity(by_name.values().map(Vec::len).sum());
    let mut pids = Vec::with_capacity(by_name.len());
    for (number, (pid, group)) in (0..).zip(by_name) {
        pids.push(pid);
        prefixes.extend(group.into_iter().map(|prefix| (prefix, number)));
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    let twice = prefixes.windows(2).find(|pair| pair[0].0 == pair[1].0);
    if let Some([(prefix, first), (_, second)]) = twice {
        return Err(NetworkMapError::Overlap {
            prefix: *prefix,
            first: pids[*first as usize].clone(),
            second: pids[*second as usize].clone(),
        });
    }
    let prefixes = simplify::simplify(prefixes);
    for family in [Family::Ipv4, Family::Ipv6] {
        let present = prefixes.iter().any(|(p, _)| p.family() == family);
        let all = Prefix::everything(family);
        if present && prefixes.binary_search_by_key(&all, |(p, _)| *p).is_err() {
            return Err(NetworkMapError::Incomplete(family));
        }
    }
    Ok((pids, prefixes))
}

/// The groups, and `rest` with all addresses that no other PID has.
fn completed(
    groups: impl IntoIterator<Item = (PidName, Vec<Prefix>)>,
    rest: &PidName,
) -> Vec<(PidName, Vec<Prefix>)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    let missing = [Family::Ipv4, Family::Ipv6]
        .map(Prefix::everything)
        .into_iter()
        .filter(|all| !groups.iter().any(|(_, prefixes)| prefixes.contains(all)))
        .collect();
    groups.push((rest.clone(), missing));
    groups
}

/// For each prefix the index of the longest one around it, or its own.
fn outer(prefixes: &[(Prefix, u32)]) -> Box<[u32]> {
    let mut around: Vec<usize> = Vec::new();
    let mut outer = Vec::with_capacity(prefixes.len());
    for (index, (prefix, _)) in prefixes.iter().enumerate() {
        while around.pop_if(|i| !prefixes[*i].0.covers(*prefix)).is_some() {}
        outer.push(short(around.last().copied().unwrap_or(index)));
        around.push(index);
    }
    outer.into()
}

/// An index of prefixes or PIDs.
#[expect(
    clippy::cast_possible_truncation,
    reason = "2³² prefixes do not fit into memory"
)]
fn short(index: usize) -> u32 {
    index as u32
}

impl Serialize for NetworkMap {
    /// The data member `network-map`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.groups())
    }
}

/// The prefixes of one PID. Serialised, it is the object of address types.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    map: &'a NetworkMap,
    indices: &'a [u32],
}

impl<'a> Group<'a> {
    /// The prefixes of one address type, in order.
    pub fn of(&self, family: Family) -> impl Iterator<Item = Prefix> + Clone + use<'a> {
        let prefixes = &self.map.prefixes;
        let prefix = move |index: &u32| prefixes[*index as usize].0;
        let split = self
            .indices
            .partition_point(|index| prefix(index).family() == Family::Ipv4);
        let (ipv4, ipv6) = self.indices.split_at(split);
        let indices = match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        };
        indices.iter().map(prefix)
    }
}

impl Group<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut families = 0;
        for family in [Family::Ipv4, Family::Ipv6] {
            for (nth, prefix) in self.of(family).enumerate() {
                if nth == 0 {
                    begin_member(out, families, family.name());
                    families += 1;
                }
                out.extend_from_slice(if nth == 0 { b"[\"" } else { b",\"" });
                prefix.write(out);
                out.push(b'"');
            }
            if self.of(family).next().is_some() {
                out.push(b']');
            }
        }
        out.push(b'}');
    }
}

impl Serialize for Group<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut group = serializer.serialize_map(None)?;
        for family in [Family::Ipv4, Family::Ipv6] {
            let prefixes = self.of(family);
            if prefixes.clone().next().is_some() {
                group.serialize_entry(family.name(), &Prefixes(prefixes))?;
            }
        }
        group.end()
    }
}

/// Prefixes as an array.
struct Prefixes<I>(I);

impl<I: Iterator<Item = Prefix> + Clone> Serialize for Prefixes<I> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}
