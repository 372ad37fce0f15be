//! Everything that is published at one moment, as finished bytes.

mod body;
mod compose;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::query::{Asking, Query, Refusal};
use crate::{
    CalendarKind, DirectoryError, Edition, Fault, NameError, PidName, ResourceId, Tag, media,
    parallel,
};

pub(crate) use body::{append, begin_member, canonical};

/// The rule that protects households in the published figures; the directory declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymity {
    /// No figure stands for fewer subscribers than this (`meta.glimpse-k`).
    K(u64),
    /// The rule is lifted (`meta.glimpse-lab`).
    Lab,
}

impl Anonymity {
    /// The one that protects less.
    fn weaker(self, other: Self) -> Self {
        match (self, other) {
            (Self::K(one), Self::K(two)) => Self::K(one.min(two)),
            _ => Self::Lab,
        }
    }
}

/// How the figures came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// First moment of the window, microseconds UTC since 1970.
    pub window_start_us: i64,
    /// First moment after the window.
    pub window_end_us: i64,
    /// How results became figures, for instance `per-subscriber-first`.
    pub aggregation: String,
    /// How the delay was measured, for instance `udp-icmp-echo`.
    pub method: String,
    /// Measured figures behind everything in the window, as it may be published.
    pub samples: u64,
    /// Subscribers behind the figures, as it may be published.
    pub subscribers: u64,
    /// Newest measurement in the data, microseconds UTC since 1970 (RFC 9439 §6.2).
    pub newest_us: Option<i64>,
    /// The rule that was applied.
    pub anonymity: Anonymity,
}

impl Provenance {
    /// First moment of the window, and the first after it, microseconds UTC since 1970.
    fn window(&self) -> (i64, i64) {
        (self.window_start_us, self.window_end_us)
    }
}

/// Where an edition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// In the root directory; the first of these is the default network map.
    Current,
    /// In the directory `recent/`: shorter windows that follow each other.
    Recent,
    /// In the directory `archive/`: windows that are over for good. Update streams do not tell of them.
    Archive,
}

impl Shelf {
    /// Id of its directory; the root has none.
    fn directory_id(self) -> Option<&'static str> {
        match self {
            Self::Current => None,
            Self::Recent => Some("recent"),
            Self::Archive => Some("archive"),
        }
    }
}

/// An edition and where it stands.
#[derive(Clone, Debug)]
pub struct Shelved {
    /// The edition.
    pub edition: Edition,
    /// Where it stands.
    pub shelf: Shelf,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Content {
    /// All editions. The order matters only in that the first current one is the default network map.
    pub editions: Vec<Shelved>,
    /// Leaves out what is asked by POST: for servers of mere files.
    pub fetched_only: bool,
}

/// Why content cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublicationError {
    /// There is no default network map.
    #[error("no edition is current")]
    NoCurrent,
    /// Something is said of a PID that the network map does not have.
    #[error("figures or properties of {0}, which is no PID of the network map")]
    UnknownPid(PidName),
    /// A calendar has cells with more or fewer values than intervals.
    #[error("{column}: a cell of the calendar {kind:?} has not one value for each interval")]
    Calendar {
        /// Name of the column.
        column: String,
        /// Which calendar.
        kind: CalendarKind,
    },
    /// An id that is made of an edition's and a column's name is none.
    #[error("resource id: {0}")]
    Name(#[from] NameError),
    /// The directory does not hold together.
    #[error("directory: {0}")]
    Directory(#[from] DirectoryError),
}

/// One form of a document with its entity tag.
#[derive(Clone, Debug)]
pub struct Representation {
    /// The body.
    pub bytes: Arc<[u8]>,
    /// Strong entity tag, with its quotes; another for each coding (RFC 9110 §8.8.3.3).
    pub etag: String,
}

/// A document that is fetched by GET.
#[derive(Clone, Debug)]
pub struct Document {
    /// Id of the resource; `None` for the root directory.
    pub id: Option<ResourceId>,
    /// Bare media type.
    pub media_type: &'static str,
    /// Version of its data member; of the whole, if it is a directory.
    pub tag: Tag,
    /// Equal for equal bodies alone: what stands in `meta` can change while the data stay.
    hash: Arc<Tag>,
    /// Whether its changes are told as merge patches: ranks are not, since one cost may move them all.
    pub patchable: bool,
    /// As it is.
    pub identity: Representation,
    /// Compressed, if [`Publication::compressed`] made it.
    pub gzip: Option<Representation>,
}

impl Document {
    /// The compressed form, made in a buffer that holds what the last one left.
    fn compress(&mut self, buffer: &mut Vec<u8>, gzip: &impl Fn(&[u8], &mut Vec<u8>)) {
        buffer.clear();
        gzip(&self.identity.bytes, buffer);
        self.gzip = Some(Representation {
            bytes: Arc::from(buffer.as_slice()),
            etag: format!("{}-gzip\"", self.identity.etag.trim_end_matches('"')),
        });
    }
}

/// What answers at a path.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    Document(Document),
    Query(Arc<dyn Query>),
    /// The edge writes the stream.
    UpdateStream,
}

/// A resource with what is known of it before it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    id: Option<ResourceId>,
    dependencies: Vec<ResourceId>,
    shelf: Shelf,
    /// Newest measurement in the data, microseconds UTC since 1970.
    pub(crate) newest_us: Option<i64>,
    pub(crate) resource: Resource,
}

