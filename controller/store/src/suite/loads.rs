//! What agents send by their own configuration.

use super::restconf::{Seen, intention, judge, later};
use super::{agent_id, now};
use crate::{ForeignLoad, Intention, LoadChange, Remains, Standing, Store, Withholding};
use glimpse_model::time::{SECOND, Timestamp};

pub(super) async fn all(store: &dyn Store) {
    let loads = Loads {
        store,
        seen: Seen::default(),
    };
    loads.are_exchanged_and_judged().await;
    loads.count_on_when_they_have_run().await;
    loads.are_forgotten_after_their_hour().await;
    loads.count_by_target_without_being_let_pass().await;
}

/// A run of what is gone counts; of `x…` nothing stays.
fn remains(document: &str, _: Timestamp, at: Timestamp) -> Option<(String, Timestamp)> {
    (!document.starts_with('x')).then(|| (format!("run of {document}"), at))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// How many agents have a load.
fn of(standing: &Standing, document: &str) -> u64 {
    let loads = standing.loads.iter();
    let equal = loads.filter(|load| load.document == document);
    equal.map(|load| load.agents).sum()
}

fn names(loads: &[(String, Timestamp)]) -> Vec<&str> {
    loads.iter().map(|(load, _)| load.as_str()).collect()
}

struct Loads<'a> {
    store: &'a dyn Store,
    seen: Seen,
}

impl Loads<'_> {
    /// The verdict, and what it was made of.
    async fn intend(
        &self,
        intention: Intention,
        at: Timestamp,
    ) -> (Result<(), Withholding>, Standing, LoadChange) {
        let verdicts = self.store.intend(vec![intention], at, judge(&self.seen));
        let verdict = verdicts.await.unwrap().remove(0);
        let (standing, mut changes) = self.seen.lock().unwrap().remove(0);
        (verdict, standing, changes.remove(0))
    }

    async fn told(&self, agent: &str, loads: &[&str]) -> Vec<String> {
        let counted = self
            .store
            .count_loads(agent_id(agent), texts(loads), later(), remains);
        counted.await.unwrap()
    }

    async fn end(&self, documents: &[&str], remains: Option<Remains>) {
        let ended = self
            .store
            .end_loads(agent_id("r-1"), texts(documents), later(), remains);
        ended.await.unwrap();
    }

    async fn are_exchanged_and_judged(&self) {
        // What an agent says of itself is not let pass by that.
        assert_eq!(self.told("r-1", &["l", "l"]).await, ["l", "l"]);
        let new = Intention {
            before: texts(&["l", "l"]),
            ..intention("r-1", &["l", "l", "a", "b", "b"], None)
        };
        let (verdict, standing, change) = self.intend(new, now()).await;
        assert!(verdict.is_ok() && standing.loads.is_empty());
        assert_eq!(change.new, ["a", "b", "b"], "what was there is not judged");
        let (verdict, _, _) = self.intend(intention("r-2", &["a"], None), now()).await;
        assert!(verdict.is_ok());
        let intentions = vec![
            intention("r-1", &["b", "c"], None),
            intention("r-2", &["a", "no"], Some("{}")),
            intention("r-3", &["c"], Some("{}")),
        ];
        let verdicts = self.store.intend(intentions, later(), judge(&self.seen));
        let verdicts = verdicts.await.unwrap();
        assert!(verdicts[0].is_ok() && verdicts[2].is_ok());
        assert_eq!(verdicts[1].as_ref().unwrap_err().reason, "too much");
        let (standing, changes) = self.seen.lock().unwrap().remove(0);
        assert_eq!((of(&standing, "a"), of(&standing, "b")), (2, 2));
        assert_eq!(changes[0].new, ["c"]);
        assert_eq!(names(&changes[0].gone), ["a", "b"], "one of two stays");
        // What was refused has left nothing.
        let waiting = self.store.pending(&agent_id("r-2")).await.unwrap();
        assert!(waiting.is_empty());
    }

    async fn count_on_when_they_have_run(&self) {
        let once = Intention {
            once: true,
            ..intention("r-3", &["x"], None)
        };
        let (_, standing, _) = self.intend(once, later()).await;
        let counted = ["a", "b", "c"].map(|load| of(&standing, load));
        assert_eq!(counted, [2, 2, 2], "what goes counts until it is gone");
        assert!(self.told("r-1", &["b", "c"]).await.is_empty());
        let begun = Intention {
            before: texts(&["b"]),
            delivered: true,
            ..intention("r-1", &["b", "c", "x-1"], None)
        };
        let (_, standing, change) = self.intend(begun, later()).await;
        assert_eq!(change.new, ["x-1"]);
        assert_eq!(names(&change.begin), ["c"], "it begins only now");
        let counted = ["a", "b", "run of a", "run of b", "x"].map(|load| of(&standing, load));
        assert_eq!(counted, [1, 1, 1, 1, 1]);
        // Taken away with a run, and without.
        self.end(&["c"], Some(remains)).await;
        self.end(&["b", "nothing"], None).await;
        let probe = intention("r-3", &["c", "e"], None);
        let (_, standing, _) = self.intend(probe, later()).await;
        let counted = ["c", "run of c", "b", "run of b"].map(|load| of(&standing, load));
        assert_eq!(counted, [1, 1, 0, 1]);
    }

    async fn are_forgotten_after_their_hour(&self) {
        let hours = now().plus_micros(7200 * SECOND);
        let (_, standing, _) = self.intend(intention("r-1", &["f"], None), hours).await;
        assert_eq!((of(&standing, "x"), of(&standing, "run of a")), (0, 0));
        // Where nothing is new, nothing of the fleet is read.
        let (_, standing, _) = self.intend(intention("r-1", &[], None), hours).await;
        assert_eq!(standing, Standing::default());
    }

    async fn count_by_target_without_being_let_pass(&self) {
        let foreign = |target: &str, runs| ForeignLoad {
            target: target.into(),
            runs_per_hour_millionths: runs,
            packets_per_second_millionths: 1,
        };
        let put = async |agent: &str, loads: Vec<ForeignLoad>| {
            let put = self.store.put_foreign(agent_id(agent), loads);
            put.await.unwrap()
        };
        assert!(put("r-1", vec![foreign("t", 5), foreign("u", 1)]).await);
        assert!(put("r-2", vec![foreign("t", 7)]).await);
        assert!(!put("r-2", vec![foreign("t", 7)]).await, "it is so already");
        let (_, standing, _) = self.intend(intention("r-1", &["g"], None), now()).await;
        let sum: Vec<(&str, u64)> = standing
            .foreign
            .iter()
            .map(|load| (load.target.as_str(), load.runs_per_hour_millionths))
            .collect();
        assert_eq!(sum, [("t", 12), ("u", 1)]);
        assert!(put("r-1", Vec::new()).await && put("r-2", Vec::new()).await);
    }
}
