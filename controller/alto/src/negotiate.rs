//! Decisions over HTTP header fields (RFC 9110 §8.3, §12.5, §13.1).

/// Whether a representation may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The client takes this type.
    Serve,
    /// It does not: 406.
    NotAcceptable,
}

/// Whether the field `Accept` admits a media type. The most specific range decides; without the field
/// everything is admitted. Parameters other than `q` are not compared.
pub fn accepts(accept: Option<&str>, media_type: &str) -> Acceptance {
    let Some(field) = accept.filter(|field| !field.trim().is_empty()) else {
        return Acceptance::Serve;
    };
    let whole_type = media_type.split('/').next().unwrap_or_default();
    let specificity = |range: &str| match range.split_once('/') {
        Some(("*", "*")) => Some(1),
        Some((kind, "*")) if kind.eq_ignore_ascii_case(whole_type) => Some(2),
        _ if range.eq_ignore_ascii_case(media_type) => Some(3),
        _ => None,
    };
    let best = weighted(field)
        .filter_map(|(range, wanted)| Some((specificity(range)?, wanted)))
        .max();
    match best {
        Some((_, true)) => Acceptance::Serve,
        _ => Acceptance::NotAcceptable,
    }
}

/// Whether the field `Accept-Encoding` admits gzip. Without the field nothing is coded.
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let specificity = |coding: &str| match coding {
        "*" => Some(1),
        _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
            Some(2)
        }
        _ => None,
    };
    let best = weighted(accept_encoding.unwrap_or_default())
        .filter_map(|(coding, wanted)| Some((specificity(coding)?, wanted)))
        .max();
    matches!(best, Some((_, true)))
}

/// The elements of a list field, and whether their weight is above zero.
fn weighted(field: &str) -> impl Iterator<Item = (&str, bool)> {
    field.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
        let zero =
            weight.is_some_and(|q| !q.is_empty() && q.chars().all(|c| matches!(c, '0' | '.')));
        Some((name, !zero))
    })
}

/// Whether the field `Content-Type` names a media type, without regard to parameters and case.
pub fn same_media_type(content_type: Option<&str>, media_type: &str) -> bool {
    content_type.is_some_and(|field| {
        field
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case(media_type)
    })
}

/// Whether the field `If-None-Match` names the entity tag (with its quotes), by weak comparison.
pub fn etag_matches(if_none_match: Option<&str>, etag: &str) -> bool {
    if_none_match.is_some_and(|field| {
        field
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{COST_MAP, ERROR, NETWORK_MAP};

    #[test]
    fn the_most_specific_range_decides() {
        let both = format!("{COST_MAP},{ERROR}");
        let refused = format!("*/*, {COST_MAP};q=0");
        let parameter = format!("{COST_MAP}; charset=utf-8;q=0.5");
        let upper = COST_MAP.to_ascii_uppercase();
        for field in [
            None,
            Some(""),
            Some("*/*"),
            Some("text/html, */*;q=0.1"),
            Some("application/*"),
            Some(&both),
            Some(&parameter),
            Some(&upper),
        ] {
            assert_eq!(accepts(field, COST_MAP), Acceptance::Serve, "{field:?}");
        }
        for field in [
            "text/html",
            "text/*",
            ERROR,
            NETWORK_MAP,
            &refused,
            "*/*;q=0",
            "application/*;q=0.0, */*",
            "nonsense",
            ",",
        ] {
            assert_eq!(
                accepts(Some(field), COST_MAP),
                Acceptance::NotAcceptable,
                "{field}"
            );
        }
    }

    #[test]
    fn gzip_is_sent_only_on_wish() {
        for field in ["gzip", "deflate, gzip;q=1.0", "*", "GZIP", "br, *;q=0.1"] {
            assert!(accepts_gzip(Some(field)), "{field}");
        }
        for field in ["", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "br"] {
            assert!(!accepts_gzip(Some(field)), "{field}");
        }
        assert!(!accepts_gzip(None));
    }

    #[test]
    fn content_types_are_compared_without_parameters_and_case() {
        assert!(same_media_type(
            Some("Application/ALTO-costmap+json; charset=utf-8"),
            COST_MAP
        ));
        assert!(!same_media_type(Some("application/json"), COST_MAP));
        assert!(!same_media_type(None, COST_MAP));
    }

    #[test]
    fn entity_tags_are_compared_weakly() {
        for field in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(etag_matches(Some(field), "\"a\""), "{field}");
        }
        for field in ["a", "\"b\"", "", "\"a-gzip\""] {
            assert!(!etag_matches(Some(field), "\"a\""), "{field}");
        }
        assert!(!etag_matches(None, "\"a\""));
    }
}
