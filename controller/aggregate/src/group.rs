//! How subscribers are put together who do not all have the same to offer.
//!
//! A part is a set of subscribers who vote alike: for one place and all larger ones, on the same items. Parts below k
//! are done away with, each time at the price of the fewest votes:
//! - it joins a part that has nothing it has not;
//! - it takes companions from a part that keeps k without them, and these offer only what is common
//!   (complementary suppression: the part is never left out alone);
//! - it is joined with another part, both offering only what is common;
//! - new subscribers only: it rises one place, and in the end it is not published.

use std::collections::HashMap;

use crate::Place;
use crate::pattern::{NOTHING, PatternId, Patterns};

/// Candidates that are looked at for one part, of each kind; the nearest in order of place and items come first.
const CANDIDATES: usize = 64;

/// What a subscriber offers, or a part in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Profile {
    /// Index into [`Tree`].
    pub(crate) place: usize,
    pub(crate) pattern: PatternId,
}

/// Subscribers who vote alike.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) profile: Profile,
    /// In the order in which they stay: companions are taken from the end.
    pub(crate) members: Vec<u32>,
}

/// Every place of a release and all larger ones, a place before those inside it.
#[derive(Debug)]
pub(crate) struct Tree {
    places: Vec<Place>,
    parents: Vec<usize>,
    index: HashMap<Place, usize>,
}

impl Tree {
    pub(crate) fn new<'a>(places: impl IntoIterator<Item = &'a Place>) -> Self {
        let mut all: Vec<Place> = places.into_iter().flat_map(Place::chain).collect();
        all.push(Place::default());
        all.sort_unstable();
        all.dedup();
        let index: HashMap<Place, usize> = all.iter().cloned().zip(0..).collect();
        let parent = |place: &Place| place.parent().and_then(|p| index.get(&p).copied());
        Self {
            parents: all.iter().map(|p| parent(p).unwrap_or(0)).collect(),
            places: all,
            index,
        }
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(crate) fn index(&self, place: &Place) -> usize {
        self.index.get(place).copied().unwrap_or(0)
    }

    /// The first place after the given one that is not inside it.
    pub(crate) fn end(&self, place: usize) -> usize {
        let depth = self.places[place].depth();
        let inside = |p: &&Place| p.depth() > depth;
        place + 1 + self.places[place + 1..].iter().take_while(inside).count()
    }

    fn levels(&self, place: usize) -> u64 {
        self.places[place].depth() as u64 + 1
    }

    fn common(&self, mut a: usize, mut b: usize) -> usize {
        // A larger place has the smaller index.
        while a != b {
            if a > b {
                a = self.parents[a];
            } else {
                b = self.parents[b];
            }
        }
        a
    }
}

/// Puts subscribers together so that no part is below k.
pub(crate) struct Grouping<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) patterns: &'a mut Patterns,
    pub(crate) k: usize,
}

/// What to do with a part below k.
enum Step {
    JoinSmall(usize),
    Join(usize),
    Companions(usize),
    Rise,
}

#[derive(Default)]
struct Pool {
    /// At least k members each, no two of one profile.
    large: Vec<Part>,
    /// Fewer than k each, in order.
    small: Vec<Part>,
}

