//! Tells of commits that may change what agents are told, by whatever process.
//!
//! `PRAGMA data_version` of one connection moves with every commit of another; only then is the
//! revision read. Nothing is polled while nobody waits.

use crate::Error;
use sqlx::{Connection, Row, SqliteConnection};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// How soon a commit of another process is seen.
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Changes {
    revision: watch::Receiver<i64>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    look: Notify,
    stop: Notify,
}

impl Changes {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (sender, revision) = watch::channel(0);
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(watch_over(connection, sender, Arc::clone(&shared)));
        Self {
            revision,
            shared,
            task: task.abort_handle(),
        }
    }

    /// Looks now: this process has written.
    pub(super) fn look(&self) {
        self.shared.look.notify_one();
    }

    /// Ends the watching; its connection is closed when this returns, so that the last one of the
    /// database to close is another and can fold the log in.
    pub(super) async fn close(&self) {
        self.shared.stop.notify_one();
        // The task drops its end of the channel when its connection is closed.
        let _ = self.revision.clone().wait_for(|_| false).await;
    }

    pub(super) async fn after(&self, known: i64) -> Result<i64, Error> {
        let mut revision = self.revision.clone();
        let _waiting = Waiting::new(&self.shared);
        self.look();
        revision
            .wait_for(|now| *now > known)
            .await
            .map(|now| *now)
            .map_err(|_| Error::Closed)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn watch_over(
    mut connection: SqliteConnection,
    sender: watch::Sender<i64>,
    shared: Arc<Shared>,
) {
    tokio::select! {
        never = tell(&mut connection, &sender, &shared) => match never {},
        () = shared.stop.notified() => {}
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(error = %error, "closing the database");
    }
    drop(sender);
}

async fn tell(
    connection: &mut SqliteConnection,
    sender: &watch::Sender<i64>,
    shared: &Shared,
) -> Infallible {
    let mut version = None;
    loop {
        if shared.waiting.load(Ordering::Relaxed) == 0 {
            shared.look.notified().await;
        } else {
            // Either ending means the same: look.
            let _ = tokio::time::timeout(POLL, shared.look.notified()).await;
        }
        match look(connection, &mut version).await {
            Ok(Some(revision)) => {
                sender.send_if_modified(|known| std::mem::replace(known, revision) != revision);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %error, "cannot see changes of the database");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

async fn look(
    connection: &mut SqliteConnection,
    version: &mut Option<i64>,
) -> Result<Option<i64>, Error> {
    let now: i64 = sqlx::query("PRAGMA data_version")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if *version == Some(now) {
        return Ok(None);
    }
    let revision = revision(connection).await?;
    *version = Some(now);
    Ok(Some(revision))
}

pub(super) async fn revision(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'revision'")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Counts the revision up, within the transaction that makes the change.
pub(super) async fn count_up(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
        .execute(connection)
        .await?;
    Ok(())
}
