//! Copies of resources that an update stream keeps up to date (RFC 8895).

use super::directory::{Kind, Resource};
use super::reading::data_member;
use super::sse::Event;
use super::{DocumentError, VersionTag, Versions, json, media, printable, strings, weight};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

mod change;

pub use change::{Change, changes, merge_patch};

/// Why a stream is not followed any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The data of an event cannot be read.
    #[error("event {event}: {error}")]
    Document {
        /// Name of the event.
        event: String,
        /// What is wrong.
        error: DocumentError,
    },
    /// An event of a substream that was not asked for.
    #[error("event {0} is of no resource that was asked for")]
    Unasked(String),
    /// An event of a kind that was not asked for either.
    #[error("event {0} is neither the resource nor a merge patch")]
    Kind(String),
    /// The copies, or what changed in one, take more memory than they may.
    #[error("resource {id}: with it the copies would take more than {most} bytes of memory")]
    Heavy {
        /// The resource.
        id: String,
        /// As they may take.
        most: usize,
    },
    /// A patch before there is anything to patch.
    #[error("resource {0}: a patch came before the resource")]
    NothingToPatch(String),
    /// What came cannot be told from what was there.
    #[error("resource {0}: its data changed but not its tag (RFC 8895 §6.7.2)")]
    TagKept(String),
    /// Updates are versions: they have tags.
    #[error("resource {0}: came without meta.vtag")]
    NoTag(String),
    /// The tag is of another resource.
    #[error("resource {id}: its tag is that of {other}")]
    OtherTag {
        /// The resource.
        id: String,
        /// What the tag names.
        other: String,
    },
    /// It was made from another version of a resource than the stream sent before.
    #[error(
        "resource {id}: made from {dependency} of tag {wanted}, but the stream sent tag {sent} (RFC 8895 §6.7.1)"
    )]
    Dependency {
        /// The resource.
        id: String,
        /// What it was made from.
        dependency: String,
        /// The version it names.
        wanted: String,
        /// The version that came.
        sent: String,
    },
}

/// What an event brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The stream can be controlled at this URI, which is relative to the stream's; or cannot.
    Control(Option<String>),
    /// Substreams began or ended.
    Substreams {
        /// Resources that are sent from now on.
        started: Vec<String>,
        /// Resources that are not sent any more.
        stopped: Vec<String>,
    },
    /// A resource is now as it was not before.
    Updated(Update),
}

/// How a resource changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Which.
    pub resource_id: String,
    /// Whether all of it came, or a patch.
    pub is_patch: bool,
    /// Whether it was not here before.
    pub is_first: bool,
    /// Whether it is first, or its data or versions differ; a server may say again what it said before, as after a lost connection.
    pub is_news: bool,
    /// Bytes of the event's data.
    pub bytes: usize,
    /// Its versions now.
    pub versions: Versions,
    /// What differs in its data; nothing for the first copy.
    pub changes: Vec<Change>,
}

#[derive(Debug)]
struct Copy {
    resource_id: String,
    media_type: String,
    kind: Kind,
    is_incremental: bool,
    document: Option<Value>,
    /// What the document takes in memory at most: patches only add to it, until it is weighed anew.
    weight: usize,
    /// The version to resume from.
    tag: Option<VersionTag>,
}

/// Copies of resources.
#[derive(Debug)]
pub struct Mirror {
    copies: BTreeMap<String, Copy>,
    /// Bytes of memory for all copies.
    most: usize,
}

impl Mirror {
    /// A mirror of resources that `stream` can send, whose copies take at most `most` bytes of memory. Patches are asked for where merge
    /// patches are all that may come.
    pub fn new(stream: &Resource, resources: &[&Resource], most: usize) -> Self {
        let offered = stream.capabilities.get("incremental-change-media-types");
        let is_incremental = |id: &str| {
            let types = offered
                .and_then(|offered| offered.get(id))
                .and_then(Value::as_str)
                .unwrap_or_default();
            let mut types = types.split(',').map(str::trim).peekable();
            types.peek().is_some() && types.all(|one| one == media::MERGE_PATCH)
        };
        let copy = |(number, resource): (usize, &&Resource)| {
            let copy = Copy {
                resource_id: resource.id.clone(),
                media_type: resource.media_type.clone(),
                kind: resource.kind,
                is_incremental: is_incremental(&resource.id),
                document: None,
                weight: 0,
                tag: None,
            };
            // A substream's id is ours to choose, and a resource's id may be none (RFC 8895 §4.1).
            (format!("s{number}"), copy)
        };
        Self {
            copies: resources.iter().enumerate().map(copy).collect(),
            most,
        }
    }

    /// What to open the stream with; it resumes from what is here.
    pub fn request(&self) -> Value {
        let add: Map<String, Value> = self
            .copies
            .iter()
            .map(|(substream, copy)| {
                let mut wanted =
                    Map::from_iter([("resource-id".to_owned(), json!(copy.resource_id))]);
                if let Some(tag) = copy.tag.as_ref().filter(|_| copy.document.is_some()) {
                    wanted.insert("tag".to_owned(), json!(tag.tag));
                }
                if !copy.is_incremental {
                    wanted.insert("incremental-changes".to_owned(), json!(false));
                }
                (substream.clone(), Value::Object(wanted))
            })
            .collect();
        json!({ "add": add })
    }

    /// Forgets all copies, so that the next stream sends everything anew.
    pub fn clear(&mut self) {
        for copy in self.copies.values_mut() {
            copy.document = None;
            copy.weight = 0;
            copy.tag = None;
        }
    }

