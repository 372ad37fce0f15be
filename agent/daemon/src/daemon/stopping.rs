//! The end of the daemon.

use super::{Daemon, Inboxes};
use crate::clock;
use crate::executor::RunEvent;
use glimpse_model::id::ResultId;
use std::time::Duration;

/// How long runs may go on after the agent was told to stop.
const LAST_RUNS: Duration = Duration::from_secs(2);

/// How long flash may take at the end.
const LAST_WRITES: Duration = Duration::from_secs(2);

impl Daemon {
    /// Lets what runs finish for [`LAST_RUNS`], ends the rest with a record, and writes everything down.
    pub(super) async fn stop(mut self, mut inboxes: Inboxes) {
        log::info!("stopping, {} measurements under way", self.running.len());
        super::send_home(&mut inboxes.asked);
        let deadline = tokio::time::sleep(LAST_RUNS);
        tokio::pin!(deadline);
        while self.running.values().any(|run| run.begun) {
            tokio::select! {
                () = &mut deadline => break,
                Some(event) = inboxes.runs.recv() => match event {
                    // Not begun yet: dropping the reply sends it home.
                    RunEvent::Begins(..) => {}
                    event => self.run_event(event).await,
                },
            }
        }
        self.executor.abort();
        let open: Vec<ResultId> = self.running.keys().copied().collect();
        for id in open {
            self.stopped(id).await;
        }
        self.end_visits("the agent was stopped").await;
        self.stop_own().await;
        self.stop_lmap().await;
        for skipped in self.skips.drain() {
            self.record_skip(skipped).await;
        }
        let written = async {
            self.spooler.flush().await;
            while let Ok(id) = inboxes.written.try_recv() {
                self.open.remove(&id);
            }
            drop(self.note_open().await);
            self.note_accounts(true).await;
            self.spooler.flush().await;
        };
        if tokio::time::timeout(LAST_WRITES, written).await.is_err() {
            log::error!("the device takes too long; what it has not taken is lost");
        }
        self.save_seen(true);
        self.session_files.save_durable();
        if let Err(error) = self.history.stop(clock::now().as_micros()) {
            log::warn!("history: {error}");
        }
    }
}
