//! Jobs.

use super::{agent_id, now};
use crate::suite::restconf::{later, settled};
use crate::{NewJob, NoRoom, Outcome, Retried, Store};

pub(super) async fn all(store: &dyn Store) {
    jobs_end_when_all_have_answered(store).await;
    what_a_newer_edit_has_overtaken_is_not_tried_again(store).await;
    an_agent_with_no_room_is_left_out(store).await;
    jobs_do_not_pile_up(store).await;
}

async fn retry(store: &dyn Store, job: u32, operator: &str) -> Option<Retried> {
    let retried = store.retry_job(job, operator.into(), Vec::new(), later());
    retried.await.unwrap()
}

fn new(operator: &str, agents: &[&str]) -> NewJob {
    NewJob {
        patch_id: "p".into(),
        operator: operator.into(),
        request: "job".into(),
        agents: agents.iter().map(|id| agent_id(id)).collect(),
        no_room: "[1]".into(),
        created: now(),
    }
}

/// Everything that waits for an agent ends like this.
async fn answer(store: &dyn Store, agent: &str, outcome: Outcome) {
    for edit in store.pending(&agent_id(agent)).await.unwrap() {
        let done = settled(edit.id, agent, outcome);
        store.settle(done).await.unwrap();
    }
}

async fn jobs_end_when_all_have_answered(store: &dyn Store) {
    let agents = ["r-1", "r-2", "r-3"].map(agent_id);
    let new = NewJob {
        patch_id: "p".into(),
        operator: "olga".into(),
        request: "job".into(),
        agents: agents.to_vec(),
        no_room: "[]".into(),
        created: now(),
    };
    let id = store.add_job(new).await.unwrap().unwrap();
    let edit = async |agent: &str| {
        let pending = store.pending(&agent_id(agent)).await.unwrap();
        pending
            .into_iter()
            .find(|edit| edit.job == Some(id))
            .unwrap()
            .id
    };
    let first = edit("r-1").await;
    store.attempt(first).await.unwrap();
    store
        .settle(settled(first, "r-1", Outcome::Delivered))
        .await
        .unwrap();
    store
        .settle(settled(edit("r-2").await, "r-2", Outcome::Withheld))
        .await
        .unwrap();
    let job = async || {
        store
            .jobs()
            .await
            .unwrap()
            .into_iter()
            .find(|job| job.id == id)
            .unwrap()
    };
    assert!(job().await.ended.is_none());
    assert_eq!(
        store
            .cancel_job(id, vec![agent_id("r-1")], later())
            .await
            .unwrap(),
        Some(0)
    );
    assert_eq!(
        store.cancel_job(id, Vec::new(), later()).await.unwrap(),
        Some(1)
    );
    let found = job().await;
    assert_eq!(found.ended, Some(later()));
    let outcomes: Vec<(Outcome, u32)> = found
        .agents
        .iter()
        .map(|agent| (agent.outcome, agent.attempts))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Delivered, 1),
            (Outcome::Withheld, 0),
            (Outcome::Cancelled, 0)
        ]
    );
    let waiting = store.pending(&agent_id("r-3")).await.unwrap();
    assert!(
        waiting.iter().all(|edit| edit.job != Some(id)),
        "it was taken back"
    );
    let again = Retried {
        asked: 2,
        ..Retried::default()
    };
    assert_eq!(retry(store, id, "otto").await, Some(again));
    assert!(job().await.ended.is_none());
    let second = edit("r-3").await;
    let waiting = store.pending(&agent_id("r-3")).await.unwrap();
    let waiting = waiting.iter().find(|edit| edit.id == second).unwrap();
    assert_eq!(
        (waiting.operator.as_str(), waiting.request.as_str()),
        ("otto", "job"),
        "who asks again answers for it"
    );
    assert_eq!(retry(store, id + 1, "otto").await, None);
    assert_eq!(
        store.cancel_job(id + 1, Vec::new(), later()).await.unwrap(),
        None
    );
}

