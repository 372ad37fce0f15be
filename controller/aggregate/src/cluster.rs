//! Measurement clusters: the far ends of the pings.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Every cluster's PID is this and a number from 1.
pub const CLUSTER_PREFIX: &str = "MSMNT-CL";

/// How targets become clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clusters {
    /// Every target is a cluster. The published ones are numbered in order: IPv4 addresses, IPv6
    /// addresses, then names.
    #[default]
    PerTarget,
    /// The operator's list: the n-th entry holds the targets of `MSMNT-CLn`. Such clusters are public
    /// even when nothing was measured; a target in no entry counts for `TOTAL` alone.
    Listed(Vec<Vec<String>>),
}

impl Clusters {
    /// The cluster a target belongs to; a target without a name belongs to none.
    pub(crate) fn key(&self, target: &str) -> Option<ClusterKey> {
        if target.trim().is_empty() {
            return None;
        }
        match self {
            Self::PerTarget => Some(ClusterKey::Target(Target::of(target))),
            Self::Listed(list) => {
                let wanted = Target::of(target);
                list.iter()
                    .position(|targets| targets.iter().any(|t| Target::of(t) == wanted))
                    .map(ClusterKey::Entry)
            }
        }
    }
}

/// A cluster before it has a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ClusterKey {
    /// Index into the operator's list.
    Entry(usize),
    /// A target of its own.
    Target(Target),
}

/// A target in comparable form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    Address(IpAddr),
    Name(String),
}

impl Target {
    fn of(text: &str) -> Self {
        let text = text.trim();
        match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) => Self::Name(text.trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The PID of the cluster with the given index, from 0.
pub(crate) fn pid_name(index: usize) -> String {
    format!("{CLUSTER_PREFIX}{}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_ordered_by_address_then_by_name() {
        let mut targets = [
            "b.example",
            "2001:db8::1",
            "10.0.0.10",
            "A.example.",
            "10.0.0.9",
        ]
        .map(Target::of);
        targets.sort();
        assert_eq!(
            targets.map(|t| t.to_string()),
            [
                "10.0.0.9",
                "10.0.0.10",
                "2001:db8::1",
                "a.example",
                "b.example"
            ]
        );
    }

    #[test]
    fn a_target_without_a_name_is_no_cluster() {
        assert_eq!(Clusters::PerTarget.key(" "), None);
        assert!(Clusters::PerTarget.key("a").is_some());
    }

    #[test]
    fn a_target_is_found_in_the_list_in_any_spelling() {
        let list = Clusters::Listed(vec![
            vec!["2001:db8::1".into()],
            vec!["Ping.example".into()],
        ]);
        assert_eq!(list.key("2001:DB8:0::1"), Some(ClusterKey::Entry(0)));
        assert_eq!(list.key("ping.example."), Some(ClusterKey::Entry(1)));
        assert_eq!(list.key("elsewhere.example"), None);
    }
}
