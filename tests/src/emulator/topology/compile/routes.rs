//! Next hops from every node to every other.

use super::Draft;
use crate::emulator::plan::{Link, LinkIndex, NodeIndex};
use crate::emulator::topology::TopologyError;
use crate::emulator::topology::file::File;
use std::collections::VecDeque;

impl Draft<'_> {
    /// The next hops that follow from the links, but for those that the file names itself.
    pub(super) fn routes(&self, file: &File) -> Result<Vec<Vec<LinkIndex>>, TopologyError> {
        let count = self.nodes.len();
        let mut routes = vec![Vec::new(); count * count];
        for destination in 0..count {
            let forward = self.distances(destination, Link::is_forward);
            let any = self.distances(destination, |_| true);
            for node in (0..count).filter(|&node| node != destination) {
                let from_here = || (0..self.links.len()).filter(|&link| self.ends[link].0 == node);
                let ahead = from_here()
                    .filter(|&link| Link::is_forward(link) && forward[self.ends[link].1].is_some());
                let shortest = from_here()
                    .filter_map(|link| any[self.ends[link].1].map(|distance| (distance, link)))
                    .min()
                    .map(|(_, link)| link);
                let hops = &mut routes[node * count + destination];
                hops.extend(ahead);
                if hops.is_empty() {
                    hops.extend(shortest);
                }
            }
        }
        for route in &file.route {
            let (at, to) = (self.number(&route.at)?, self.number(&route.to)?);
            let mut hops = Vec::new();
            for next in &route.next {
                let neighbour = self.number(next)?;
                let link = self.ends.iter().position(|&ends| ends == (at, neighbour));
                hops.push(link.ok_or_else(|| {
                    self.fault(
                        next.span().start,
                        format!(
                            "no link joins {:?} to {:?}",
                            route.at.get_ref(),
                            next.get_ref()
                        ),
                    )
                })?);
            }
            routes[at * count + to] = hops;
        }
        Ok(routes)
    }

    /// How many of the links that `usable` admits lead from each node to `destination` at least. Only routers lie between.
    fn distances(
        &self,
        destination: NodeIndex,
        usable: impl Fn(LinkIndex) -> bool,
    ) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.nodes.len()];
        distances[destination] = Some(0);
        let mut queue = VecDeque::from([(destination, 0)]);
        while let Some((node, distance)) = queue.pop_front() {
            if node != destination && !self.nodes[node].forwards {
                continue;
            }
            for (link, &(from, to)) in self.ends.iter().enumerate() {
                if to == node && usable(link) && distances[from].is_none() {
                    distances[from] = Some(distance + 1);
                    queue.push_back((from, distance + 1));
                }
            }
        }
        distances
    }
}