    /// The copy of a resource.
    pub fn document(&self, resource_id: &str) -> Option<&Value> {
        let copy = self
            .copies
            .values()
            .find(|copy| copy.resource_id == resource_id)?;
        copy.document.as_ref()
    }

    /// Takes an event in.
    ///
    /// # Errors
    /// [`MirrorError`]; the copies are then as they were.
    pub fn take(&mut self, event: &Event) -> Result<Happening, MirrorError> {
        let (media_type, substream) = match event.name.split_once(',') {
            Some((media_type, substream)) => (media_type.trim(), Some(substream.trim())),
            None => (event.name.trim(), None),
        };
        let shown = || printable(&event.name);
        let data =
            json(event.data.as_bytes(), self.most).map_err(|error| MirrorError::Document {
                event: shown(),
                error,
            })?;
        if media_type == media::UPDATE_STREAM_CONTROL {
            return Ok(self.control(&data));
        }
        let copy = substream
            .and_then(|substream| self.copies.get(substream))
            .ok_or_else(|| MirrorError::Unasked(shown()))?;
        let id = || copy.resource_id.clone();
        let is_patch = media_type == media::MERGE_PATCH;
        let now = if is_patch {
            let mut document = copy
                .document
                .clone()
                .ok_or_else(|| MirrorError::NothingToPatch(id()))?;
            merge_patch(&mut document, data);
            document
        } else if media_type == copy.media_type {
            data
        } else {
            return Err(MirrorError::Kind(shown()));
        };
        let weight = self.weigh(copy, &now, is_patch, event)?;
        let member = data_member(copy.kind);
        if let Some(member) = member
            && !now.get(member).is_some_and(Value::is_object)
        {
            return Err(MirrorError::Document {
                event: shown(),
                error: DocumentError::Member(member),
            });
        }
        let versions = Versions::of(&now);
        let before = copy.document.as_ref();
        let none = Value::Null;
        let changes = match (before, member) {
            (Some(before), Some(member)) => {
                let [before, now] =
                    [before, &now].map(|document| document.get(member).unwrap_or(&none));
                changes(before, now, self.most).ok_or_else(|| self.heavy(copy))?
            }
            _ => Vec::new(),
        };
        self.check(copy, &versions, !changes.is_empty())?;
        let update = Update {
            resource_id: id(),
            is_patch,
            is_first: before.is_none(),
            is_news: !changes.is_empty()
                || before.is_none_or(|before| Versions::of(before) != versions),
            bytes: event.data.len(),
            versions: versions.clone(),
            changes,
        };
        if let Some(copy) = substream.and_then(|substream| self.copies.get_mut(substream)) {
            copy.document = Some(now);
            copy.weight = weight;
            copy.tag = versions.own;
        }
        Ok(Happening::Updated(update))
    }

    /// What the copy takes in memory once it is `now`, if there is room for it.
    fn weigh(
        &self,
        copy: &Copy,
        now: &Value,
        is_patch: bool,
        event: &Event,
    ) -> Result<usize, MirrorError> {
        let held: usize = self.copies.values().map(|other| other.weight).sum();
        let room = self.most.saturating_sub(held - copy.weight);
        let came = weight(event.data.as_bytes());
        let mut weighs = if is_patch { copy.weight + came } else { came };
        if is_patch && weighs > room {
            weighs = weight(now.to_string().as_bytes());
        }
        (weighs <= room)
            .then_some(weighs)
            .ok_or_else(|| self.heavy(copy))
    }

    fn heavy(&self, copy: &Copy) -> MirrorError {
        MirrorError::Heavy {
            id: printable(&copy.resource_id),
            most: self.most,
        }
    }

    /// That the versions of a document fit to what was here before and to the other copies. Cost maps of RFC 7285 need no tag of their own.
    fn check(&self, copy: &Copy, now: &Versions, changed: bool) -> Result<(), MirrorError> {
        let id = || copy.resource_id.clone();
        match &now.own {
            None if copy.tag.is_some() || copy.kind == Kind::NetworkMap => {
                return Err(MirrorError::NoTag(id()));
            }
            Some(own) if own.resource_id != copy.resource_id => {
                return Err(MirrorError::OtherTag {
                    id: id(),
                    other: printable(&own.resource_id),
                });
            }
            own if changed && copy.tag.is_some() && *own == copy.tag => {
                return Err(MirrorError::TagKept(id()));
            }
            _ => {}
        }
        for dependency in &now.dependencies {
            let sent = self
                .copies
                .values()
                .filter_map(|other| other.tag.as_ref())
                .find(|tag| tag.resource_id == dependency.resource_id);
            if let Some(sent) = sent.filter(|sent| *sent != dependency) {
                return Err(MirrorError::Dependency {
                    id: id(),
                    dependency: printable(&dependency.resource_id),
                    wanted: printable(&dependency.tag),
                    sent: printable(&sent.tag),
                });
            }
        }
        Ok(())
    }

    fn control(&self, data: &Value) -> Happening {
        if let Some(uri) = data.get("control-uri") {
            return Happening::Control(uri.as_str().map(str::to_owned));
        }
        let named = |member: &str| {
            strings(data.get(member))
                .iter()
                .filter_map(|substream| Some(self.copies.get(substream)?.resource_id.clone()))
                .collect()
        };
        Happening::Substreams {
            started: named("started"),
            stopped: named("stopped"),
        }
    }
}
