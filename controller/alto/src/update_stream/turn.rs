//! What is published, and how it differs from what was published before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::publication::Rendered;
use crate::query::Asking;
use crate::{Publication, Refusal, ResourceId, ResourceKind, Tag, merge_patch};

const META: &str = "meta";
const VTAG: &str = "vtag";
/// A cost map depends on a network map; nothing of ours is longer than that by more than one.
const LONGEST_CHAIN: usize = 4;

/// What kind of resource an id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nature {
    /// Whether it is asked by POST.
    pub(crate) asked: bool,
    /// The resources it depends on.
    pub(crate) dependencies: Vec<ResourceId>,
}

/// Where the resources of streams come from.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// What an id names; `None` for what streams do not tell about.
    fn nature(&self, id: &ResourceId) -> Option<Nature>;

    /// Everything that is fetched by GET and that streams tell about.
    fn documents(&self) -> Vec<ResourceId>;

    /// A document, or the answer to the question `input`.
    fn render(
        &self,
        id: &ResourceId,
        input: Option<&[u8]>,
        asking: &Asking<'_>,
    ) -> Result<Rendered, Refusal>;
}

impl Source for Publication {
    fn nature(&self, id: &ResourceId) -> Option<Nature> {
        let kind = self.resource_kind(id).filter(ResourceKind::is_streamed)?;
        Some(Nature {
            asked: kind.accepts.is_some(),
            dependencies: kind.dependencies.to_vec(),
        })
    }

    fn documents(&self) -> Vec<ResourceId> {
        self.resource_kinds()
            .filter(|kind| kind.is_streamed() && kind.accepts.is_none())
            .map(|kind| kind.id.clone())
            .collect()
    }

    fn render(
        &self,
        id: &ResourceId,
        input: Option<&[u8]>,
        asking: &Asking<'_>,
    ) -> Result<Rendered, Refusal> {
        Self::render(self, id, input, asking)
    }
}

/// A resource at one moment.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) rendered: Rendered,
    meta: OnceLock<Option<Arc<[u8]>>>,
    told_by_tag: OnceLock<bool>,
}

impl Version {
    fn new(rendered: Rendered) -> Self {
        Self {
            rendered,
            meta: OnceLock::new(),
            told_by_tag: OnceLock::new(),
        }
    }

    /// Equal for equal bodies alone: what stands in `meta` can change while the data stay.
    pub(super) fn hash(&self) -> &Arc<Tag> {
        &self.rendered.hash
    }

    /// Whether the tag says all there is to say: `meta` holds nothing but it.
    pub(super) fn is_told_by_tag(&self) -> bool {
        // It takes a look at the whole body, and each stream that resumes by tag asks.
        *self.told_by_tag.get_or_init(|| {
            let names = merge_patch::names_within(&self.rendered.body, META);
            names.is_some_and(|names| names == [VTAG])
        })
    }

    /// The patch for those who have the data.
    pub(super) fn meta(&self) -> Option<Arc<[u8]>> {
        let patch = || merge_patch::restate(&self.rendered.body, META).map(Arc::from);
        self.meta.get_or_init(patch).clone()
    }
}

/// What was fetched by GET, at this moment and the one before.
#[derive(Debug, Default)]
struct Document {
    /// That of the turn before, if somebody looked at it then.
    before: Option<Arc<Version>>,
    version: OnceLock<Option<Arc<Version>>>,
    step: OnceLock<Option<Step>>,
}

#[derive(Debug)]
struct Step {
    from: Arc<Tag>,
    patch: Option<Arc<[u8]>>,
}

/// A publication in the succession of publications.
#[derive(Debug)]
pub struct Turn {
    number: u64,
    current: Arc<dyn Source>,
    previous: Option<Arc<dyn Source>>,
    documents: BTreeMap<ResourceId, Document>,
}

impl Turn {
    /// One that nobody has seen the one before of; a stream never sees two with one number.
    pub fn first(publication: Arc<Publication>, number: u64) -> Self {
        Self::of(publication, None, number)
    }

    /// The one after this.
    #[must_use]
    pub fn then(&self, publication: Arc<Publication>, number: u64) -> Self {
        Self::of(publication, Some(self), number)
    }

