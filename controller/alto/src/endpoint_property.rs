//! The endpoint property service (RFC 7285 §11.4).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::property_map::{ISP_OF_PID, REGION_OF_PID};
use crate::query::{Asking, Query, Refusal};
use crate::request_body::Members;
use crate::{Edition, Endpoint, Fault, NetworkMap, PropertyName, VersionTag, media};

const PROPERTIES: &str = "properties";
const ENDPOINTS: &str = "endpoints";

/// Global properties (RFC 7285 §10.8.2), and the properties of PIDs that they are.
const GLOBAL: [(&str, &str); 2] = [
    ("priv:glimpse-isp", ISP_OF_PID),
    ("priv:glimpse-region", REGION_OF_PID),
];

/// Properties of addresses: the PID in each network map, and what the default map's PID says of it.
#[derive(Clone, Debug, Default)]
pub struct EndpointProperties {
    offered: BTreeMap<String, Source>,
}

/// Where the values of a property stand.
#[derive(Clone, Debug)]
enum Source {
    /// The PIDs of a network map.
    Pid(VersionTag, Arc<NetworkMap>),
    /// A property of the PIDs of an edition.
    OfPid(Arc<Edition>, &'static str),
}

impl Source {
    fn value(&self, endpoint: Endpoint) -> Option<&str> {
        match self {
            Self::Pid(_, map) => Some(map.pid_of(endpoint.address())?.as_str()),
            Self::OfPid(edition, name) => {
                let pid = edition.map.pid_of(endpoint.address())?;
                let value = edition.properties.get(pid)?.get(*name)?;
                Some(value)
            }
        }
    }

    /// The network map that defines it; global properties do not depend on any.
    fn map(&self) -> Option<&VersionTag> {
        match self {
            Self::Pid(vtag, _) => Some(vtag),
            Self::OfPid(..) => None,
        }
    }
}

struct Question<'a> {
    properties: BTreeSet<&'a str>,
    /// As spelled by the client, which looks the answer up by it.
    endpoints: Vec<(&'a str, Endpoint)>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer<'a> {
    endpoint_properties: Values<'a>,
    meta: Meta<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Meta<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependent_vtags: Vec<&'a VersionTag>,
}

/// What the properties that are asked for say of each endpoint, both in order.
struct Values<'a> {
    asked: Vec<(&'a str, &'a Source)>,
    endpoints: &'a [(&'a str, Endpoint)],
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.endpoints.iter().map(|(key, endpoint)| {
            let (asked, endpoint) = (&self.asked, *endpoint);
            (key, Known { asked, endpoint })
        }))
    }
}

/// Those properties that have a value for an endpoint.
struct Known<'a> {
    asked: &'a [(&'a str, &'a Source)],
    endpoint: Endpoint,
}

impl Serialize for Known<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let asked = self.asked.iter();
        let known = asked.filter_map(|(name, source)| Some((*name, source.value(self.endpoint)?)));
        serializer.collect_map(known)
    }
}

impl EndpointProperties {
    /// The property `pid` of the network maps of the given editions, and what is said of the PIDs of the first, which is
    /// the default one.
    pub fn new<'a>(editions: impl IntoIterator<Item = &'a Arc<Edition>>) -> Self {
        let mut offered = BTreeMap::new();
        for (index, edition) in editions.into_iter().enumerate() {
            if index == 0 {
                let global = GLOBAL.map(|(name, of_pid)| {
                    let source = Source::OfPid(Arc::clone(edition), of_pid);
                    (name.to_owned(), source)
                });
                offered.extend(global);
            }
            offered.insert(
                PropertyName::pid_of(&edition.id).to_string(),
                Source::Pid(edition.vtag(), Arc::clone(&edition.map)),
            );
        }
        Self { offered }
    }

    /// Names of the global properties.
    pub fn global() -> Vec<String> {
        GLOBAL.map(|(name, _)| name.to_owned()).to_vec()
    }

    fn question<'a>(&self, asked: &'a [(&str, Vec<Cow<'a, str>>)]) -> Result<Question<'a>, Fault> {
        let mut question = Question {
            properties: BTreeSet::new(),
            endpoints: Vec::new(),
        };
        for (field, texts) in asked {
            if texts.is_empty() {
                return Err(Fault::text(field, "[]"));
            }
            for text in texts {
                let bad = || Fault::text(field, text.as_ref());
                if *field == ENDPOINTS {
                    let endpoint = text.parse().map_err(|_| bad())?;
                    question.endpoints.push((text, endpoint));
                } else if self.offered.contains_key(&**text) {
                    question.properties.insert(text);
                } else {
                    return Err(bad());
                }
            }
        }
        question.endpoints.sort_unstable_by_key(|(key, _)| *key);
        question.endpoints.dedup_by_key(|(key, _)| *key);
        Ok(question)
    }

    fn resolve<'a>(&'a self, question: &'a Question<'_>) -> Answer<'a> {
        let asked: Vec<(&str, &Source)> = question
            .properties
            .iter()
            .filter_map(|name| Some((*name, self.offered.get(*name)?)))
            .collect();
        Answer {
            meta: Meta {
                dependent_vtags: asked
                    .iter()
                    .filter_map(|(_, source)| source.map())
                    .collect(),
            },
            endpoint_properties: Values {
                asked,
                endpoints: &question.endpoints,
            },
        }
    }
}

impl Query for EndpointProperties {
    fn accepts(&self) -> &'static str {
        media::ENDPOINT_PROPERTY_PARAMS
    }

    fn media_type(&self) -> &'static str {
        media::ENDPOINT_PROPERTY
    }

    fn answer(&self, body: &[u8], asking: &Asking<'_>) -> Result<Vec<u8>, Refusal> {
        let members = Members::parse(body, &[PROPERTIES, ENDPOINTS])?;
        members.require(&[PROPERTIES, ENDPOINTS])?;
        let asked = members.names(ENDPOINTS, asking.limits.endpoints)?;
        let question = self.question(&asked)?;
        Ok(crate::publication::canonical(&self.resolve(&question)))
    }
}

#[cfg(test)]
mod tests;
