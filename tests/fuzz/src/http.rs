//! What web servers say.

use glimpse_probe::methods::http::body::Body;
use glimpse_probe::methods::http::head::{HEAD_LIMIT, Head};
use glimpse_probe::methods::http::url::Url;

/// A whole response: heads, then the body, at once and byte by byte, which must come to the same.
pub fn response(bytes: &[u8]) {
    let mut rest = bytes;
    let head = loop {
        match Head::parse(rest) {
            Ok(Some(head)) => {
                assert!(head.length <= rest.len() && head.length <= HEAD_LIMIT && head.length > 0);
                rest = &rest[head.length..];
                if !head.is_interim() {
                    break head;
                }
            }
            Ok(None) | Err(_) => return,
        }
    };
    let (mut whole, mut content) = (Body::new(head.framing), Vec::new());
    let taken = whole.take(rest, |part| content.extend_from_slice(part));
    assert_eq!(whole.received(), content.len() as u64);
    let (mut single, mut parts) = (Body::new(head.framing), Vec::new());
    let mut used = Ok(0);
    for byte in rest {
        match single.take(std::slice::from_ref(byte), |part| {
            parts.extend_from_slice(part);
        }) {
            Ok(0) => break,
            Ok(_) => used = used.map(|used| used + 1),
            Err(error) => used = Err(error),
        }
        if used.is_err() {
            break;
        }
    }
    assert_eq!((taken, &content), (used, &parts));
    if taken.is_ok() {
        assert_eq!(whole, single);
        let _ = whole.closed();
    }
}

/// A URL, then in further lines where redirects lead.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let Some(Ok(mut url)) = lines.next().map(Url::parse) else {
        return;
    };
    written(&url);
    for location in lines {
        if let Ok(next) = url.join(location) {
            written(&next);
            url = next;
        }
    }
}

/// What was read is read back.
fn written(url: &Url) {
    let text = url.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    match Url::parse(&text) {
        Ok(again) => assert_eq!(&again, url, "{text}"),
        // A base and a reference can be longer together than one may be.
        Err(error) => assert!(text.len() > 1000, "{text}: {error}"),
    }
}

/// What a server says of the bytes it received.
pub fn received(bytes: &[u8]) {
    let _ = glimpse_probe::methods::http::received(bytes);
}
