//! What an edit changes of what an agent sends, and what admission says to it.

use crate::admission;
use crate::app::Shared;
use crate::config::Operator;
use crate::restconf::engine::{Known, aside, is_confined};
use crate::restconf::loads;
use glimpse_model::id::AgentId;
use glimpse_restconf::Commit;
use glimpse_store::{Error as StoreError, Intention, NewEdit};
use glimpse_yang::Error;
use std::sync::Arc;

/// What an edit changes of what an agent sends.
pub(in crate::restconf) struct Change {
    before: Vec<String>,
    after: Vec<String>,
}

impl Change {
    /// What a commit changes, and the commit; or, within, why what the agent would send cannot be judged.
    ///
    /// # Errors
    /// It could not be worked on.
    pub(in crate::restconf) async fn of(
        shared: &Shared,
        known: &Arc<Known>,
        commit: Box<Commit>,
    ) -> Result<(Box<Commit>, Result<Self, Error>), Error> {
        let (known, own) = (Arc::clone(known), shared.own().to_vec());
        aside(move || {
            let change = loads::of(&commit.tree, &own).map(|after| Self {
                // What the agent has it has, whether that can be read or not.
                before: known.loads(&own).unwrap_or_default(),
                after,
            });
            (commit, change)
        })
        .await
    }

    /// What is in one and not in the other, each as often as it is there.
    fn beyond(one: &[String], other: &[String]) -> Vec<String> {
        let mut other: Vec<&String> = other.iter().collect();
        let mut rest = Vec::new();
        for load in one {
            match other.iter().position(|own| *own == load) {
                Some(at) => {
                    other.swap_remove(at);
                }
                None => rest.push(load.clone()),
            }
        }
        rest
    }

    fn is_none(&self) -> bool {
        self.before == self.after
    }

    /// Asks whether the agent may come to send it now, and counts it if so; a refusal is told in words.
    pub(in crate::restconf) async fn admit(
        &self,
        shared: &Shared,
        agent: &AgentId,
        operator: &Operator,
    ) -> Result<Result<(), String>, StoreError> {
        if self.is_none() {
            return Ok(Ok(()));
        }
        let intention = Intention {
            delivered: true,
            ..self.intention(agent)
        };
        admit(shared, operator, intention).await
    }

    /// The same for an agent that is not there: the edit is kept for it.
    pub(in crate::restconf) async fn intend(
        &self,
        shared: &Shared,
        agent: &AgentId,
        operator: &Operator,
        edit: NewEdit,
    ) -> Result<Result<(), String>, StoreError> {
        let intention = Intention {
            edit: Some(edit),
            ..self.intention(agent)
        };
        admit(shared, operator, intention).await
    }

    fn intention(&self, agent: &AgentId) -> Intention {
        Intention {
            before: self.before.clone(),
            loads: Some(self.after.clone()),
            ..intention(agent)
        }
    }

    /// The agent has it.
    pub(in crate::restconf) async fn make(
        &self,
        shared: &Shared,
        agent: &AgentId,
    ) -> Result<(), StoreError> {
        let gone = Self::beyond(&self.before, &self.after);
        if gone.is_empty() {
            return Ok(());
        }
        let (store, now) = (&shared.store, shared.now());
        let ended = store.end_loads(agent.clone(), gone, now, Some(admission::remains));
        ended.await
    }

    /// The agent has not taken it: what was counted for it is not sent.
    pub(in crate::restconf) async fn drop(
        &self,
        shared: &Shared,
        agent: &AgentId,
    ) -> Result<(), StoreError> {
        let new = Self::beyond(&self.after, &self.before);
        if new.is_empty() {
            return Ok(());
        }
        let (store, now) = (&shared.store, shared.now());
        store.end_loads(agent.clone(), new, now, None).await
    }
}

/// An intention that changes nothing.
pub(in crate::restconf) fn intention(agent: &AgentId) -> Intention {
    Intention {
        agent: agent.clone(),
        before: Vec::new(),
        loads: None,
        once: false,
        delivered: false,
        edit: None,
    }
}

/// Asks the one admission function whether an agent may come to send this, and counts it if so; a refusal is told in words.
/// Loads that are not known yet are judged when the edit is handed over.
pub(in crate::restconf) async fn admit(
    shared: &Shared,
    operator: &Operator,
    intention: Intention,
) -> Result<Result<(), String>, StoreError> {
    let now = shared.now();
    let limits = shared.config.limits.clone();
    let judge = admission::loads(
        if is_confined(operator) {
            limits.confined()
        } else {
            limits
        },
        now,
    );
    let verdicts = shared.store.intend(vec![intention], now, judge).await?;
    let verdict = verdicts.into_iter().next().unwrap_or(Ok(()));
    Ok(verdict.map_err(|withholding| withholding.reason))
}
