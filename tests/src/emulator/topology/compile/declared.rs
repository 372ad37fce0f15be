//! What the author of a file declares to be true.

use super::Draft;
use crate::emulator::topology::TopologyError;
use crate::emulator::topology::file::TruthSection;
use crate::emulator::truth::{Graph, Truth};
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Draft<'_> {
    /// Reads one declaration.
    pub(super) fn truth(&self, section: &TruthSection) -> Result<Truth, TopologyError> {
        let at = section.target.span().start;
        let target = *section.target.get_ref();
        if !self.owners.contains_key(&target) {
            return Err(self.fault(at, format!("no node has the address {target}")));
        }
        let hop = |word: &str| match word {
            "*" => Ok(None),
            word => word.parse().map(Some).map_err(|_| {
                self.fault(at, format!("{word:?} in this truth is no address or \"*\""))
            }),
        };
        let mut hops = Vec::new();
        for words in &section.hops {
            let hop: Result<BTreeSet<_>, _> = words.iter().map(|word| hop(word)).collect();
            hops.push(hop?);
        }
        let mut edges = Vec::new();
        match &section.edges {
            None => edges.extend(hops.windows(2).map(|pair| {
                let all = |from: &Option<IpAddr>| {
                    pair[1].iter().map(|to| (*from, *to)).collect::<Vec<_>>()
                };
                pair[0].iter().flat_map(all).collect::<BTreeSet<_>>()
            })),
            Some(declared) => {
                for pairs in declared {
                    let pair = |pair: &String| {
                        let (from, to) = pair.split_once(' ').ok_or_else(|| {
                            self.fault(at, format!("{pair:?} in this truth is no pair"))
                        })?;
                        Ok((hop(from)?, hop(to)?))
                    };
                    let pairs: Result<BTreeSet<_>, TopologyError> =
                        pairs.iter().map(pair).collect();
                    edges.push(pairs?);
                }
            }
        }
        Ok(Truth {
            target,
            graph: Graph { hops, edges },
            paths: section.paths,
            limit: section.limit,
            reached: section.reached,
            mtu: (section.mtu > 0).then_some(section.mtu),
            rtt_us: section
                .rtt_us
                .iter()
                .map(|&us| (us > 0).then_some(us))
                .collect(),
        })
    }
}