async fn what_a_newer_edit_has_overtaken_is_not_tried_again(store: &dyn Store) {
    for agent in ["r-1", "r-2", "r-3"] {
        answer(store, agent, Outcome::Refused).await;
    }
    let both = ["r-1", "r-2"];
    let old = store.add_job(new("olga", &both)).await.unwrap().unwrap();
    for agent in both {
        answer(store, agent, Outcome::Refused).await;
    }
    store.add_job(new("olga", &["r-1"])).await.unwrap().unwrap();
    answer(store, "r-1", Outcome::Delivered).await;
    let retried = retry(store, old, "olga").await.unwrap();
    assert_eq!((retried.asked, retried.overtaken), (1, 1));
    assert!(store.pending(&agent_id("r-1")).await.unwrap().is_empty());
    answer(store, "r-2", Outcome::Delivered).await;
}

async fn an_agent_with_no_room_is_left_out(store: &dyn Store) {
    for _ in 0..64 {
        store.add_job(new("full", &["r-3"])).await.unwrap().unwrap();
    }
    let both = ["r-2", "r-3"];
    let id = store.add_job(new("full", &both)).await.unwrap().unwrap();
    let jobs = store.jobs().await.unwrap();
    let job = jobs.iter().find(|job| job.id == id).unwrap();
    let found: Vec<_> = job
        .agents
        .iter()
        .map(|agent| (agent.outcome, agent.errors.as_str()))
        .collect();
    assert_eq!(
        found,
        [(Outcome::Pending, "[]"), (Outcome::Withheld, "[1]")]
    );
    let retried = retry(store, id, "full").await.unwrap();
    assert_eq!((retried.asked, retried.crowded), (0, 1));
    answer(store, "r-3", Outcome::Refused).await;
    assert_eq!(retry(store, id, "full").await.unwrap().asked, 1);
    for agent in both {
        answer(store, agent, Outcome::Refused).await;
    }
}

async fn jobs_do_not_pile_up(store: &dyn Store) {
    // Without agents they end at once; those under way are what counts.
    for _ in 0..101 {
        store.add_job(new("busy", &[])).await.unwrap().unwrap();
    }
    let job = |request: usize| NewJob {
        request: "x".repeat(request),
        ..new("busy", &["r-1"])
    };
    for _ in 0..4 {
        store.add_job(job(1 << 20)).await.unwrap().unwrap();
    }
    for _ in 0..12 {
        // Withheld, where the agent has no room: such a one has ended.
        store.add_job(job(1 << 20)).await.unwrap().unwrap();
    }
    assert_eq!(
        store.pending(&agent_id("r-1")).await.unwrap().len(),
        4,
        "the text of a job counts for each agent"
    );
    answer(store, "r-1", Outcome::Refused).await;
    for n in 0..100 {
        let agent = ["r-1", "r-2"][n % 2];
        store.add_job(new("busy", &[agent])).await.unwrap().unwrap();
    }
    let refused = store.add_job(new("busy", &["r-3"])).await.unwrap();
    assert_eq!(refused, Err(NoRoom::Operator));
    assert!(
        store.add_job(new("other", &["r-3"])).await.unwrap().is_ok(),
        "a share is each operator's own"
    );
    let of = async |operator: &str| {
        let mut jobs = store.jobs().await.unwrap();
        jobs.retain(|job| job.operator == operator);
        jobs
    };
    let before = (of("olga").await.len(), of("busy").await.len());
    assert!(before.0 > 0 && before.1 > 200, "{before:?}");
    for _ in 0..21 {
        let fifty = (0..50).map(|_| store.add_job(new("many", &[])));
        for added in futures_util::future::join_all(fifty).await {
            added.unwrap().unwrap();
        }
    }
    assert_eq!(of("many").await.len(), 1000, "what has ended goes");
    assert_eq!(
        of("olga").await.len(),
        before.0,
        "nobody's are driven out by another's"
    );
    let busy = of("busy").await;
    assert_eq!(
        (busy.len(), busy.iter().all(|job| job.ended.is_none())),
        (100, true),
        "what has not ended stays"
    );
    for agent in ["r-1", "r-2", "r-3"] {
        answer(store, agent, Outcome::Refused).await;
    }
    // Long texts go sooner.
    for _ in 0..70 {
        let long = NewJob {
            request: "x".repeat(1 << 20),
            ..new("long", &[])
        };
        store.add_job(long).await.unwrap().unwrap();
    }
    assert_eq!(of("long").await.len(), 64);
}
