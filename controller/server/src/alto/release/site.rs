//! ALTO documents where a static web server finds them.

use super::super::client::media;
use super::{File, ReleaseError};
use glimpse_alto::{Content, Publication, Shelved};
use serde_json::Value;

/// The file that stands for a folder.
const INDEX: &str = "index.json";

pub(super) fn files(editions: Vec<Shelved>) -> Result<Vec<File>, ReleaseError> {
    let publication = Publication::new(Content {
        editions,
        fetched_only: true,
    })?;
    publication
        .documents()
        .map(|(path, document)| {
            let bytes = &document.identity.bytes;
            Ok(File {
                path: file(path),
                media_type: document.media_type,
                bytes: if document.media_type == media::DIRECTORY {
                    linked(bytes)?
                } else {
                    bytes.to_vec()
                },
            })
        })
        .collect()
}

/// The file of what is at a path of a server.
fn file(path: &str) -> String {
    let relative = path.trim_start_matches('/');
    if relative.is_empty() || relative.ends_with('/') {
        format!("{relative}{INDEX}")
    } else {
        relative.to_owned()
    }
}

/// The directory with links to files instead of folders.
fn linked(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut directory: Value = serde_json::from_slice(bytes)?;
    let resources = directory
        .get_mut("resources")
        .and_then(Value::as_object_mut);
    for (_, resource) in resources.into_iter().flatten() {
        if let Some(Value::String(uri)) = resource.get_mut("uri")
            && uri.ends_with('/')
        {
            uri.push_str(INDEX);
        }
    }
    serde_json::to_vec(&directory)
}
