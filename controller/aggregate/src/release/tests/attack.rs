//! Differencing: everything that was published, in all windows and versions, against everything.

use proptest::prelude::*;

use super::*;
use crate::release::offer::Item;

/// Households by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Set([u64; 3]);

impl Set {
    fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::default();
        numbers
            .into_iter()
            .for_each(|n| set.0[n / 64] |= 1 << (n % 64));
        set
    }

    fn less(self, other: Self) -> Self {
        Self([0, 1, 2].map(|w| self.0[w] & !other.0[w]))
    }

    fn with(self, other: Self) -> Self {
        self.less(self.less(other))
    }

    fn has(self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// Everything an attacker has: who stands behind each cell, calendar, count and change.
#[derive(Default)]
struct Published {
    sets: Vec<(String, Set)>,
    /// By window, place and item: who stood behind the last version.
    last: BTreeMap<(Window, String, String), Set>,
}

impl Published {
    /// Notes what a release says, and holds the figures against those who are said to stand behind them.
    fn note(&mut self, public: &Public, behind: &Behind, rules: &Rules) {
        let names = &behind.state.subscribers;
        let changed = |index: &usize| behind.late[*index] && behind.adopt[*index];
        let mut cells = 0;
        for (nth, place) in behind.tree.places().iter().enumerate() {
            let inside = nth..behind.tree.end(nth);
            let offering = |item: usize| -> Vec<usize> {
                (0..names.len())
                    .filter(|i| inside.contains(&behind.profiles[*i].place))
                    .filter(|i| {
                        behind
                            .offers
                            .patterns
                            .contains(behind.profiles[*i].pattern, item)
                    })
                    .collect()
            };
            let number = |index: &usize| {
                names[*index]
                    .name
                    .trim_start_matches("household-")
                    .parse::<usize>()
            };
            let set = |of: &[usize]| Set::of(of.iter().map(|index| number(index).unwrap()));
            let mut all = vec![("seen".to_owned(), offering(offer::SEEN))];
            let destinations =
                (0..u32::try_from(behind.state.destinations.len()).unwrap()).map(Some);
            for metric in rules.statistics.keys() {
                for destination in destinations.clone().chain([None]) {
                    for calendar in [None, Some(Calendar::DayOfWindow)] {
                        let Some(item) = behind.offers.item(Item {
                            metric: *metric,
                            destination,
                            calendar,
                        }) else {
                            continue;
                        };
                        let of = offering(item);
                        if of.is_empty() {
                            continue;
                        }
                        let cluster =
                            destination.map(|d| match &behind.state.destinations[d as usize] {
                                ClusterKey::Target(target) => target.to_string(),
                                ClusterKey::Entry(entry) => entry.to_string(),
                            });
                        let pid = public
                            .clusters()
                            .iter()
                            .find(|c| cluster.as_ref() == c.targets.first());
                        let pid = pid.map_or(TOTAL, |c| c.pid.as_str());
                        let cell = public.cell(*metric, &place.to_string(), pid).unwrap();
                        if calendar.is_none() {
                            cells += 1;
                            assert_eq!(cell.subscribers(), rules.k.rounded(of.len()));
                            let own: Vec<u64> =
                                of.iter().map(|i| value(number(i).unwrap())).collect();
                            assert_eq!(
                                cell.value(Statistic::Mean),
                                Statistic::Mean.of(&own),
                                "of others than said"
                            );
                        } else {
                            assert!(
                                cell.calendar(Calendar::DayOfWindow, Statistic::Median)
                                    .is_some()
                            );
                        }
                        all.push((format!("{metric:?} {cluster:?} {calendar:?}"), of));
                    }
                }
            }
            for (item, of) in all {
                let now = set(&of);
                let label = format!("{:?} v{} {place} {item}", public.window(), public.version());
                let key = (public.window(), place.to_string(), item);
                let before = self.last.insert(key, now).unwrap_or_default();
                // A patch tells of those who came, of those who went, and of those whose results changed. Nobody knows
                // which of the results of those who came were late.
                let change = set(&of.iter().copied().filter(changed).collect::<Vec<_>>());
                self.sets.push((format!("{label} went"), before.less(now)));
                self.sets.push((format!("{label} came"), now.less(before)));
                self.sets
                    .push((format!("{label} changed"), change.with(before)));
                self.sets.push((label, now));
            }
        }
        let published: usize = rules
            .statistics
            .keys()
            .map(|m| public.cells(*m).count())
            .sum();
        assert_eq!(cells, published, "every published cell is attacked");
        self.sets.retain(|(_, set)| *set != Set::default());
        self.sets.sort_by_key(|(_, set)| *set);
        self.sets.dedup_by(|a, b| a.1 == b.1);
    }

    /// Two published sets that differ by somebody, but by fewer than k, either way.
    fn pair(&self, k: usize) -> Option<String> {
        for (left, a) in &self.sets {
            if a.len() < k {
                return Some(format!("{left} alone is {}", a.len()));
            }
            for (right, b) in &self.sets {
                let difference = a.less(*b).len();
                if (1..k).contains(&difference) {
                    return Some(format!("{left} less {right} is {difference}"));
                }
            }
        }
        None
    }

    /// The least that any set algebra over everything published isolates.
    fn smallest_atom(&self) -> Option<usize> {
        let mut atoms: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
        for household in 0..HOUSEHOLDS {
            let signature: Vec<bool> = self
                .sets
                .iter()
                .map(|(_, set)| set.has(household))
                .collect();
            if signature.contains(&true) {
                *atoms.entry(signature).or_default() += 1;
            }
        }
        atoms.into_values().min()
    }
}

const HOUSEHOLDS: usize = 160;

/// What a household does on one of three days.
#[derive(Clone, Debug)]
struct Day {
    region: u8,
    delay: bool,
    throughput: bool,
    second_target: bool,
    arrives_days_later: i64,
}

fn any_day() -> impl Strategy<Value = Day> {
    let rarely = |weight| prop::bool::weighted(weight);
    (
        prop_oneof![8 => Just(0_u8), 1 => 1_u8..4],
        rarely(0.93),
        rarely(0.8),
        rarely(0.9),
        prop_oneof![6 => Just(0_i64), 1 => 1_i64..4],
    )
        .prop_map(
            |(region, delay, throughput, second_target, arrives_days_later)| Day {
                region,
                delay,
                throughput,
                second_target,
                arrives_days_later,
            },
        )
}

type Household = (u8, [Day; 3]);

fn any_households() -> impl Strategy<Value = Vec<Household>> {
    let household = (0_u8..4, [any_day(), any_day(), any_day()]);
    prop::collection::vec(household, 0..HOUSEHOLDS)
}

const PLACES: [(&str, &str); 5] = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("", "")];