    fn of(current: Arc<dyn Source>, previous: Option<&Self>, number: u64) -> Self {
        let document = |id| {
            let before = previous.and_then(|turn| turn.documents.get(&id)?.version.get()?.clone());
            let document = Document {
                before,
                ..Document::default()
            };
            (id, document)
        };
        Self {
            number,
            documents: current.documents().into_iter().map(document).collect(),
            current,
            previous: previous.map(|turn| Arc::clone(&turn.current)),
        }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Computes the patches of all documents.
    pub fn prepare(&self) {
        self.prepare_where(|_| true);
    }

    /// Computes now what the first stream that needs it would have to wait for: the patches of documents that some stream
    /// has looked at since there are any. One that skips turns finds what it had looked at.
    pub fn prepare_followed(&self) {
        self.prepare_where(|document| document.before.is_some());
    }

    fn prepare_where(&self, which: impl Fn(&Document) -> bool) {
        for id in self.documents.iter().filter(|(_, d)| which(d)).map(|d| d.0) {
            if let Some(version) = self.document(id)
                && version.rendered.patchable
            {
                self.step(id, &version);
            }
        }
    }

    pub(super) fn nature(&self, id: &ResourceId) -> Option<Nature> {
        self.current.nature(id)
    }

    /// How many resources come before this one, each because the next depends on it (RFC 8895 §6.7.1).
    pub(super) fn rank(&self, id: &ResourceId) -> usize {
        self.rank_within(id, LONGEST_CHAIN)
    }

    fn rank_within(&self, id: &ResourceId, longest: usize) -> usize {
        let Some(rest) = longest.checked_sub(1) else {
            return 0;
        };
        let dependencies = self.nature(id).map_or(Vec::new(), |n| n.dependencies);
        let ranks = dependencies.iter().filter(|other| *other != id);
        ranks
            .map(|other| 1 + self.rank_within(other, rest))
            .max()
            .unwrap_or(0)
    }

    /// A resource as it is now.
    pub(super) fn version(
        &self,
        id: &ResourceId,
        input: Option<&[u8]>,
        asking: &Asking<'_>,
    ) -> Result<Arc<Version>, Refusal> {
        if input.is_none()
            && let Some(document) = self.document(id)
        {
            return Ok(document);
        }
        let rendered = self.current.render(id, input, asking)?;
        Ok(Arc::new(Version::new(rendered)))
    }

    /// The patch that makes `current` of what has the hash `from`, if that was published just before.
    pub(super) fn patch(
        &self,
        id: &ResourceId,
        input: Option<&[u8]>,
        asking: &Asking<'_>,
        from: &Tag,
        current: &Version,
    ) -> Option<Arc<[u8]>> {
        if input.is_none() {
            let step = self.step(id, current)?;
            return step.patch.clone().filter(|_| *step.from == *from);
        }
        // The answer of then is the function of the question that it was.
        let before = self.previous.as_ref()?.render(id, input, asking).ok()?;
        let patch = || merge_patch::diff(&before.body, &current.rendered.body);
        (*before.hash == *from).then(patch)?.map(Arc::from)
    }

    fn document(&self, id: &ResourceId) -> Option<Arc<Version>> {
        let document = self.documents.get(id)?;
        let version = || Some(Arc::new(Version::new(fetched(self.current.as_ref(), id)?)));
        document.version.get_or_init(version).clone()
    }

    fn step(&self, id: &ResourceId, current: &Version) -> Option<&Step> {
        let document = self.documents.get(id)?;
        let step = || {
            let before = match &document.before {
                Some(before) => Arc::clone(before),
                None => Arc::new(Version::new(fetched(self.previous.as_deref()?, id)?)),
            };
            let is_changed = before.hash() != current.hash();
            let patch = || merge_patch::diff(&before.rendered.body, &current.rendered.body);
            Some(Step {
                patch: is_changed.then(patch).flatten().map(Arc::from),
                from: Arc::clone(before.hash()),
            })
        };
        document.step.get_or_init(step).as_ref()
    }
}

fn fetched(source: &dyn Source, id: &ResourceId) -> Option<Rendered> {
    let asking = Asking {
        peer: None,
        limits: &crate::Limits::default(),
    };
    source.render(id, None, &asking).ok()
}