/// What a resource is, for those who walk through all of them.
#[derive(Clone, Copy, Debug)]
pub struct ResourceKind<'a> {
    /// Its id.
    pub id: &'a ResourceId,
    /// Its path below the root.
    pub path: &'a str,
    /// Media type of what is answered.
    pub media_type: &'static str,
    /// Media type of what is posted; a resource without is fetched.
    pub accepts: Option<&'static str>,
    /// Resources whose versions stand in its `dependent-vtags`.
    pub dependencies: &'a [ResourceId],
    /// Where it stands.
    pub shelf: Shelf,
}

impl ResourceKind<'_> {
    /// Whether the update stream tells of its changes.
    pub fn is_streamed(&self) -> bool {
        self.shelf != Shelf::Archive
            && self.media_type != media::DIRECTORY
            && self.media_type != media::EVENT_STREAM
    }
}

/// What a resource says at the moment.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    /// Bare media type.
    pub(crate) media_type: &'static str,
    /// The whole body.
    pub(crate) body: Arc<[u8]>,
    /// Version of its data member.
    pub(crate) tag: Tag,
    /// Equal for equal bodies of the resource alone.
    pub(crate) hash: Arc<Tag>,
    /// Whether its changes may come as merge patches.
    pub(crate) patchable: bool,
}

/// Everything that is published at one moment. Cheap to answer from: all documents are finished.
#[derive(Clone, Debug)]
pub struct Publication {
    resources: BTreeMap<String, Published>,
    paths: BTreeMap<ResourceId, String>,
    editions: Vec<Arc<Edition>>,
}

/// The path of the directory, relative to where the service is mounted.
const ROOT: &str = "/";

impl Publication {
    /// Checks the content, ranks costs, and serialises everything that is fetched.
    ///
    /// # Errors
    /// [`PublicationError`].
    pub fn new(content: Content) -> Result<Self, PublicationError> {
        Self::after(content, None)
    }

    /// The same, but takes from the publication before what would come out equal, compressed form and all.
    ///
    /// # Errors
    /// [`PublicationError`].
    pub fn after(content: Content, before: Option<&Self>) -> Result<Self, PublicationError> {
        let (resources, editions) = compose::compose(content, before)?;
        let paths = resources
            .iter()
            .filter_map(|(path, published)| Some((published.id.clone()?, path.clone())))
            .collect();
        Ok(Self {
            resources,
            paths,
            editions,
        })
    }

    /// The same with every document compressed once by the given gzip, which appends to a vector and runs on all processors.
    #[must_use]
    pub fn compressed(mut self, gzip: impl Fn(&[u8], &mut Vec<u8>) + Sync) -> Self {
        let documents = self.resources.values_mut().filter_map(|published| {
            let Resource::Document(document) = &mut published.resource else {
                return None;
            };
            document.gzip.is_none().then_some(document)
        });
        let mut documents: Vec<&mut Document> = documents.collect();
        // The longest first, so that no processor is left with one at the end.
        documents.sort_by_key(|document| Reverse(document.identity.bytes.len()));
        parallel::map(documents, |buffer: &mut Vec<u8>, document| {
            document.compress(buffer, &gzip);
        });
        self
    }