/// What a household measures, always.
fn value(household: usize) -> u64 {
    1_000 + (household * household * 37) as u64
}

fn rows(households: &[Household]) -> Vec<Stored> {
    let mut rows = Vec::new();
    for (n, (home, days)) in households.iter().enumerate() {
        for (nth, day) in (0_i64..).zip(days) {
            let place = PLACES[usize::from((home + day.region) % 5)];
            let values = [value(n)];
            let row = Stored {
                start_us: nth * DAY_US,
                received_us: (nth + 1 + day.arrives_days_later) * DAY_US - 1,
                ..stored(&format!("household-{n}"), place, &values)
            };
            if day.delay {
                rows.push(row.clone());
            }
            if day.delay && day.second_target {
                rows.push(Stored {
                    target: "192.0.2.2",
                    ..row.clone()
                });
            }
            if day.throughput {
                rows.push(Stored {
                    metric: Metric::TputDown,
                    ..row
                });
            }
        }
    }
    rows
}

fn k() -> K {
    K::new(5).unwrap()
}

/// Publishes days and three-day windows as they close, and again as late results come in.
fn publish_all(households: &[Household]) -> Published {
    let rows = rows(households);
    let mut rules = rules(k(), &[Metric::DelayRt, Metric::TputDown]);
    rules
        .calendars
        .insert(Metric::DelayRt, vec![Calendar::DayOfWindow]);
    let mut ledger = Ledger::default();
    let mut published = Published::default();
    for now in 1..=6_i64 {
        let days = (0..3)
            .filter(|day| *day < now)
            .map(|day| Window::day_of(day * DAY_US));
        let whole = (now >= 3).then(|| Window::new(0, 3 * DAY_US).unwrap());
        let two = (now >= 2).then(|| Window::new(0, 2 * DAY_US).unwrap());
        for window in days.chain(two).chain(whole) {
            let state = observe(&ledger, window, now * DAY_US, &rows, &Clusters::PerTarget);
            let (public, behind) = ledger.release_and_tell(state, &rules).unwrap();
            published.note(&public, &behind, &rules);
        }
    }
    published
}

#[test]
fn the_attack_works_on_cells_that_are_only_large_enough_each() {
    let set = |range: std::ops::Range<usize>| Set::of(range);
    let published = |sets: &[Set]| Published {
        sets: sets.iter().map(|s| (String::new(), *s)).collect(),
        last: BTreeMap::new(),
    };
    // One household did not measure in the next hour.
    assert!(published(&[set(0..31), set(0..30)]).pair(10).is_some());
    // 30 + 12 + 3 in one ISP: no two are near each other, but the ISP less its regions is three.
    let regions = published(&[set(0..45), set(0..30), set(30..42)]);
    assert_eq!((regions.pair(10), regions.smallest_atom()), (None, Some(3)));
    assert_eq!(
        published(&[set(0..45), set(0..30)]).smallest_atom(),
        Some(15)
    );
}

#[test]
fn something_is_published_to_attack() {
    let day = Day {
        region: 0,
        delay: true,
        throughput: true,
        second_target: true,
        arrives_days_later: 0,
    };
    let mut households: Vec<Household> = (0..120_u8)
        .map(|n| (n % 4, [const { None }; 3].map(|_: Option<()>| day.clone())))
        .collect();
    // One of each region is silent on the second day, and a dozen of one region are late on the first.
    for household in households.iter_mut().take(4) {
        household.1[1].delay = false;
    }
    for n in 1..13 {
        households[n * 4].1[0].arrives_days_later = 2;
    }
    let published = publish_all(&households);
    assert!(published.sets.len() > 15, "{}", published.sets.len());
    assert!(published.sets.iter().any(|(label, _)| label.contains("v2")));
    assert_eq!(published.pair(5), None);
    assert!(published.smallest_atom() >= Some(5));
}

proptest! {
    // Some seconds: each case publishes two dozen times and sets everything against everything.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_difference_of_anything_published_is_a_handful_of_households(households in any_households()) {
        let published = publish_all(&households);
        prop_assert_eq!(published.pair(5), None);
        prop_assert!(published.smallest_atom().is_none_or(|least| least >= 5), "{:?}", published.smallest_atom());
    }
}