impl Grouping<'_> {
    /// Splits a cohort by what its members offer. Everybody is in exactly one of the parts; a cohort that is itself below k
    /// (k was raised) offers nothing.
    pub(crate) fn split(&mut self, members: &[(u32, Profile)]) -> Vec<Part> {
        if members.len() < self.k {
            return vec![silent(members)];
        }
        let mut pool = self.pool(members);
        let risen = self.settle(&mut pool, false);
        debug_assert!(risen.is_empty(), "a part of a cohort does not leave it");
        pool.large
    }

    /// Makes parts of those who were never published, bottom-up. Who is in none of them stays unpublished.
    pub(crate) fn gather(&mut self, members: &[(u32, Profile)]) -> Vec<Part> {
        let mut at: HashMap<usize, Vec<(u32, Profile)>> = HashMap::new();
        for (member, profile) in members {
            at.entry(profile.place)
                .or_default()
                .push((*member, *profile));
        }
        let mut risen: HashMap<usize, Vec<Part>> = HashMap::new();
        let mut settled: Vec<Vec<Part>> = vec![Vec::new(); self.tree.places.len()];
        for place in (0..self.tree.places.len()).rev() {
            let mut pool = self.pool(at.remove(&place).as_deref().unwrap_or_default());
            for part in risen.remove(&place).unwrap_or_default() {
                self.put(&mut pool, part);
            }
            let rest = self.settle(&mut pool, true);
            settled[place] = pool.large;
            for part in rest {
                if let Some(part) = self.with_neighbours(&mut settled, place, part)
                    && place > 0
                {
                    let parent = self.tree.parents[place];
                    let profile = Profile {
                        place: parent,
                        ..part.profile
                    };
                    risen
                        .entry(parent)
                        .or_default()
                        .push(Part { profile, ..part });
                }
            }
        }
        settled.into_iter().flatten().collect()
    }

    /// Lets a remainder vote for `place` with companions from inside it, where a part can spare them. Returns it if none can.
    fn with_neighbours(
        &mut self,
        settled: &mut [Vec<Part>],
        place: usize,
        part: Part,
    ) -> Option<Part> {
        let need = self.k - part.members.len();
        let mut best: Option<(u64, usize, usize)> = None;
        for (inside, parts) in settled
            .iter()
            .enumerate()
            .take(self.tree.end(place))
            .skip(place)
        {
            for (index, donor) in parts.iter().enumerate() {
                let profile = self.preview(part.profile, donor.profile);
                if donor.members.len() < self.k + need || profile.1 == 0 {
                    continue;
                }
                let price =
                    self.loss(&part, profile, part.members.len()) + self.loss(donor, profile, need);
                if best.is_none_or(|(least, ..)| price < least) {
                    best = Some((price, inside, index));
                }
            }
        }
        let Some((_, inside, index)) = best else {
            return Some(part);
        };
        let donor = &mut settled[inside][index];
        let companions = donor.members.split_off(donor.members.len() - need);
        let pattern = self
            .patterns
            .common(part.profile.pattern, donor.profile.pattern);
        let mut members = part.members;
        members.extend(companions);
        settled[place].push(Part {
            profile: Profile { place, pattern },
            members,
        });
        None
    }

    fn pool(&mut self, members: &[(u32, Profile)]) -> Pool {
        let mut by_profile: HashMap<Profile, Vec<u32>> = HashMap::new();
        for (member, profile) in members {
            // Whoever offers nothing does so everywhere.
            let profile = match profile.pattern {
                NOTHING => Profile {
                    place: 0,
                    ..*profile
                },
                _ => *profile,
            };
            by_profile.entry(profile).or_default().push(*member);
        }
        let (mut large, mut small): (Vec<Part>, Vec<Part>) = by_profile
            .into_iter()
            .map(|(profile, members)| Part { profile, members })
            .partition(|part| part.members.len() >= self.k);
        large.sort_unstable_by(|a, b| self.order(a, b));
        small.sort_unstable_by(|a, b| self.order(a, b));
        Pool { large, small }
    }

    fn order(&self, a: &Part, b: &Part) -> std::cmp::Ordering {
        a.profile.place.cmp(&b.profile.place).then_with(|| {
            let sets = (
                self.patterns.set(a.profile.pattern),
                self.patterns.set(b.profile.pattern),
            );
            sets.0.cmp(sets.1)
        })
    }

    fn put(&self, pool: &mut Pool, mut part: Part) {
        if let Some(same) = pool.large.iter_mut().find(|p| p.profile == part.profile) {
            same.members.append(&mut part.members);
        } else if part.members.len() >= self.k {
            pool.large.push(part);
        } else {
            let at = pool.small.partition_point(|p| self.order(p, &part).is_lt());
            match pool.small.get_mut(at) {
                Some(same) if same.profile == part.profile => {
                    same.members.append(&mut part.members);
                }
                _ => pool.small.insert(at, part),
            }
        }
    }

    /// Empties the pool of small parts; returns those that have to rise.
    fn settle(&mut self, pool: &mut Pool, may_rise: bool) -> Vec<Part> {
        let mut risen = Vec::new();
        while let Some(part) = pool.small.pop() {
            // Two appended to each other may have reached k meanwhile.
            if part.members.len() >= self.k {
                self.put(pool, part);
                continue;
            }
            match self.cheapest(pool, &part, may_rise) {
                Some(Step::JoinSmall(index)) => {
                    let other = pool.small.remove(index);
                    let joined = self.join(part, other);
                    self.put(pool, joined);
                }
                Some(Step::Join(index)) => {
                    let other = pool.large.swap_remove(index);
                    let joined = self.join(other, part);
                    self.put(pool, joined);
                }
                Some(Step::Companions(index)) => {
                    let donor = &mut pool.large[index];
                    let kept = donor.members.len() - (self.k - part.members.len());
                    let companions = Part {
                        profile: donor.profile,
                        members: donor.members.split_off(kept),
                    };
                    let joined = self.join(part, companions);
                    self.put(pool, joined);
                }
                Some(Step::Rise) | None => risen.push(part),
            }
        }
        risen
    }

    fn cheapest(&self, pool: &Pool, part: &Part, may_rise: bool) -> Option<Step> {
        let need = self.k - part.members.len();
        let size = part.members.len();
        let mut best: Option<(u64, Step)> = None;
        // By member of small parts that the step settles: in thousandths of a vote.
        let mut offer = |price: u64, settled: usize, step: Step| {
            let price = price * 1_000 / settled as u64;
            if best.as_ref().is_none_or(|(least, _)| price < *least) {
                best = Some((price, step));
            }
        };
        // Nearest places and items first: the tail of the list in order.
        for (index, other) in pool.small.iter().enumerate().rev().take(CANDIDATES) {
            let joined = self.preview(part.profile, other.profile);
            let theirs = other.members.len();
            let price = self.loss(part, joined, size) + self.loss(other, joined, theirs);
            offer(price, size + theirs, Step::JoinSmall(index));
        }
        for (index, other) in pool.large.iter().enumerate().take(CANDIDATES) {
            let joined = self.preview(part.profile, other.profile);
            let own = self.loss(part, joined, size);
            if other.members.len() >= self.k + need {
                offer(
                    own + self.loss(other, joined, need),
                    size,
                    Step::Companions(index),
                );
            }
            let all = own + self.loss(other, joined, other.members.len());
            offer(all, size, Step::Join(index));
        }
        if may_rise {
            // Whether it finds company above is not known.
            offer(self.loss(part, (0, 0), size), size, Step::Rise);
        }
        best.map(|(_, step)| step)
    }

    /// Levels and items of what two profiles have in common.
    fn preview(&self, a: Profile, b: Profile) -> (u64, u64) {
        let items = self.patterns.shared(a.pattern, b.pattern);
        (self.tree.levels(self.tree.common(a.place, b.place)), items)
    }

    /// Votes that so many of the part's members lose.
    fn loss(&self, part: &Part, (levels, items): (u64, u64), members: usize) -> u64 {
        let own = self
            .patterns
            .shared(part.profile.pattern, part.profile.pattern);
        let before = self.tree.levels(part.profile.place) * own;
        before.saturating_sub(levels * items) * members as u64
    }

    fn join(&mut self, mut a: Part, mut b: Part) -> Part {
        let pattern = self.patterns.common(a.profile.pattern, b.profile.pattern);
        let place = match pattern {
            NOTHING => 0,
            _ => self.tree.common(a.profile.place, b.profile.place),
        };
        a.members.append(&mut b.members);
        Part {
            profile: Profile { place, pattern },
            members: a.members,
        }
    }
}

fn silent(members: &[(u32, Profile)]) -> Part {
    Part {
        profile: Profile {
            place: 0,
            pattern: NOTHING,
        },
        members: members.iter().map(|(member, _)| *member).collect(),
    }
}

#[cfg(test)]
mod tests;
