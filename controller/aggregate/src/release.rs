//! The one step from results to figures that may be published.

use std::collections::{BTreeMap, HashMap};

use crate::group::{Grouping, Part, Profile, Tree};
use crate::observe::{Entry, Subject, runs};
use crate::pattern::{NOTHING, Patterns};
use crate::public::{Filtered, Public, Rules};
use crate::{Labels, Ledger, Observations, Place};

mod number;
mod offer;
mod tally;

use number::{append, number_clusters, number_places};
use offer::Offers;
use tally::Tally;

/// One release under way: indices are those of the sorted subscribers; above them come those of the ledger who
/// have no result in this window.
pub(crate) struct Release<'a> {
    ledger: &'a mut Ledger,
    state: Observations,
    rules: &'a Rules,
    /// Numbers in the ledger.
    numbers: Vec<Option<u32>>,
    /// Whether the subscriber has late results.
    late: Vec<bool>,
    /// Whether they count.
    adopt: Vec<bool>,
}

/// A member of a cohort.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    cohort: u32,
    /// Decides who becomes a companion: by no property of the subscriber.
    lot: u64,
    index: u32,
}

/// Who stands behind a publication; for the tests that attack it.
#[cfg_attr(not(test), expect(dead_code, reason = "only the tests may know"))]
pub(crate) struct Behind {
    /// Without figures.
    state: Observations,
    late: Vec<bool>,
    adopt: Vec<bool>,
    tree: Tree,
    offers: Offers,
    /// What each subscriber is published with.
    profiles: Vec<Profile>,
}

pub(crate) fn release(
    ledger: &mut Ledger,
    observations: Observations,
    rules: &Rules,
) -> (Public, Behind) {
    let state = observations.sorted();
    let numbers = state
        .subscribers
        .iter()
        .map(|s| ledger.numbers.get(&s.name).copied())
        .collect();
    let adopt = vec![true; state.subscribers.len()];
    let mut release = Release {
        ledger,
        late: state.late(),
        state,
        rules,
        numbers,
        adopt,
    };
    release.decide_late();
    let mut labelled: HashMap<Labels<'_>, Place> = HashMap::new();
    for subscriber in &release.state.subscribers {
        let labels = subscriber.labels();
        labelled.entry(labels).or_insert_with(|| Place::of(labels));
    }
    let tree = Tree::new(labelled.values());
    let mut offers = Offers::of(&release.state, &release.adopt, rules);
    let place = |labels: Labels<'_>| labelled.get(&labels).map_or(0, |place| tree.index(place));
    let mut profiles: Vec<Profile> = release
        .state
        .subscribers
        .iter()
        .zip(&offers.patterns_of)
        .map(|(subscriber, pattern)| Profile {
            place: place(subscriber.labels()),
            pattern: *pattern,
        })
        .collect();
    release.settle(&tree, &mut offers.patterns, &mut profiles);
    let public = release.publish(&tree, &offers, &profiles);
    let Release {
        state, late, adopt, ..
    } = release;
    (
        public,
        Behind {
            state,
            late,
            adopt,
            tree,
            offers,
            profiles,
        },
    )
}

