//! Whether what a prober saw is what there is.

use glimpse_tests::emulator::{Path, Topology, Truth};
use std::collections::BTreeSet;

/// How a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The target, or somebody in its place, said that this is the end.
    Answered,
    /// An address came again.
    Loop,
    /// Nobody answered any more.
    Silence,
}

/// What a prober saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Who answered at TTL 1, 2, 3, …
    pub(super) path: Path,
    /// How it ended.
    pub(super) ending: Ending,
}

/// Whether `way` is one of `ways`. Where a network loses packets, or sends those of one flow several ways, each hop has to
/// be one that there is at its TTL. What is seen before silence or in a loop has to be the beginning of a way; and UDP must
/// not end in silence where there is a target to be reached.
pub(super) fn is_exact(
    topology: &Topology,
    truth: &Truth,
    ways: &BTreeSet<Path>,
    kind: &str,
    way: &Way,
) -> bool {
    let heard = way
        .path
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |at| at + 1);
    let path = &way.path[..heard];
    if has_luck(topology, kind) {
        let hops = &truth.graph.hops;
        return path
            .iter()
            .enumerate()
            .all(|(at, hop)| hop.is_none() || hops.get(at).is_some_and(|hops| hops.contains(hop)));
    }
    let begins = ways.iter().any(|way| way.starts_with(path));
    match way.ending {
        Ending::Answered => {
            // What is refused to UDP alone reaches the target otherwise.
            let beyond =
                kind != "Udp" && !truth.reached && way.path.last() == Some(&Some(truth.target));
            ways.contains(&way.path) || beyond && ways.iter().any(|way| *way == path[..heard - 1])
        }
        // The loop is shown once round, or cut before.
        Ending::Loop => !truth.reached && begins,
        Ending::Silence => {
            begins && heard > 0 && !(truth.reached && expects_answer(topology, kind))
        }
    }
}

/// Where what is seen depends on luck, or what routers quote leads the kernel to no TCP socket.
fn has_luck(topology: &Topology, kind: &str) -> bool {
    let name = topology.name();
    ["lossy", "loss-exact"].contains(&name)
        || name.contains("packet")
        || name.contains("round-robin")
        || (kind == "Tcp" && ["short-quote", "nat-untranslated"].contains(&name))
}

/// Whether an answer of the target is to be had with this type, if it is to be reached at all.
fn expects_answer(topology: &Topology, kind: &str) -> bool {
    match topology.name() {
        "tcp-filtered" => kind == "Tcp",
        // An echo reply or a segment from another address than was asked answers nothing.
        "address-rewriting" => kind == "Udp",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn verdict(name: &str, kind: &str, hops: &[&str], ending: Ending) -> bool {
        let topology = Topology::load(name).unwrap();
        let truth = &topology.truths()[0];
        let path = hops.iter().map(|hop| hop.parse().ok()).collect();
        let ways = topology.paths(truth.target);
        is_exact(&topology, truth, &ways, kind, &Way { path, ending })
    }

    #[test]
    fn a_hop_too_few_or_another_is_not_exact() {
        let [r1, r2, target] = ["198.51.100.1", "198.51.100.2", "203.0.113.1"];
        let whole = [r1, r2, target];
        assert!(verdict("tcp-filtered", "Tcp", &whole, Ending::Answered));
        assert!(!verdict(
            "tcp-filtered",
            "Tcp",
            &whole[..2],
            Ending::Silence
        ));
        assert!(verdict("tcp-filtered", "Udp", &whole[..2], Ending::Silence));
        assert!(!verdict("tcp-filtered", "Udp", &[r2], Ending::Silence));
        assert!(!verdict("tcp-filtered", "Udp", &[], Ending::Silence));
        assert!(!verdict(
            "tcp-filtered",
            "Tcp",
            &[r1, target],
            Ending::Answered
        ));
        assert!(!verdict(
            "tcp-filtered",
            "Tcp",
            &[r1, "*", target],
            Ending::Answered
        ));
    }

    #[test]
    fn what_is_refused_to_udp_is_reached_by_others() {
        let [r1, r2, target] = ["198.51.100.1", "198.51.100.2", "203.0.113.1"];
        assert!(verdict(
            "udp-prohibited",
            "Udp",
            &[r1, r2],
            Ending::Answered
        ));
        assert!(!verdict(
            "udp-prohibited",
            "Udp",
            &[r1, r2, target],
            Ending::Answered
        ));
        assert!(verdict(
            "udp-prohibited",
            "Icmp",
            &[r1, r2, target],
            Ending::Answered
        ));
        assert!(!verdict(
            "udp-prohibited",
            "Icmp",
            &[r1, target],
            Ending::Answered
        ));
    }

    #[test]
    fn luck_excuses_silence_but_no_wrong_address() {
        assert!(verdict(
            "loss-exact",
            "Udp",
            &["*", "203.0.113.1"],
            Ending::Answered
        ));
        assert!(!verdict(
            "loss-exact",
            "Udp",
            &["198.51.100.9", "203.0.113.1"],
            Ending::Answered
        ));
    }
}
