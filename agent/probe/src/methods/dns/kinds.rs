//! Record types: numbers, mnemonics, and `TYPEnnn` for those without one (RFC 3597 §5).

/// Mnemonics of the IANA registry, by number.
const NAMES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (256, "URI"),
    (257, "CAA"),
    (32769, "DLV"),
];

/// Numbers of types that are asked for by name in this crate.
pub mod number {
    #![allow(missing_docs, reason = "each is the mnemonic of the registry")]
    pub const A: u16 = 1;
    pub const AAAA: u16 = 28;
    pub const PTR: u16 = 12;
    pub const OPT: u16 = 41;
}

/// The mnemonic of `kind`, or `TYPEnnn`.
pub fn name(kind: u16) -> String {
    NAMES
        .iter()
        .find(|(number, _)| *number == kind)
        .map_or_else(|| format!("TYPE{kind}"), |(_, name)| (*name).to_owned())
}

/// Why a text names no type that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// No mnemonic and no `TYPEnnn`.
    #[error("has a type that is not known: {0} (by number: TYPE1 to TYPE65535)")]
    Unknown(String),
    /// A query type that asks for no record, or for everything.
    #[error("cannot ask for {0}: name the types of the records wanted")]
    Meta(String),
    /// The same type a second time.
    #[error("names {0} twice")]
    Twice(String),
    /// None at all, or more than the limit.
    #[error("must name 1 to {0} types")]
    Count(usize),
}

/// Reads one type, in any letter case.
///
/// # Errors
/// [`KindError::Unknown`], or [`KindError::Meta`] for ANY (which servers need not answer in full, RFC 8482), zone
/// transfers and the other numbers that RFC 6895 §3.1 sets apart.
pub fn parse(text: &str) -> Result<u16, KindError> {
    let upper = text.to_ascii_uppercase();
    if let Some((kind, _)) = NAMES.iter().find(|(_, name)| *name == upper) {
        return Ok(*kind);
    }
    if [
        "ANY", "*", "AXFR", "IXFR", "OPT", "TSIG", "TKEY", "MAILA", "MAILB",
    ]
    .contains(&&*upper)
    {
        return Err(KindError::Meta(upper));
    }
    let digits = upper.strip_prefix("TYPE").unwrap_or_default();
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(0 | number::OPT | 128..=255) if plain => Err(KindError::Meta(upper)),
        Ok(kind) if plain => Ok(kind),
        _ => Err(KindError::Unknown(upper)),
    }
}

/// Reads a list such as `A,AAAA,TYPE731`, at most `limit` types, each once.
///
/// # Errors
/// [`KindError`] about the first fault.
pub fn parse_list(text: &str, limit: usize) -> Result<Vec<u16>, KindError> {
    let mut kinds = Vec::new();
    for word in text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let kind = parse(word)?;
        if kinds.contains(&kind) {
            return Err(KindError::Twice(name(kind)));
        }
        if kinds.len() == limit {
            return Err(KindError::Count(limit));
        }
        kinds.push(kind);
    }
    if kinds.is_empty() {
        return Err(KindError::Count(limit));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn every_type_that_holds_records_can_be_asked_for_by_name_or_number() {
        for kind in 1..=u16::MAX {
            let asked = parse(&name(kind));
            if kind == number::OPT || (128..=255).contains(&kind) {
                assert!(matches!(asked, Err(KindError::Meta(_))), "{kind}");
            } else {
                assert_eq!(asked, Ok(kind));
                assert_eq!(parse(&format!("type{kind}")), Ok(kind));
            }
        }
        assert_eq!(name(65), "HTTPS");
        assert_eq!(name(731), "TYPE731");
    }

    #[test]
    fn lists_are_refused_with_what_is_wrong() {
        assert_eq!(parse_list("a, AAAA ,Type65", 3), Ok(vec![1, 28, 65]));
        for (text, words) in [
            ("", "must name 1 to 3 types"),
            (",,", "must name 1 to 3 types"),
            ("A,MX,TXT,NS", "must name 1 to 3 types"),
            ("A,TYPE1", "names A twice"),
            (
                "any",
                "cannot ask for ANY: name the types of the records wanted",
            ),
            (
                "TYPE0",
                "cannot ask for TYPE0: name the types of the records wanted",
            ),
        ] {
            assert_eq!(
                parse_list(text, 3).unwrap_err().to_string(),
                words,
                "{text:?}"
            );
        }
        for text in ["TYPE65536", "TYPE", "TYPE+1", "QUX", "-x", "Ä"] {
            assert!(matches!(parse(text), Err(KindError::Unknown(_))), "{text}");
        }
    }
}