    /// The edition of that network map, as it was published.
    fn edition(&self, id: &ResourceId) -> Option<&Arc<Edition>> {
        self.editions.iter().find(|edition| edition.id == *id)
    }

    /// All documents that are fetched by GET, with their paths (`/` is the directory).
    pub fn documents(&self) -> impl Iterator<Item = (&str, &Document)> {
        self.resources
            .iter()
            .filter_map(|(path, published)| match &published.resource {
                Resource::Document(document) => Some((path.as_str(), document)),
                Resource::Query(_) | Resource::UpdateStream => None,
            })
    }

    /// The document with the id; `None` if there is none, or it is asked by POST.
    pub fn document(&self, id: &ResourceId) -> Option<&Document> {
        match &self.by_id(id)?.1.resource {
            Resource::Document(document) => Some(document),
            Resource::Query(_) | Resource::UpdateStream => None,
        }
    }

    /// All resources but the root directory.
    pub fn resource_kinds(&self) -> impl Iterator<Item = ResourceKind<'_>> {
        self.resources
            .iter()
            .filter_map(|(path, published)| kind(path, published))
    }

    /// The resource with the id.
    pub fn resource_kind(&self, id: &ResourceId) -> Option<ResourceKind<'_>> {
        let (path, published) = self.by_id(id)?;
        kind(path, published)
    }

    /// Whether update streams are opened at the path.
    pub fn is_update_stream(&self, path: &str) -> bool {
        self.resource(path)
            .is_some_and(|published| matches!(published.resource, Resource::UpdateStream))
    }

    /// Newest measurement in the data, microseconds UTC since 1970.
    pub fn newest_us(&self) -> Option<i64> {
        self.resource(ROOT)?.newest_us
    }

    pub(crate) fn resource(&self, path: &str) -> Option<&Published> {
        self.resources.get(path)
    }

    /// What a resource says: a document itself, a question's answer to `input`.
    ///
    /// # Errors
    /// That of the resource; missing `input` where it needs one; an id that says nothing, update streams and those of no resource.
    pub(crate) fn render(
        &self,
        id: &ResourceId,
        input: Option<&[u8]>,
        asking: &Asking<'_>,
    ) -> Result<Rendered, Refusal> {
        let unknown = || Fault::value("resource-id", &id.as_str().into());
        let (_, published) = self.by_id(id).ok_or_else(unknown)?;
        match &published.resource {
            Resource::Document(document) => Ok(Rendered {
                media_type: document.media_type,
                body: Arc::clone(&document.identity.bytes),
                tag: document.tag.clone(),
                hash: Arc::clone(&document.hash),
                patchable: document.patchable,
            }),
            Resource::Query(query) => {
                let input = input.ok_or_else(|| Fault::missing("input"))?;
                let body = query.answer(input, asking)?;
                Ok(Rendered {
                    media_type: query.media_type(),
                    tag: body::data_tag(&body),
                    hash: Arc::new(Tag::of(&body)),
                    patchable: !body::has_ranks(&body),
                    body: body.into(),
                })
            }
            Resource::UpdateStream => Err(unknown().into()),
        }
    }

    fn by_id(&self, id: &ResourceId) -> Option<(&str, &Published)> {
        let path = self.paths.get(id)?;
        Some((path, self.resources.get(path)?))
    }
}

fn kind<'a>(path: &'a str, published: &'a Published) -> Option<ResourceKind<'a>> {
    let (media_type, accepts) = match &published.resource {
        Resource::Document(document) => (document.media_type, None),
        Resource::Query(query) => (query.media_type(), Some(query.accepts())),
        Resource::UpdateStream => (media::EVENT_STREAM, Some(media::UPDATE_STREAM_PARAMS)),
    };
    Some(ResourceKind {
        id: published.id.as_ref()?,
        path,
        media_type,
        accepts,
        dependencies: &published.dependencies,
        shelf: published.shelf,
    })
}
