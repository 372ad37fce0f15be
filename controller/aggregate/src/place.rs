//! Where a subscriber is, as the names of PIDs (RFC 7285 §10.1).

use std::fmt;

/// The PID that stands for everybody, and everywhere.
pub const TOTAL: &str = "TOTAL";

/// Longest parts of a name, by level: with three colons they are 64 characters at most.
const PARTS: [usize; 4] = [20, 20, 10, 11];
/// Characters of the hash that marks a part which had to be cut.
const MARK: usize = 8;

/// What is known of where and how a subscriber is connected. An absent label ends the chain: with a
/// technology but no region, a subscriber counts for its ISP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels<'a> {
    /// For instance `as3320`.
    pub isp: Option<&'a str>,
    /// For instance `de-by`.
    pub region: Option<&'a str>,
    /// For instance `vdsl`.
    pub technology: Option<&'a str>,
    /// For instance `t50`.
    pub contract: Option<&'a str>,
}

impl<'a> Labels<'a> {
    /// All four, largest place first.
    pub(crate) fn chain(self) -> [Option<&'a str>; 4] {
        [self.isp, self.region, self.technology, self.contract]
    }
}

/// How large a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Everybody.
    Total,
    /// An ISP.
    Isp,
    /// ISP × region.
    Region,
    /// ISP × region × technology.
    Technology,
    /// ISP × region × technology × contract.
    Contract,
}

/// A node of the tree everybody → ISP → region → technology → contract. Displayed, it is a valid PID
/// name. A place sorts before the smaller ones inside it, and these before all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Vec<String>);

impl Place {
    /// The place that an agent's labels name. Characters a PID name cannot have, the dot and the
    /// colon among them, become `-`; labels that differ in such characters only are one place.
    pub fn of(labels: Labels<'_>) -> Self {
        let mut parts: Vec<String> = labels
            .chain()
            .into_iter()
            .zip(PARTS)
            .map_while(|(label, longest)| part(label?, longest))
            .collect();
        if let Some(isp) = parts.first_mut() {
            *isp = unreserved(std::mem::take(isp));
        }
        Self(parts)
    }

    /// How large it is.
    pub fn level(&self) -> Level {
        match self.0.len() {
            0 => Level::Total,
            1 => Level::Isp,
            2 => Level::Region,
            3 => Level::Technology,
            _ => Level::Contract,
        }
    }

    /// Steps below everybody.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    /// The next larger place.
    pub fn parent(&self) -> Option<Self> {
        let (_, larger) = self.0.split_last()?;
        Some(Self(larger.to_vec()))
    }

    /// The place itself and every larger one.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(TOTAL);
        }
        f.write_str(&self.0.join(":"))
    }
}

/// A label as a part of a PID name, `None` if it is blank.
fn part(label: &str, longest: usize) -> Option<String> {
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
    if telling && clean.len() <= longest {
        return Some(clean);
    }
    // Cut or wholly foreign names would fall together; the mark keeps them apart.
    let head = if telling {
        &clean[..clean.len().min(longest - MARK - 1)]
    } else {
        "x"
    };
    Some(format!("{head}-{:08x}", fnv1a(label)))
}

/// Keeps an ISP of that name from taking the place of a PID with a meaning of its own.
fn unreserved(isp: String) -> String {
    if isp == TOTAL || isp.starts_with(crate::CLUSTER_PREFIX) {
        let kept = isp.len().min(PARTS[0] - 4);
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
        Place::of(Labels {
            isp,
            region,
            ..Labels::default()
        })
        .to_string()
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
    fn technology_and_contract_follow_the_region() {
        let mut labels = Labels {
            isp: Some("as3320"),
            region: Some("de-by"),
            technology: Some("vdsl"),
            contract: Some("t50"),
        };
        let place = Place::of(labels);
        assert_eq!(place.to_string(), "as3320:de-by:vdsl:t50");
        assert_eq!(place.level(), Level::Contract);
        let names: Vec<String> = place.chain().map(|p| p.to_string()).collect();
        assert_eq!(
            names[1..],
            ["as3320:de-by:vdsl", "as3320:de-by", "as3320", "TOTAL"]
        );
        labels.region = None;
        assert_eq!(
            Place::of(labels).to_string(),
            "as3320",
            "the chain ends at the first gap"
        );
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
        fn every_label_makes_a_legal_pid_name(isp in ".{0,90}", region in prop::option::of(".{0,90}"), technology in ".{0,30}", contract in ".{0,30}") {
            let labels = Labels { isp: Some(&isp), region: region.as_deref(), technology: Some(&technology), contract: Some(&contract) };
            let pid = Place::of(labels).to_string();
            prop_assert!((1..=64).contains(&pid.len()), "{}", pid);
            prop_assert!(pid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-:@_".contains(&b)), "{}", pid);
            prop_assert!(!pid.starts_with(crate::CLUSTER_PREFIX));
        }
    }
}
