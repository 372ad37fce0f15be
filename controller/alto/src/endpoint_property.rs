//! The endpoint property service (RFC 7285 §11.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::directory::pid_property;
use crate::request_body::Members;
use crate::{Endpoint, Fault, NetworkMap, PidName, VersionTag};

const PROPERTIES: &str = "properties";
const ENDPOINTS: &str = "endpoints";

/// Network maps whose property `pid` can be asked.
#[derive(Clone, Debug, Default)]
pub struct EndpointProperties {
    offered: BTreeMap<String, (VersionTag, Arc<NetworkMap>)>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is wrong: 400.
    Fault(Fault),
    /// The request is right but too much work: 413.
    TooMany,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Question<'a> {
    properties: Vec<&'a str>,
    /// As spelled by the client, which looks the answer up by it.
    endpoints: Vec<(&'a str, Endpoint)>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer<'a> {
    endpoint_properties: BTreeMap<&'a str, BTreeMap<&'a str, &'a PidName>>,
    meta: Meta<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Meta<'a> {
    dependent_vtags: Vec<&'a VersionTag>,
}

impl EndpointProperties {
    /// The property `pid` of the given maps.
    pub fn new(maps: impl IntoIterator<Item = (VersionTag, Arc<NetworkMap>)>) -> Self {
        let offered = maps
            .into_iter()
            .map(|(vtag, map)| (pid_property(&vtag.resource_id), (vtag, map)));
        Self {
            offered: offered.collect(),
        }
    }

    /// The body of the answer to a request's body.
    pub(crate) fn answer(&self, body: &[u8], most_endpoints: usize) -> Result<Vec<u8>, Refusal> {
        let members = Members::parse(body, &[PROPERTIES, ENDPOINTS])?;
        members.require(&[PROPERTIES, ENDPOINTS])?;
        let arrays = members.arrays()?;
        if arrays
            .iter()
            .any(|(name, elements)| *name == ENDPOINTS && elements.len() > most_endpoints)
        {
            return Err(Refusal::TooMany);
        }
        let question = self.question(&arrays)?;
        Ok(crate::publication::canonical(&self.resolve(&question)))
    }

    fn question<'a>(&self, arrays: &[(&'a str, &'a [Value])]) -> Result<Question<'a>, Fault> {
        let mut question = Question {
            properties: Vec::new(),
            endpoints: Vec::new(),
        };
        for (field, elements) in arrays {
            if elements.is_empty() {
                return Err(Fault::value(field, &Value::Array(Vec::new())));
            }
            for element in *elements {
                let bad = || Fault::value(field, element);
                let text = element.as_str().ok_or_else(bad)?;
                if *field == ENDPOINTS {
                    question
                        .endpoints
                        .push((text, text.parse().map_err(|_| bad())?));
                } else if !self.offered.contains_key(text) {
                    return Err(bad());
                } else if !question.properties.contains(&text) {
                    question.properties.push(text);
                }
            }
        }
        Ok(question)
    }

    fn resolve<'a>(&'a self, question: &Question<'a>) -> Answer<'a> {
        let asked: Vec<_> = question
            .properties
            .iter()
            .filter_map(|name| self.offered.get_key_value(*name))
            .collect();
        let of = |endpoint: Endpoint| {
            let known = asked.iter().filter_map(|(name, (_, map))| {
                Some((name.as_str(), map.pid_of(endpoint.address())?))
            });
            known.collect()
        };
        Answer {
            endpoint_properties: question
                .endpoints
                .iter()
                .map(|(key, endpoint)| (*key, of(*endpoint)))
                .collect(),
            meta: Meta {
                dependent_vtags: asked.iter().map(|(_, (vtag, _))| vtag).collect(),
            },
        }
    }
}