impl Release<'_> {
    /// Everybody of the ledger, cohort by cohort.
    fn cohorts(&self) -> Vec<Member> {
        let own = self.state.subscribers.len();
        let mut local: Vec<Option<u32>> = vec![None; self.ledger.cohorts.len()];
        for (index, number) in (0_u32..).zip(&self.numbers) {
            if let Some(number) = number {
                local[*number as usize] = Some(index);
            }
        }
        let mut members: Vec<Member> = self
            .ledger
            .numbers
            .iter()
            .map(|(name, number)| Member {
                cohort: self.ledger.cohorts[*number as usize],
                lot: lot(name),
                index: local[*number as usize].unwrap_or_else(|| {
                    number.saturating_add(u32::try_from(own).unwrap_or(u32::MAX))
                }),
            })
            .collect();
        members.sort_unstable();
        members
    }

    /// The number in the ledger of somebody known to it.
    fn number(&self, index: u32) -> Option<u32> {
        match self.numbers.get(index as usize) {
            Some(number) => *number,
            None => index.checked_sub(u32::try_from(self.numbers.len()).ok()?),
        }
    }

    /// Decides whose late results are taken in: of a cohort that voted in this window before, those of at least k, while at
    /// least k others (or nobody) stay as they were. The cohort is split along that line.
    fn decide_late(&mut self) {
        if !self.late.contains(&true) {
            return;
        }
        let k = self.rules.k.subscribers();
        let voted = self.ledger.voted(&self.state.window);
        for cohort in self.cohorts().chunk_by(|a, b| a.cohort == b.cohort) {
            if !cohort
                .iter()
                .filter_map(|m| self.number(m.index))
                .any(&voted)
            {
                continue;
            }
            let (mut changed, same): (Vec<&Member>, Vec<&Member>) = cohort
                .iter()
                .partition(|m| self.late.get(m.index as usize) == Some(&true));
            let held_back = if same.is_empty() {
                0
            } else {
                k.saturating_sub(same.len())
            };
            changed.truncate(changed.len().saturating_sub(held_back));
            if changed.len() < k {
                changed.clear();
            }
            for member in cohort {
                if let Some(adopt) = self.adopt.get_mut(member.index as usize) {
                    *adopt = false;
                }
            }
            for member in &changed {
                self.adopt[member.index as usize] = true;
            }
            if !changed.is_empty() && changed.len() < cohort.len() {
                let indices: Vec<u32> = changed.iter().map(|m| m.index).collect();
                self.separate(&indices);
            }
        }
    }

    /// Makes a cohort of its own of known subscribers.
    fn separate(&mut self, members: &[u32]) {
        let cohort = self.ledger.cohort();
        let numbers: Vec<u32> = members
            .iter()
            .filter_map(|index| self.number(*index))
            .collect();
        for number in numbers {
            self.ledger.cohorts[number as usize] = cohort;
        }
    }

    /// Replaces what each subscriber offers by what it is published with, and refines the ledger accordingly.
    fn settle(&mut self, tree: &Tree, patterns: &mut Patterns, profiles: &mut [Profile]) {
        let k = self.rules.k.subscribers();
        let silent = Profile {
            place: 0,
            pattern: NOTHING,
        };
        let members = self.cohorts();
        let mut known = vec![false; profiles.len()];
        for cohort in members.chunk_by(|a, b| a.cohort == b.cohort) {
            let offered: Vec<(u32, Profile)> = cohort
                .iter()
                .map(|m| {
                    (
                        m.index,
                        profiles.get(m.index as usize).copied().unwrap_or(silent),
                    )
                })
                .collect();
            let parts = Grouping {
                tree,
                patterns: &mut *patterns,
                k,
            }
            .split(&offered);
            for (nth, part) in parts.into_iter().enumerate() {
                if nth > 0 {
                    self.separate(&part.members);
                }
                assign(&part, profiles, &mut known);
            }
        }
        let mut fresh: Vec<(u64, u32, Profile)> = Vec::new();
        for (index, profile) in (0_u32..).zip(&*profiles) {
            if !known[index as usize] && profile.pattern != NOTHING {
                fresh.push((
                    lot(&self.state.subscribers[index as usize].name),
                    index,
                    *profile,
                ));
            }
        }
        fresh.sort_unstable();
        let fresh: Vec<(u32, Profile)> = fresh
            .into_iter()
            .map(|(_, index, profile)| (index, profile))
            .collect();
        let parts = Grouping {
            tree,
            patterns: &mut *patterns,
            k,
        }
        .gather(&fresh);
        for part in parts.iter().filter(|p| p.profile.pattern != NOTHING) {
            let cohort = self.ledger.cohort();
            for index in &part.members {
                let name = &self.state.subscribers[*index as usize].name;
                self.numbers[*index as usize] = Some(self.ledger.enter(name, cohort));
            }
            assign(part, profiles, &mut known);
        }
        for (profile, known) in profiles.iter_mut().zip(known) {
            if !known {
                *profile = silent;
            }
        }
    }

    /// Counts the votes. The figures of a metric are let go of as soon as it is counted.
    fn publish(&mut self, tree: &Tree, offers: &Offers, profiles: &[Profile]) -> Public {
        let votes = |index: &usize| profiles[*index].pattern != NOTHING;
        let voters: Vec<usize> = (0..profiles.len()).filter(votes).collect();
        let number = |index: &usize| self.numbers[*index];
        let voted: Vec<u32> = voters.iter().filter_map(number).collect();
        let adopted: Vec<u32> = voters
            .iter()
            .filter(|i| self.adopt[**i] && self.late[**i])
            .filter_map(number)
            .collect();
        let version = self.ledger.note(&self.state, &voted, &adopted);
        let newest = |index: &usize| {
            let [in_time, late] = self.state.subscribers[*index].newest_us;
            in_time.max(late.filter(|_| self.adopt[*index]))
        };
        let mut public = Public {
            window: self.state.window,
            version,
            k: self.rules.k,
            trust: self.state.trust,
            newest_us: voters.iter().filter_map(newest).max(),
            places: Vec::new(),
            clusters: Vec::new(),
            operators: tally::operators(self.rules),
            cells: Vec::new(),
            bytes: Vec::new(),
            filtered: self.filtered(offers, profiles),
        };
        let operators = public.operators.clone();
        let tally = Tally::new(
            self.state.window,
            &self.adopt,
            self.rules,
            &operators,
            tree,
            offers,
            profiles,
        );
        for metric in self.rules.statistics.keys() {
            let figures = std::mem::take(&mut self.state.figures[*metric as usize]);
            append(&mut public, *metric, &tally.sheets(*metric, &figures));
        }
        let clusters = number_clusters(&self.state, &public.cells);
        let places = number_places(tree, &public.cells);
        for cell in &mut public.cells {
            cell.place = places.index[cell.place as usize];
            cell.cluster = cell.cluster.and_then(|d| clusters.index[d as usize]);
        }
        public.clusters = clusters.public;
        public.places = places.public;
        public
    }

    fn filtered(&self, offers: &Offers, profiles: &[Profile]) -> Filtered {
        let k = self.rules.k;
        let seen = |index: usize| {
            offers
                .patterns
                .contains(profiles[index].pattern, offer::SEEN)
        };
        let counted = |entry: &&Entry| {
            let index = entry.subscriber();
            seen(index) && (!entry.is_late() || self.adopt[index])
        };
        let mut results = BTreeMap::new();
        for (subject, run) in runs(&self.state.others) {
            if let Subject::Filtered(reason) = subject {
                let of: Vec<usize> = run.iter().filter(counted).map(|e| e.subscriber()).collect();
                if of.chunk_by(|a, b| a == b).count() >= k.subscribers() {
                    results.insert(reason, k.rounded(of.len()) as u64);
                }
            }
        }
        Filtered {
            subscribers: k.rounded((0..profiles.len()).filter(|index| seen(*index)).count()),
            results,
        }
    }
}

fn assign(part: &Part, profiles: &mut [Profile], known: &mut [bool]) {
    for index in &part.members {
        if let Some(profile) = profiles.get_mut(*index as usize) {
            *profile = part.profile;
            known[*index as usize] = true;
        }
    }
}

/// FNV-1a of a name, mixed so that similar names lie apart.
fn lot(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests;
