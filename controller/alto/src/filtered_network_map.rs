//! The filtered network map service (RFC 7285 §11.3.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::publication::canonical;
use crate::query::{Asking, Query, Refusal};
use crate::request_body::{Kind, Members};
use crate::{Family, Fault, Group, NetworkMap, PidName, VersionTag, media};

const PIDS: &str = "pids";
const ADDRESS_TYPES: &str = "address-types";

/// Chosen PIDs of a network map.
#[derive(Debug)]
pub struct FilteredNetworkMap {
    vtag: VersionTag,
    map: Arc<NetworkMap>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer<'a> {
    meta: Meta<'a>,
    network_map: Chosen<'a>,
}

/// The version is that of the full map (RFC 7285 §11.3.1.6).
#[derive(Serialize)]
struct Meta<'a> {
    vtag: &'a VersionTag,
}

struct Chosen<'a> {
    map: &'a NetworkMap,
    /// `None` is all.
    pids: Option<BTreeSet<PidName>>,
    families: Vec<Family>,
}

impl FilteredNetworkMap {
    /// The given version of a map.
    pub fn new(vtag: VersionTag, map: Arc<NetworkMap>) -> Self {
        Self { vtag, map }
    }
}

impl Query for FilteredNetworkMap {
    fn accepts(&self) -> &'static str {
        media::NETWORK_MAP_FILTER
    }

    fn media_type(&self) -> &'static str {
        media::NETWORK_MAP
    }

    fn answer(&self, body: &[u8], _: &Asking<'_>) -> Result<Vec<u8>, Refusal> {
        let members = Members::parse(body, &[PIDS, ADDRESS_TYPES])?;
        members.require(&[PIDS])?;
        members.kinds(&[(PIDS, Kind::Array), (ADDRESS_TYPES, Kind::Array)])?;
        let mut faults = Vec::new();
        // Names of no PID and of no address type that we know are passed over (RFC 7285 §11.3.1.6).
        let pid = |text: &str| PidName::new(text).ok().filter(|pid| self.map.contains(pid));
        let pids = texts(&members, PIDS, pid, &mut faults);
        let families = texts(&members, ADDRESS_TYPES, Family::of_name, &mut faults);
        members.earliest(faults)?;
        let both = || [Family::Ipv4, Family::Ipv6].into();
        Ok(canonical(&Answer {
            meta: Meta { vtag: &self.vtag },
            network_map: Chosen {
                map: &self.map,
                pids,
                families: families.unwrap_or_else(both).into_iter().collect(),
            },
        }))
    }
}

/// What the strings of a list name; `None` if it is empty or absent.
fn texts<T: Ord>(
    members: &Members<'_>,
    field: &str,
    named: impl Fn(&str) -> Option<T>,
    faults: &mut Vec<Fault>,
) -> Option<BTreeSet<T>> {
    let elements = members
        .array(field)
        .filter(|elements| !elements.is_empty())?;
    let mut found = BTreeSet::new();
    for element in elements {
        let Some(text) = element.text() else {
            faults.push(element.fault(field));
            break;
        };
        found.extend(named(&text));
    }
    Some(found)
}

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |group| Types {
            group,
            families: &self.families,
        };
        match &self.pids {
            Some(pids) => {
                let groups = pids.iter().map(|pid| Some((pid, of(self.map.group(pid)?))));
                serializer.collect_map(groups.flatten())
            }
            None => serializer.collect_map(self.map.groups().map(|(pid, group)| (pid, of(group)))),
        }
    }
}

/// The prefixes of a PID that are of the chosen address types.
struct Types<'a> {
    group: Group<'a>,
    families: &'a [Family],
}

impl Serialize for Types<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut types = serializer.serialize_map(None)?;
        for family in self.families {
            let mut prefixes = self.group.of(*family).peekable();
            if prefixes.peek().is_some() {
                types.serialize_entry(family.name(), &prefixes.collect::<Vec<_>>())?;
            }
        }
        types.end()
    }
}

#[cfg(test)]
mod tests;
