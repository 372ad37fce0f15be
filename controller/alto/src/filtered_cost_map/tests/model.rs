//! Answers equal those of a naive model: every pair of all PIDs, looked at by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{NetworkMap, Preference};

const PIDS: u8 = 5;
const METRICS: [&str; 3] = ["routingcost", "tput", "priv:t"];

#[derive(Clone, Debug)]
struct Asking {
    types: Vec<(usize, bool)>,
    multi: bool,
    tested: Option<Vec<usize>>,
    alternatives: Vec<Vec<(usize, u8, u64)>>,
    srcs: Vec<u8>,
    dsts: Vec<u8>,
}

fn asking() -> impl Strategy<Value = Asking> {
    let types = prop::collection::vec((0..METRICS.len(), any::<bool>()), 1..5);
    let tested = prop::option::of(prop::collection::vec(0..METRICS.len(), 1..4));
    let alternatives = prop::collection::vec(
        prop::collection::vec((0_usize..4, 0_u8..5, 0_u64..6), 1..3),
        0..3,
    );
    let pids = || prop::collection::vec(0..PIDS + 2, 0..4);
    (types, any::<bool>(), tested, alternatives, pids(), pids()).prop_map(
        |(types, multi, tested, alternatives, srcs, dsts)| Asking {
            types: if multi { types } else { types[..1].to_vec() },
            multi,
            tested,
            alternatives,
            srcs,
            dsts,
        },
    )
}

impl Asking {
    /// Predicates with an index of something that can be tested.
    fn predicates(&self) -> Vec<Vec<(usize, u8, u64)>> {
        let numerical: Vec<usize> = match &self.tested {
            Some(tested) => (0..tested.len()).collect(),
            None => (0..self.types.len())
                .filter(|n| !self.types[*n].1)
                .collect(),
        };
        if numerical.is_empty() {
            return Vec::new();
        }
        let legal = |(index, operator, number): &(usize, u8, u64)| {
            (numerical[index % numerical.len()], *operator, *number)
        };
        self.alternatives
            .iter()
            .map(|all| all.iter().map(legal).collect())
            .collect()
    }

    fn body(&self) -> String {
        let cost_type = |(metric, ordinal): &(usize, bool)| json!({"cost-metric": METRICS[*metric], "cost-mode": if *ordinal { "ordinal" } else { "numerical" }});
        let names = |pids: &[u8]| pids.iter().map(|n| format!("p{n}")).collect::<Vec<_>>();
        let mut body = json!({"pids": {"srcs": names(&self.srcs), "dsts": names(&self.dsts)}});
        if self.multi {
            body["multi-cost-types"] = self.types.iter().map(cost_type).collect();
        } else {
            body["cost-type"] = cost_type(&self.types[0]);
        }
        if let Some(tested) = &self.tested {
            body["testable-cost-types"] = tested
                .iter()
                .map(|metric| cost_type(&(*metric, false)))
                .collect();
        }
        let text = |(index, operator, number): &(usize, u8, u64)| {
            format!(
                "[{index}] {} {number}",
                ["gt", "lt", "ge", "le", "eq"][usize::from(*operator)]
            )
        };
        let alternatives: Vec<Vec<String>> = self
            .predicates()
            .iter()
            .map(|all| all.iter().map(text).collect())
            .collect();
        if !alternatives.is_empty() {
            body["or-constraints"] = json!(alternatives);
        }
        body.to_string()
    }

    fn naive(&self, cells: &Cells) -> Value {
        let wanted = |list: &[u8], name: &str| {
            list.is_empty() || list.iter().any(|n| format!("p{n}") == name)
        };
        let holds = |costs: &[Option<u64>], (index, operator, number): &(usize, u8, u64)| {
            let metric = self
                .tested
                .as_ref()
                .map_or_else(|| self.types[*index].0, |tested| tested[*index]);
            costs[metric].is_some_and(|cost| match operator {
                0 => cost > *number,
                1 => cost < *number,
                2 => cost >= *number,
                3 => cost <= *number,
                _ => cost == *number,
            })
        };
        let predicates = self.predicates();
        let mut chosen: BTreeMap<(&str, &str), &[Option<u64>]> = BTreeMap::new();
        for (source, row) in cells {
            for (destination, costs) in row {
                let passes = predicates.is_empty()
                    || predicates
                        .iter()
                        .any(|all| all.iter().all(|p| holds(costs, p)));
                let has_some = self
                    .types
                    .iter()
                    .any(|(metric, _)| costs[*metric].is_some());
                if passes
                    && has_some
                    && wanted(&self.srcs, source)
                    && wanted(&self.dsts, destination)
                {
                    chosen.insert((source, destination), costs);
                }
            }
        }
        let value = |metric: usize, ordinal: bool, cost: u64| {
            if !ordinal {
                return cost;
            }
            let better: BTreeSet<u64> = chosen
                .values()
                .filter_map(|costs| costs[metric])
                .filter(|other| {
                    if METRICS[metric] == "tput" {
                        *other > cost
                    } else {
                        *other < cost
                    }
                })
                .collect();
            better.len() as u64 + 1
        };
        let mut answer = json!({});
        for ((source, destination), costs) in &chosen {
            let cell: Vec<Value> = self
                .types
                .iter()
                .map(|(metric, ordinal)| {
                    json!(costs[*metric].map(|cost| value(*metric, *ordinal, cost)))
                })
                .collect();
            answer[source][destination] = if self.multi {
                json!(cell)
            } else {
                cell[0].clone()
            };
        }
        answer
    }
}

proptest! {
    #[test]
    fn answers_are_those_of_a_naive_model(
        costs in prop::collection::btree_map((0..PIDS, 0..PIDS), prop::collection::vec(prop::option::weighted(0.8, 0_u64..6), METRICS.len()), 0..20),
        asking in asking(),
    ) {
        let mut cells = Cells::new();
        for ((source, destination), costs) in costs {
            cells.entry(format!("p{source}")).or_default().insert(format!("p{destination}"), costs);
        }
        let groups = (0..PIDS).map(|n| (pid(&format!("p{n}")), vec![]));
        let columns = METRICS.iter().enumerate().map(|(n, metric)| {
            let preference = if *metric == "tput" { Preference::Higher } else { Preference::Lower };
            column(&format!("c{n}"), metric, preference, &cells, n)
        });
        let edition = edition(NetworkMap::with_rest(groups, &PidName::total()).unwrap(), columns.collect());
        let body = asking.body();
        prop_assert_eq!(super::cells(&edition, &body), asking.naive(&cells), "{}", body);
    }
}
