//! Filtered property maps (RFC 9240 §8).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::inheritance::AddressAnswer;
use super::{PropertyMap, body, pid_entity};
use crate::entity::Entity;
use crate::query::{Asking, Query, Refusal};
use crate::request_body::Members;
use crate::{EntityDomain, Family, Fault, PidName, Prefix, PropertyName, ResourceId, media};

const ENTITIES: &str = "entities";
const PROPERTIES: &str = "properties";

/// Answers what is said of chosen entities.
#[derive(Clone, Debug)]
pub struct FilteredPropertyMap {
    map: PropertyMap,
}

/// What a client asks.
struct Question<'a> {
    /// `None`: which entities there are is all it wants to know.
    properties: Option<Vec<&'a PropertyName>>,
    /// `None`: of all entities.
    entities: Option<Entities<'a>>,
}

#[derive(Default)]
struct Entities<'a> {
    /// As the client wrote them, which looks the answer up by it.
    addresses: BTreeMap<Family, Vec<(Prefix, &'a str)>>,
    pids: BTreeMap<&'a ResourceId, BTreeSet<PidName>>,
}

impl FilteredPropertyMap {
    /// Parts of the given map.
    pub fn new(map: PropertyMap) -> Self {
        Self { map }
    }

    fn question<'a>(
        &'a self,
        asked: &'a [(&str, Vec<Cow<'a, str>>)],
    ) -> Result<Question<'a>, Fault> {
        let mut question = Question {
            properties: None,
            entities: None,
        };
        let domains = self.map.domains();
        for (field, texts) in asked {
            if *field == PROPERTIES {
                question.properties = Some(self.properties(texts)?);
            } else if !texts.is_empty() {
                question.entities = Some(self.entities(&domains, texts)?);
            }
        }
        Ok(question)
    }

    fn properties(&self, texts: &[Cow<'_, str>]) -> Result<Vec<&PropertyName>, Fault> {
        let offered: BTreeMap<&str, &PropertyName> = self
            .offered()
            .map(|property| (property.as_str(), property))
            .collect();
        if texts.is_empty() {
            return Ok(offered.into_values().collect());
        }
        let mut asked = BTreeSet::new();
        for text in texts {
            let property = offered
                .get(&**text)
                .ok_or_else(|| Fault::text(PROPERTIES, text.as_ref()))?;
            asked.insert(*property);
        }
        Ok(asked.into_iter().collect())
    }

    fn offered(&self) -> impl Iterator<Item = &PropertyName> {
        let of_pids = self.map.pids.values().flat_map(|(names, _)| names);
        self.map.addresses.keys().chain(of_pids)
    }

    fn entities<'a>(
        &'a self,
        domains: &[EntityDomain],
        texts: &'a [Cow<'a, str>],
    ) -> Result<Entities<'a>, Fault> {
        let mut entities = Entities::default();
        for text in texts {
            // The id of a network map may look like an address; the longest domain is meant.
            let domain = domains.iter().rev().find(|domain| domain.is_named(text));
            match domain.and_then(|domain| Some((domain, domain.entity(text)?))) {
                Some((EntityDomain::Addresses(family), Entity::Prefix(prefix))) => {
                    let of_family = entities.addresses.entry(*family).or_default();
                    of_family.push((prefix, &**text));
                }
                Some((EntityDomain::Pids(map), Entity::Pid(pid))) => {
                    if let Some((map, _)) = self.map.pids.get_key_value(map) {
                        entities.pids.entry(map).or_default().insert(pid);
                    }
                }
                _ => return Err(Fault::text(ENTITIES, text.as_ref())),
            }
        }
        Ok(entities)
    }

    /// The resources behind an answer: all, if it is about addresses; else those that define the domains and the
    /// properties that are asked (RFC 9240 §8.6).
    fn dependencies(&self, question: &Question<'_>) -> Vec<&crate::VersionTag> {
        let of_addresses = match &question.entities {
            None => true,
            Some(entities) => !entities.addresses.is_empty(),
        };
        let defines = |id: &ResourceId| {
            let of_domain = question
                .entities
                .iter()
                .any(|entities| entities.pids.contains_key(id));
            let mut properties = question.properties.iter().flatten();
            of_domain || properties.any(|name| name.resource() == Some(id.as_str()))
        };
        let uses = self.map.uses.iter();
        uses.filter(|vtag| of_addresses || defines(&vtag.resource_id))
            .collect()
    }
}

impl Query for FilteredPropertyMap {
    fn accepts(&self) -> &'static str {
        media::PROPERTY_MAP_PARAMS
    }

    fn media_type(&self) -> &'static str {
        media::PROPERTY_MAP
    }

    fn answer(&self, request: &[u8], asking: &Asking<'_>) -> Result<Vec<u8>, Refusal> {
        let members = Members::parse(request, &[ENTITIES, PROPERTIES])?;
        members.require(&[ENTITIES])?;
        let asked = members.names(ENTITIES, asking.limits.endpoints)?;
        let question = self.question(&asked)?;
        let dependencies = self.dependencies(&question);
        let part = Part {
            map: &self.map,
            question: &question,
        };
        Ok(body(&part, &dependencies, None))
    }
}

/// The data member of an answer.
struct Part<'a> {
    map: &'a PropertyMap,
    question: &'a Question<'a>,
}

impl Part<'_> {
    fn addresses<M: SerializeMap>(&self, family: Family, members: &mut M) -> Result<(), M::Error> {
        let addresses = &self.map.addresses;
        let every: Vec<&PropertyName> = addresses.keys().collect();
        let asked = match &self.question.entities {
            None => None,
            Some(entities) => match entities.addresses.get(&family) {
                Some(asked) => Some(asked.clone()),
                None => return Ok(()),
            },
        };
        let answer = match (asked, &self.question.properties) {
            (None, None) => AddressAnswer::all(addresses, family, &every).bare(),
            (None, Some(names)) => AddressAnswer::all(addresses, family, names),
            (Some(asked), None) => AddressAnswer::known(addresses, &every, asked),
            (Some(asked), Some(names)) => AddressAnswer::of(addresses, names, asked),
        };
        answer.write(members)
    }

    fn pids<M: SerializeMap>(&self, map: &ResourceId, members: &mut M) -> Result<(), M::Error> {
        let Some((_, pids)) = self.map.pids.get(map) else {
            return Ok(());
        };
        let is_asked = |pid: &PidName| match &self.question.entities {
            None => true,
            Some(entities) => entities
                .pids
                .get(map)
                .is_some_and(|asked| asked.contains(pid)),
        };
        for (pid, said) in pids.iter().filter(|(pid, _)| is_asked(pid)) {
            let wanted: BTreeMap<_, _> = match &self.question.properties {
                None => BTreeMap::new(),
                Some(names) => {
                    let wanted = names.iter().filter_map(|name| said.get_key_value(name));
                    wanted.collect()
                }
            };
            if self.question.properties.is_none() || !wanted.is_empty() {
                members.serialize_entry(&pid_entity(map, pid), &wanted)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for domain in self.map.domains() {
            match domain {
                EntityDomain::Addresses(family) => self.addresses(family, &mut members)?,
                EntityDomain::Pids(map) => self.pids(&map, &mut members)?,
            }
        }
        members.end()
    }
}
