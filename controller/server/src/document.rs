//! JSON documents with entity tags, compressed on wish.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use glimpse_alto::{accepts_gzip, etag_matches};
use sha2::{Digest, Sha256};
use std::io::Write;

/// Shorter documents do not gain by compression.
const WORTH_COMPRESSING: usize = 1024;

/// Lower than the default: maps are a little longer by it, and packed much sooner (docs/figures.md).
const LEVEL: u32 = 3;

/// A document and its tag, which depends on its bytes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    tag: String,
    bytes: Vec<u8>,
}

impl Document {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        Self {
            tag: URL_SAFE_NO_PAD.encode(&digest[..16]),
            bytes,
        }
    }

    /// Whether the asker has it already, in whatever coding.
    pub(crate) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let known = headers
            .get(header::IF_NONE_MATCH)
            .and_then(|known| known.to_str().ok());
        etag_matches(known, &self.entity_tag(false)) || etag_matches(known, &self.entity_tag(true))
    }

    /// The document, or 304 where the asker has it.
    pub(crate) fn answer(self, headers: &HeaderMap) -> Response {
        let wish = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|wish| wish.to_str().ok());
        let gzip = self.bytes.len() >= WORTH_COMPRESSING && accepts_gzip(wish);
        let mut response = if self.is_known_to(headers) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let bytes = if gzip {
                compress(&self.bytes)
            } else {
                self.bytes.clone()
            };
            let mut response = Body::from(bytes).into_response();
            let fields = response.headers_mut();
            fields.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            if gzip {
                fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let fields = response.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&self.entity_tag(gzip)) {
            fields.insert(header::ETAG, tag);
        }
        fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        fields.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        );
        response
    }

    fn entity_tag(&self, gzip: bool) -> String {
        let coding = if gzip { "-gzip" } else { "" };
        format!("\"{}{coding}\"", self.tag)
    }
}

/// The bytes as gzip, without a time in the header, so that equal bytes stay equal.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    compress_into(bytes, &mut packed);
    packed
}

/// Appends the bytes as [`compress`] gives them.
pub(crate) fn compress_into(bytes: &[u8], packed: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(packed, Compression::new(LEVEL));
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    let _ = encoder.finish();
}
