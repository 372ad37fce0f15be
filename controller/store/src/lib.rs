//! GLIMPSE: the repository's rows and the databases that hold them.
//!
//! ```text
//!  program ──▶ trait Store ──▶ sqlite/ ── one writer task: jobs waiting together share one COMMIT
//!                                      ├─ read pool
//!                                      └─ watcher: sees commits of other processes
//! ```
//!
//! - What a call acknowledges is durable: the answer comes after COMMIT with `synchronous=FULL`.
//! - Results are idempotent by their id, and rows of results are written once.
//! - Several processes may work on one database; [`Store::changed`] tells of each other's writes.
//! - What was there before an agent reaches it only as far as the [`Judge`] lets it.
//! - The crate knows no HTTP and no clock: points in time are arguments.

mod alto;
mod error;
mod figures;
mod judge;
mod measured;
mod row;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;

pub use alto::AltoStore;
pub use error::Error;
pub use figures::Figures;
pub use judge::{Admit, AdmitLoads, Gate, Judge};
pub use row::{
    Agent, AltoPublic, Audience, Certificate, Coding, Datastore, Edit, Enrolled, Enrolment, Filter,
    ForeignLoad, Grant, Identity, Ingest, Intended, Intention, Job, JobAgent, Known, Labels,
    LoadChange, Measured, MeasuredRow, NewEdit, NewInstruction, NewJob, NewReport, NewResult,
    NewToken, NoRoom, Outcome, Remains, ResultRow, Retried, Settled, Standing, StandingLoad,
    StoredInstruction, TokenFault, TokenHash, Visible, Withheld, Withholding,
};
pub use sqlite::{Options, Sqlite};
pub use store::{Addition, Health, Pending, Rows, Store};
