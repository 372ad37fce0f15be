//! Where a subscriber is, as the names of PIDs (RFC 7285 §10.1).

use std::fmt;

/// The PID that stands for everybody, and everywhere.
pub const TOTAL: &str = "TOTAL";

/// Longest part of a name: two of them and a colon are 64 characters at most.
const PART: usize = 31;
/// Characters of the hash that marks a part which had to be cut.
const MARK: usize = 8;

/// A node of the tree everybody → ISP → region. Displayed, it is a valid PID name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Everybody.
    Total,
    /// All subscribers of one ISP.
    Isp(String),
    /// The subscribers of one ISP in one region.
    Region(String, String),
}

impl Place {
    /// The place that an agent's labels name. Characters a PID name cannot have, the dot and the
    /// colon among them, become `-`; labels that differ in such characters only are one place.
    pub fn of(isp: Option<&str>, region: Option<&str>) -> Self {
        match (isp.and_then(part), region.and_then(part)) {
            (None, _) => Self::Total,
            (Some(isp), None) => Self::Isp(unreserved(isp)),
            (Some(isp), Some(region)) => Self::Region(unreserved(isp), region),
        }
    }

    /// The next larger place.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self {
            Self::Total => None,
            Self::Isp(_) => Some(Self::Total),
            Self::Region(isp, _) => Some(Self::Isp(isp.clone())),
        }
    }

    /// The place itself and every larger one.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str(TOTAL),
            Self::Isp(isp) => f.write_str(isp),
            Self::Region(isp, region) => write!(f, "{isp}:{region}"),
        }
    }
}

/// A label as a part of a PID name, `None` if it is blank.
fn part(label: &str) -> Option<String> {
    let label = label.trim();
    if label.is_empty() {
        return None;
    }
    let clean: String = label
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '@' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let telling = clean.bytes().any(|b| b.is_ascii_alphanumeric());
    if telling && clean.len() <= PART {
        return Some(clean);
    }
    // Cut or wholly foreign names would fall together; the mark keeps them apart.
    let head = if telling {
        &clean[..PART - MARK - 1]
    } else {
        "x"
    };
    Some(format!("{head}-{:08x}", fnv1a(label)))
}

/// Keeps an ISP of that name from taking the place of a PID with a meaning of its own.
fn unreserved(isp: String) -> String {
    if isp == TOTAL || isp.starts_with(crate::CLUSTER_PREFIX) {
        let kept = isp.len().min(PART - 4);
        return format!("isp-{}", &isp[..kept]);
    }
    isp
}

fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(isp: Option<&str>, region: Option<&str>) -> String {
        Place::of(isp, region).to_string()
    }

    #[test]
    fn labels_become_pid_names() {
        assert_eq!(name(Some("as3320"), Some("de-by")), "as3320:de-by");
        assert_eq!(name(Some("as3320"), None), "as3320");
        assert_eq!(
            name(Some("Deutsche Telekom"), Some("D.E:by")),
            "Deutsche-Telekom:D-E-by"
        );
        assert_eq!(name(None, Some("de-by")), "TOTAL");
        assert_eq!(name(Some("  "), Some("de-by")), "TOTAL");
    }

    #[test]
    fn no_label_takes_a_reserved_name() {
        assert_eq!(name(Some("TOTAL"), None), "isp-TOTAL");
        assert_eq!(name(Some("MSMNT-CL1"), None), "isp-MSMNT-CL1");
    }

    #[test]
    fn an_isp_with_a_colon_is_not_another_isps_region() {
        assert_ne!(name(Some("a:b"), None), name(Some("a"), Some("b")));
    }

    #[test]
    fn long_and_foreign_labels_stay_apart() {
        let long = "x".repeat(80);
        let longer = "x".repeat(81);
        assert_ne!(name(Some(&long), None), name(Some(&longer), None));
        assert_ne!(name(Some("МТС"), None), name(Some("КТК"), None));
    }

    proptest! {
        #[test]
        fn every_label_makes_a_legal_pid_name(isp in ".{0,90}", region in prop::option::of(".{0,90}")) {
            let pid = name(Some(&isp), region.as_deref());
            prop_assert!((1..=64).contains(&pid.len()), "{}", pid);
            prop_assert!(pid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-:@_".contains(&b)), "{}", pid);
            prop_assert!(!pid.starts_with(crate::CLUSTER_PREFIX));
        }
    }
}
