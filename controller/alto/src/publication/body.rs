//! Bodies of documents, and what can be told from a body.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Document, Provenance, Representation};
use crate::{
    Column, CostMode, NetworkMap, PropertyMap, ResourceId, Tag, VersionTag, media, rfc3339,
};

const META: &str = "meta";

/// JSON without white space; the types of this crate keep their members in one order.
pub(crate) fn canonical(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, value);
    bytes
}

/// Writes [`canonical`] JSON behind what is there.
#[expect(
    clippy::expect_used,
    reason = "names are strings and no Serialize of this crate fails"
)]
pub(crate) fn append(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("our own types serialise");
}

/// Writes the comma before all members but the first, and the name, in which JSON escapes nothing.
pub(crate) fn begin_member(out: &mut Vec<u8>, nth: usize, name: &str) {
    if nth > 0 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

impl Document {
    /// The document of a body whose data member stands in `data` and has the tag.
    fn new(
        id: ResourceId,
        media_type: &'static str,
        tag: Tag,
        bytes: &[u8],
        data: Range<usize>,
    ) -> Self {
        // The tag stands for the data, which need not be hashed again.
        let rest = [&bytes[..data.start], &bytes[data.end..]];
        let hash = Tag::of(&[tag.as_str().as_bytes(), rest[0], rest[1]].concat());
        Self::with_hash(Some(id), media_type, tag, hash, bytes)
    }

    fn with_hash(
        id: Option<ResourceId>,
        media_type: &'static str,
        tag: Tag,
        hash: Tag,
        bytes: &[u8],
    ) -> Self {
        let etag = format!("\"{}\"", hash.as_str());
        Self {
            id,
            media_type,
            tag,
            hash: Arc::new(hash),
            patchable: true,
            identity: Representation {
                bytes: bytes.into(),
                etag,
            },
            gzip: None,
        }
    }

    pub(super) fn directory(id: Option<ResourceId>, bytes: &[u8]) -> Self {
        let tag = Tag::of(bytes);
        Self {
            patchable: false,
            ..Self::with_hash(id, media::DIRECTORY, tag.clone(), tag, bytes)
        }
    }
}

/// A network map; `out` is written anew.
pub(super) fn network_map(out: &mut Vec<u8>, map: &NetworkMap, vtag: &VersionTag) -> Document {
    #[derive(Serialize)]
    struct Meta<'a> {
        vtag: &'a VersionTag,
    }
    out.clear();
    out.push(b'{');
    begin_member(out, 0, META);
    append(out, &Meta { vtag });
    begin_member(out, 1, "network-map");
    let begin = out.len();
    map.write(out);
    let data = begin..out.len();
    out.push(b'}');
    let (id, tag) = (vtag.resource_id.clone(), vtag.tag.clone());
    Document::new(id, media::NETWORK_MAP, tag, out, data)
}

/// Everything that is said of PIDs.
pub(super) fn property_map(id: ResourceId, map: &PropertyMap) -> Document {
    let vtag = VersionTag {
        resource_id: id,
        tag: Tag::of(&canonical(map)),
    };
    let bytes = map.to_bytes(&vtag);
    let (id, hash) = (vtag.resource_id, Tag::of(&bytes));
    Document::with_hash(Some(id), media::PROPERTY_MAP, vtag.tag, hash, &bytes)
}

/// A cost map of one mode of a column; `out` is written anew.
pub(super) fn cost_map(
    out: &mut Vec<u8>,
    id: ResourceId,
    column: &Column,
    mode: CostMode,
    network_map: &VersionTag,
    provenance: &Provenance,
) -> Document {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Meta<'a> {
        cost_type: crate::CostType,
        dependent_vtags: [&'a VersionTag; 1],
        glimpse_stats: Stats,
        vtag: &'a VersionTag,
    }
    out.clear();
    out.push(b'{');
    begin_member(out, 0, "cost-map");
    let begin = out.len();
    match mode {
        CostMode::Numerical => column.costs.write(out),
        CostMode::Ordinal => column.costs.ordinal(column.preference).write(out),
    }
    let data = begin..out.len();
    let vtag = VersionTag {
        resource_id: id,
        tag: Tag::of(&out[data.clone()]),
    };
    begin_member(out, 1, META);
    let meta = Meta {
        cost_type: column.cost_type(mode),
        dependent_vtags: [network_map],
        glimpse_stats: Stats::of(column, provenance),
        vtag: &vtag,
    };
    append(out, &meta);
    out.push(b'}');
    Document {
        patchable: mode == CostMode::Numerical,
        ..Document::new(vtag.resource_id, media::COST_MAP, vtag.tag, out, data)
    }
}

#[derive(Serialize)]
struct Stats {
    samples: u64,
    subscribers: u64,
    window: Window,
}

#[derive(Serialize)]
struct Window {
    end: String,
    start: String,
}

impl Stats {
    fn of(column: &Column, provenance: &Provenance) -> Self {
        Self {
            samples: column.samples,
            subscribers: column.subscribers,
            window: Window {
                end: rfc3339(provenance.window_end_us),
                start: rfc3339(provenance.window_start_us),
            },
        }
    }
}

/// The version of the data member of an answer: of what stands in it beside `meta`.
pub(super) fn data_tag(body: &[u8]) -> Tag {
    let members: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    match members.iter().find(|(name, _)| **name != META) {
        Some((_, data)) => Tag::of(data.get().as_bytes()),
        None => Tag::of(body),
    }
}

/// Whether an answer holds ranks.
pub(super) fn has_ranks(body: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        meta: Meta,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Meta {
        cost_type: Mode,
        multi_cost_types: Vec<Mode>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Mode {
        cost_mode: String,
    }
    let Meta {
        cost_type,
        multi_cost_types,
    } = serde_json::from_slice::<Answer>(body)
        .unwrap_or_default()
        .meta;
    std::iter::once(cost_type)
        .chain(multi_cost_types)
        .any(|mode| mode.cost_mode == CostMode::Ordinal.name())
}
