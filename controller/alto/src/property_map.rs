//! Property maps (RFC 9240 §7): what is said of PIDs, addresses and prefixes.

mod filter;
mod inheritance;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::{
    Edition, EntityDomain, Family, NetworkMap, PidName, Prefix, PropertyName, ResourceId,
    VersionTag,
};
pub use filter::FilteredPropertyMap;
use inheritance::{AddressAnswer, Addresses, Values};

/// What editions say of their PIDs: subscribers and figures behind them, and the parts of their names.
const OF_PIDS: [&str; 6] = [
    ISP_OF_PID,
    REGION_OF_PID,
    ".priv:glimpse-samples",
    ".priv:glimpse-subs",
    ".priv:glimpse-tech",
    ".priv:glimpse-tier",
];
/// The ISP of a PID.
pub(crate) const ISP_OF_PID: &str = ".priv:glimpse-isp";
/// The region of a PID.
pub(crate) const REGION_OF_PID: &str = ".priv:glimpse-region";

/// What is said of PIDs: PID, property, value.
type Pids = BTreeMap<PidName, BTreeMap<PropertyName, String>>;

/// Properties of entities. Serialised, it is the data member `property-map` of all of them: values that are inherited are
/// left out (RFC 9240 §7.6).
#[derive(Clone, Debug, Default)]
pub struct PropertyMap {
    uses: Vec<VersionTag>,
    pids: BTreeMap<ResourceId, (BTreeSet<PropertyName>, Pids)>,
    addresses: Addresses,
}

impl PropertyMap {
    /// A map that says nothing yet. `uses` are the resources that define its domains and properties, in the order of
    /// the directory's entry.
    pub fn new(uses: Vec<VersionTag>) -> Self {
        Self {
            uses,
            ..Self::default()
        }
    }

    /// What is said of the PIDs of an edition.
    pub fn of_pids(edition: &Edition) -> Self {
        let mut map = Self::new(vec![edition.vtag()]);
        let (names, pids) = map.pids.entry(edition.id.clone()).or_default();
        // Always offered, so that a directory does not change with what was measured.
        names.extend(
            OF_PIDS
                .into_iter()
                .filter_map(|name| PropertyName::new(name).ok()),
        );
        for (pid, properties) in &edition.properties {
            // A name that is none was never offered.
            let named = properties
                .iter()
                .filter_map(|(name, value)| Some((PropertyName::new(name).ok()?, value.clone())));
            let said: BTreeMap<_, _> = named.collect();
            names.extend(said.keys().cloned());
            if !said.is_empty() {
                pids.insert(pid.clone(), said);
            }
        }
        map
    }

    /// The same, and of each address its PID.
    pub fn of_edition(edition: &Edition) -> Self {
        Self::of_pids(edition).with_pids_of_addresses(&edition.id, &edition.map)
    }

    /// Says of each address in which PID of a network map it is, without a copy of the map.
    #[must_use]
    pub fn with_pids_of_addresses(mut self, id: &ResourceId, map: &Arc<NetworkMap>) -> Self {
        let values = Values::Pids(Arc::clone(map));
        self.addresses.insert(PropertyName::pid_of(id), values);
        self
    }

    /// Says something of prefixes, and of single addresses by prefixes of full length. `None` is "no value": it ends what
    /// would be inherited (RFC 9240 §6.1.3).
    #[must_use]
    pub fn with_addresses(
        mut self,
        name: PropertyName,
        values: impl IntoIterator<Item = (Prefix, Option<String>)>,
    ) -> Self {
        let values = Values::Own(values.into_iter().collect());
        self.addresses.insert(name, values);
        self
    }

    /// Says something of PIDs of a network map.
    #[must_use]
    pub fn with_pids(
        mut self,
        map: &ResourceId,
        name: &PropertyName,
        values: impl IntoIterator<Item = (PidName, String)>,
    ) -> Self {
        let (names, pids) = self.pids.entry(map.clone()).or_default();
        names.insert(name.clone());
        for (pid, value) in values {
            pids.entry(pid).or_default().insert(name.clone(), value);
        }
        self
    }

    /// The capability `mappings`: names of domains, and of the properties of their entities (RFC 9240 §7.4).
    pub fn mappings(&self) -> BTreeMap<String, Vec<String>> {
        let text = |names: &mut dyn Iterator<Item = &PropertyName>| -> Vec<String> {
            names.map(PropertyName::to_string).collect()
        };
        let domains = self.domains().into_iter();
        domains
            .map(|domain| {
                let names = match &domain {
                    EntityDomain::Addresses(_) => text(&mut self.addresses.keys()),
                    EntityDomain::Pids(map) => text(&mut self.pids[map].0.iter()),
                };
                (domain.to_string(), names)
            })
            .collect()
    }

    /// Domains of whose entities anything is said.
    fn domains(&self) -> Vec<EntityDomain> {
        let families = [Family::Ipv4, Family::Ipv6].map(EntityDomain::Addresses);
        let addresses = families.into_iter().filter(|_| !self.addresses.is_empty());
        let pids = self.pids.keys().cloned().map(EntityDomain::Pids);
        addresses.chain(pids).collect()
    }

    /// The resources that define what is said, in the order of the directory's entry.
    pub fn uses(&self) -> &[VersionTag] {
        &self.uses
    }

    /// The body of the document that is fetched, whose version is `vtag`.
    pub fn to_bytes(&self, vtag: &VersionTag) -> Vec<u8> {
        let uses: Vec<&VersionTag> = self.uses.iter().collect();
        body(self, &uses, Some(vtag))
    }
}

impl Serialize for PropertyMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        let names: Vec<&PropertyName> = self.addresses.keys().collect();
        for family in [Family::Ipv4, Family::Ipv6] {
            AddressAnswer::all(&self.addresses, family, &names).write(&mut members)?;
        }
        for (map, (_, pids)) in &self.pids {
            for (pid, said) in pids {
                members.serialize_entry(&pid_entity(map, pid), said)?;
            }
        }
        members.end()
    }
}

fn pid_entity(map: &ResourceId, pid: &PidName) -> String {
    format!("{}:{pid}", EntityDomain::Pids(map.clone()))
}

/// A property map's document around its data member.
fn body(data: &impl Serialize, dependent: &[&VersionTag], vtag: Option<&VersionTag>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Body<'a, D> {
        meta: Meta<'a>,
        property_map: &'a D,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Meta<'a> {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        dependent_vtags: &'a [&'a VersionTag],
        #[serde(skip_serializing_if = "Option::is_none")]
        vtag: Option<&'a VersionTag>,
    }
    crate::publication::canonical(&Body {
        meta: Meta {
            dependent_vtags: dependent,
            vtag,
        },
        property_map: data,
    })
}
