//! What every database must do for the publisher of maps.

use crate::{AltoPublic, Labels, MeasuredRow, Pending, Rows};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;

/// The publisher's part of a [`crate::Store`].
pub trait AltoStore {
    /// What the results with status `ok` that started in `[from, to)` have measured of what is published, in no order. Nothing of agents
    /// that are forgotten.
    fn measurements(&self, from: Timestamp, to: Timestamp) -> Rows<MeasuredRow>;

    /// Notes labels that were found for an agent, in place of those before: [`AltoStore::measurements`] gives them where the operator
    /// has given none. False when there is no such agent, or it is forgotten.
    fn found(&self, agent: AgentId, labels: Labels) -> Pending<'_, bool>;

    /// A publisher's ledger with its revision, which is at least 1.
    fn alto_ledger(&self, name: &str) -> Pending<'_, Option<(u64, Vec<u8>)>>;

    /// Exchanges a publisher's ledger and stores what is published by it, in one step, if the ledger still has the expected revision: 0
    /// where there is none yet. Its revision is then one more. False where somebody else was first: nothing is written. Of each window the
    /// version before is replaced.
    fn alto_publish(
        &self,
        name: String,
        expected: u64,
        ledger: Vec<u8>,
        publics: Vec<AltoPublic>,
    ) -> Pending<'_, bool>;

    /// What is published by a ledger, of one kind of window or of all, where the window ends after this; by kind, then by start.
    fn alto_publics(
        &self,
        name: &str,
        span: Option<&str>,
        after: Timestamp,
    ) -> Pending<'_, Vec<AltoPublic>>;

    /// Deletes what was published of windows of this kind that ended at this moment or before; gives how many.
    fn alto_prune(&self, name: String, span: String, until: Timestamp) -> Pending<'_, u64>;
}
