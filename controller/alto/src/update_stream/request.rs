//! Requests for a stream and to its control (RFC 8895 §6.5, §7.5).

use crate::request_body::{Json, Kind, Members};
use crate::update_stream::StreamRefusal;
use crate::{Fault, ResourceId};

pub(super) const ADD: &str = "add";
pub(super) const REMOVE: &str = "remove";
pub(super) const RESOURCE_ID: &str = "resource-id";
const TAG: &str = "tag";
const INCREMENTAL_CHANGES: &str = "incremental-changes";
const INPUT: &str = "input";

/// A request whose members have the right types.
pub(super) struct Request<'a> {
    /// In the order of the document.
    pub(super) add: Vec<Addition<'a>>,
    pub(super) remove: Option<Vec<String>>,
}

/// A substream that is asked for.
pub(super) struct Addition<'a> {
    /// Has the syntax of an id.
    pub(super) id: String,
    /// Any text.
    pub(super) resource: String,
    pub(super) tag: Option<String>,
    pub(super) incremental: bool,
    /// JSON.
    pub(super) input: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads a body that adds `most` substreams at most.
    pub(super) fn parse(body: &'a [u8], most: usize) -> Result<Self, StreamRefusal> {
        let members = Members::parse(body, &[ADD, REMOVE])?;
        members.kinds(&[(ADD, Kind::Object), (REMOVE, Kind::Array)])?;
        let add = match members.get(ADD) {
            Some(add) => add.members(most).ok_or(StreamRefusal::Crowded)?,
            None => Vec::new(),
        };
        let add = add
            .into_iter()
            .map(|(id, value)| Addition::read(id, value))
            .collect::<Result<_, Fault>>()?;
        let remove = members.array(REMOVE).map(|ids| {
            let id = |id: Json<'_>| Ok(id.text().ok_or_else(|| id.fault(REMOVE))?.into_owned());
            ids.into_iter().map(id).collect::<Result<_, Fault>>()
        });
        Ok(Self {
            add,
            remove: remove.transpose()?,
        })
    }
}

impl<'a> Addition<'a> {
    fn read(id: String, value: Json<'a>) -> Result<Self, Fault> {
        // The syntax of substream ids is that of resource ids (RFC 8895 §5.2).
        if ResourceId::new(&id).is_err() {
            return Err(Fault::text(ADD, id));
        }
        let field = |name: &str| format!("{ADD}/{id}/{name}");
        if value.kind() != Kind::Object {
            return Err(Fault::kind(&format!("{ADD}/{id}")));
        }
        let wanted = [RESOURCE_ID, TAG, INCREMENTAL_CHANGES, INPUT];
        let members = Members::parse(value.raw().as_bytes(), &wanted)?;
        let resource = members
            .get(RESOURCE_ID)
            .ok_or_else(|| Fault::missing(&field(RESOURCE_ID)))?;
        for (name, kind) in wanted
            .iter()
            .zip([Kind::Text, Kind::Text, Kind::Flag, Kind::Object])
        {
            if members.get(name).is_some_and(|value| value.kind() != kind) {
                return Err(Fault::kind(&field(name)));
            }
        }
        let text = |name: &str, value: Json<'_>| {
            let text = value.text().ok_or_else(|| value.fault(&field(name)))?;
            Ok::<_, Fault>(text.into_owned())
        };
        Ok(Self {
            resource: text(RESOURCE_ID, resource)?,
            tag: members.get(TAG).map(|tag| text(TAG, tag)).transpose()?,
            incremental: members
                .get(INCREMENTAL_CHANGES)
                .is_none_or(|flag| flag.flag() == Some(true)),
            input: members.get(INPUT).map(Json::raw),
            id,
        })
    }
}
