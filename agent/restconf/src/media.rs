//! Content negotiation (RFC 8040 §5.2, RFC 9110 §12.5.1).

pub use glimpse_yang::Encoding;

/// The media type of data.
pub const fn media_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "application/yang-data+json",
        Encoding::Xml => "application/yang-data+xml",
    }
}

/// `json` or `xml`: how streams name it (RFC 8040 §9.3).
pub const fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "json",
        Encoding::Xml => "xml",
    }
}

/// What a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `application/yang-data`, or the name it had before the RFC.
    Data(Encoding),
    /// `application/yang-patch` (RFC 8072).
    Patch(Encoding),
}

impl Content {
    /// How it is written.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::Data(encoding) | Self::Patch(encoding) => encoding,
        }
    }
}

/// What `PATCH` takes, as the header `Accept-Patch` lists it (RFC 8040 §4.1).
pub const ACCEPT_PATCH: &str = "application/yang-data+xml, application/yang-data+json, \
    application/yang-patch+xml, application/yang-patch+json";

/// The same of a server without `ietf-yang-patch`.
pub const ACCEPT_PATCH_PLAIN: &str = "application/yang-data+xml, application/yang-data+json";

/// Reads a `Content-Type`. `None` for types that are not ours and for charsets other than UTF-8.
pub fn content_type(header: &str) -> Option<Content> {
    let mut parts = header.split(';');
    let media_type = parts.next()?.trim().to_ascii_lowercase();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        let foreign = name.trim().eq_ignore_ascii_case("charset")
            && !value.eq_ignore_ascii_case("utf-8")
            && !value.eq_ignore_ascii_case("utf8")
            && !value.eq_ignore_ascii_case("us-ascii");
        if foreign {
            return None;
        }
    }
    match media_type.as_str() {
        "application/yang-data+json" | "application/yang.data+json" => {
            Some(Content::Data(Encoding::Json))
        }
        "application/yang-data+xml" | "application/yang.data+xml" => {
            Some(Content::Data(Encoding::Xml))
        }
        "application/yang-patch+json" | "application/yang.patch+json" => {
            Some(Content::Patch(Encoding::Json))
        }
        "application/yang-patch+xml" | "application/yang.patch+xml" => {
            Some(Content::Patch(Encoding::Xml))
        }
        _ => None,
    }
}

/// One entry of an `Accept` header: its type and its weight in thousandths.
fn entries(header: &str) -> impl Iterator<Item = (String, u32)> + '_ {
    header.split(',').filter_map(|entry| {
        let mut parts = entry.split(';');
        let media_type = parts.next()?.trim().to_ascii_lowercase();
        if media_type.is_empty() {
            return None;
        }
        let mut weight = 1000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                weight = thousandths(value.trim());
            }
        }
        Some((media_type, weight))
    })
}

/// A weight of RFC 9110 §12.4.2; what is none counts as 0, so that it never wins.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let padded = format!("{fraction:0<3}");
    match (whole, plain, padded.parse()) {
        ("0", true, Ok(value)) => value,
        ("1", true, Ok(0)) => 1000,
        _ => 0,
    }
}

/// The weight of a type, by the most specific entry that names it; 0 when none does.
fn weight(header: &str, names: &[&str]) -> u32 {
    let mut best = (0, 0);
    for (entry, weight) in entries(header) {
        let precise = if names.contains(&entry.as_str()) {
            3
        } else if entry == "*/*" {
            1
        } else if let Some(major) = entry.strip_suffix("/*") {
            let same = names
                .iter()
                .any(|name| name.split_once('/').is_some_and(|(own, _)| own == major));
            if same { 2 } else { 0 }
        } else {
            0
        };
        if precise > best.0 {
            best = (precise, weight);
        }
    }
    best.1
}

/// The encoding to answer in. `fallback` is that of the request, or JSON: it decides without a header and between equals.
/// `None`: 406.
pub fn negotiate(accept: Option<&str>, fallback: Encoding) -> Option<Encoding> {
    let Some(header) = accept else {
        return Some(fallback);
    };
    let json = weight(
        header,
        &["application/yang-data+json", "application/yang.data+json"],
    );
    let xml = weight(
        header,
        &["application/yang-data+xml", "application/yang.data+xml"],
    );
    match json.cmp(&xml) {
        std::cmp::Ordering::Greater => Some(Encoding::Json),
        std::cmp::Ordering::Less => Some(Encoding::Xml),
        std::cmp::Ordering::Equal if json == 0 => None,
        std::cmp::Ordering::Equal => Some(fallback),
    }
}

/// Whether a single type, such as `application/yang`, may be answered.
pub fn acceptable(accept: Option<&str>, media_type: &str) -> bool {
    accept.is_none_or(|header| weight(header, &[media_type]) > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_heaviest_type_wins_and_the_precise_entry_decides() {
        let cases = [
            (None, Encoding::Xml, Some(Encoding::Xml)),
            (Some("*/*"), Encoding::Json, Some(Encoding::Json)),
            (Some("application/*"), Encoding::Xml, Some(Encoding::Xml)),
            (
                Some("application/yang-data+xml;q=0.5, application/yang-data+json;q=0.4"),
                Encoding::Json,
                Some(Encoding::Xml),
            ),
            (
                Some("*/*, application/yang-data+json;q=0"),
                Encoding::Json,
                Some(Encoding::Xml),
            ),
            (
                Some("text/html, Application/Yang.Data+JSON ; q=0.1"),
                Encoding::Xml,
                Some(Encoding::Json),
            ),
            (Some("text/html"), Encoding::Json, None),
            (Some("text/*, application/yang-data"), Encoding::Json, None),
            (
                Some("application/yang-data+json;q=0.0"),
                Encoding::Json,
                None,
            ),
            (Some("application/yang-data+json;q=2"), Encoding::Json, None),
            (Some(""), Encoding::Json, None),
        ];
        for (accept, fallback, expected) in cases {
            assert_eq!(negotiate(accept, fallback), expected, "{accept:?}");
        }
        assert!(acceptable(Some("text/*;q=0.2"), "text/event-stream"));
        assert!(!acceptable(Some("application/yang"), "text/event-stream"));
    }

    #[test]
    fn content_types_have_aliases_and_charsets() {
        assert_eq!(
            content_type("application/yang-data+json; charset=UTF-8"),
            Some(Content::Data(Encoding::Json))
        );
        assert_eq!(
            content_type("APPLICATION/yang.data+xml"),
            Some(Content::Data(Encoding::Xml))
        );
        assert_eq!(
            content_type("application/yang-patch+json"),
            Some(Content::Patch(Encoding::Json))
        );
        for foreign in [
            "",
            "text/plain",
            "application/json",
            "application/x-www-form-urlencoded",
            "application/yang-data+json; charset=utf-16",
        ] {
            assert_eq!(content_type(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_negotiation(text in any::<String>()) {
            let _ = content_type(&text);
            let _ = negotiate(Some(&text), Encoding::Json);
        }
    }
}
