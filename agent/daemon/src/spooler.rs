//! The thread that owns the spool.
//!
//! Writing to flash blocks, and a scheduler that shares its thread with it is late. So the spool
//! lives on a thread of its own; the others send it orders. When the device is full the oldest
//! segment makes room; what cannot be written even then waits in memory, and what does not fit there
//! is counted and logged.

use crate::clock;
use crate::files;
use crate::random;
use crate::spool::{Entry, Error, Gap, Id, Spool};
use glimpse_model::id::ResultId;
use glimpse_model::record::{self, Record, Status};
use glimpse_model::time::Timestamp;
use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use tokio::sync::{Notify, mpsc, oneshot};

/// Bytes of records held in memory while the device takes none.
const HELD_BYTES: usize = 256 << 10;

/// Orders that may wait; a sender that finds the queue full waits with them.
const ORDERS: usize = 64;

/// What stands in the spool, for `status`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpoolState {
    /// Records that wait to be sent, those in memory included.
    pub waiting: usize,
    /// Bytes on the device.
    pub bytes: u64,
    /// When the oldest waiting record was made.
    pub oldest: Option<Timestamp>,
    /// Records held in memory because the device is full.
    pub held: usize,
    /// Records the repository refused, with its reasons; the newest last.
    pub rejected: Vec<(ResultId, String)>,
}

enum Order {
    Append(ResultId, Timestamp, Vec<u8>),
    Batch(usize, usize, oneshot::Sender<Vec<Entry>>),
    Settle(
        Vec<ResultId>,
        Vec<(ResultId, String)>,
        oneshot::Sender<usize>,
    ),
    State(oneshot::Sender<SpoolState>),
    Note(PathBuf, Vec<u8>, oneshot::Sender<()>),
    Erase(PathBuf),
    Sync,
    Flush(oneshot::Sender<()>),
}

/// A handle to the thread; it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Spooler {
    orders: mpsc::Sender<Order>,
    filled: Arc<Notify>,
}

impl Spooler {
    /// Starts the thread; it says on `written` which records have reached the device.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(spool: Spool, written: mpsc::UnboundedSender<ResultId>) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let filled = Arc::new(Notify::new());
        let owner = Owner {
            spool,
            held: VecDeque::new(),
            held_bytes: 0,
            filled: filled.clone(),
            written,
        };
        thread::Builder::new()
            .name("spool".to_owned())
            .stack_size(256 << 10)
            .spawn(move || owner.run(inbox))?;
        Ok(Self { orders, filled })
    }

    /// Hands a record over. It is on its way to the device when this returns, and there when its id
    /// is said to be written.
    pub async fn append(&self, record: &Record) {
        let made = record
            .end_time
            .or(record.planned_time)
            .unwrap_or_else(clock::now);
        let body = match serde_json::to_vec(record) {
            Ok(body) => body,
            Err(error) => {
                log::error!(result:% = record.id; "a record cannot be written down: {error}");
                return;
            }
        };
        self.send(Order::Append(record.id, made, body)).await;
    }

    /// The oldest waiting records; see [`Spool::batch`].
    pub async fn batch(&self, max_bytes: usize, max_entries: usize) -> Vec<Entry> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Batch(max_bytes, max_entries, reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Deletes what a receipt accepts, keeps aside what it rejects. Returns how many records left
    /// the queue.
    pub async fn settle(
        &self,
        accepted: Vec<ResultId>,
        rejected: Vec<(ResultId, String)>,
    ) -> usize {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Settle(accepted, rejected, reply)).await;
        answer.await.unwrap_or_default()
    }

    /// How the spool stands.
    pub async fn state(&self) -> SpoolState {
        let (reply, answer) = oneshot::channel();
        self.send(Order::State(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Replaces a small file that changes often. It is written after all records handed over before,
    /// and before all that follow; the receiver tells when.
    pub async fn note(&self, path: &Path, content: Vec<u8>) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        self.send(Order::Note(path.to_owned(), content, done)).await;
        written
    }

    /// Removes a small file, after all that was handed over before.
    pub async fn erase(&self, path: &Path) {
        self.send(Order::Erase(path.to_owned())).await;
    }

    /// Has everything so far forced to the device, by the spool's policy.
    pub async fn sync(&self) {
        self.send(Order::Sync).await;
    }

    /// Waits until all orders so far are carried out and on the device.
    pub async fn flush(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Flush(reply)).await;
        // The thread is gone only when the process is.
        let _ = answer.await;
    }

    /// Waits until something was appended since the last call.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    async fn send(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            log::error!("the spool has stopped");
        }
    }
}

struct Held {
    id: ResultId,
    made: Timestamp,
    body: Vec<u8>,
}

struct Owner {
    spool: Spool,
    held: VecDeque<Held>,
    held_bytes: usize,
    filled: Arc<Notify>,
    /// Unbounded, so that the thread never waits for a daemon that waits for the thread; there are
    /// never more messages in it than runs the daemon has open.
    written: mpsc::UnboundedSender<ResultId>,
}

impl Owner {
    fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Append(id, made, body) => self.append(Held { id, made, body }),
            Order::Batch(max_bytes, max_entries, reply) => {
                self.retry_held();
                self.note_gap();
                let batch = self.spool.batch(max_bytes, max_entries);
                let batch = batch.unwrap_or_else(|error| {
                    log::error!("spool: {error}");
                    Vec::new()
                });
                let _ = reply.send(batch);
            }
            Order::Settle(accepted, rejected, reply) => {
                let mut left = self
                    .spool
                    .acknowledge(accepted.iter().map(ResultId::as_bytes));
                for (id, reason) in rejected {
                    match self.spool.reject(id.as_bytes(), &reason) {
                        Ok(true) => {
                            left += 1;
                            log::warn!(result:% = id; "the repository refused a record: {reason}");
                        }
                        Ok(false) => {}
                        Err(error) => log::error!("spool: {error}"),
                    }
                }
                self.retry_held();
                let _ = reply.send(left);
            }
            Order::State(reply) => {
                let _ = reply.send(self.state());
            }
            Order::Note(path, content, done) => {
                if let Err(error) = files::replace_unsynced(&path, &content, 0o600) {
                    log::warn!("cannot write {}: {error}", path.display());
                }
                // Not everybody waits for it.
                let _ = done.send(());
            }
            Order::Erase(path) => match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    log::warn!("cannot remove {}: {error}", path.display());
                }
                _ => {}
            },
            Order::Sync => {
                if let Err(error) = self.spool.flush() {
                    log::warn!("spool: {error}");
                }
            }
            Order::Flush(reply) => {
                self.retry_held();
                if let Err(error) = self.spool.flush() {
                    log::warn!("spool: {error}");
                }
                let _ = reply.send(());
            }
        }
    }

    fn append(&mut self, record: Held) {
        self.retry_held();
        if !self.held.is_empty() || !self.write(&record) {
            self.hold(record);
        }
        self.filled.notify_one();
    }

    /// Writes one record, making room on a full device by giving up the oldest segment once.
    fn write(&mut self, record: &Held) -> bool {
        let id: &Id = record.id.as_bytes();
        let made = record.made.as_micros();
        let mut result = self.spool.append(id, made, &record.body);
        if matches!(result, Err(Error::Full { .. })) && !self.spool.is_empty() {
            result = match self.spool.evict_oldest() {
                Ok(_) => self.spool.append(id, made, &record.body),
                Err(error) => Err(error),
            };
        }
        match result {
            Ok(evicted) => {
                if let Some(evicted) = evicted {
                    log::warn!(
                        "the spool is full: {} oldest records given up",
                        evicted.ids.len()
                    );
                }
                log::debug!(result:% = record.id; "spooled");
                // Nobody listens any more when the daemon stops.
                let _ = self.written.send(record.id);
                true
            }
            Err(Error::TooLarge { bytes, limit }) => {
                log::error!(result:% = record.id; "a record of {bytes} bytes does not fit into the spool (limit {limit})");
                true
            }
            Err(error) => {
                log::error!("spool: {error}; the record waits in memory");
                false
            }
        }
    }

    fn hold(&mut self, record: Held) {
        self.held_bytes += record.body.len();
        self.held.push_back(record);
        while self.held_bytes > HELD_BYTES
            && let Some(lost) = self.held.pop_front()
        {
            self.held_bytes -= lost.body.len();
            log::error!(result:% = lost.id; "record lost: no room on the device and none left in memory");
        }
    }

    fn retry_held(&mut self) {
        while let Some(record) = self.held.pop_front() {
            self.held_bytes -= record.body.len();
            if !self.write(&record) {
                self.held_bytes += record.body.len();
                self.held.push_front(record);
                return;
            }
        }
    }

    /// What was lost becomes a record before the next batch leaves.
    fn note_gap(&mut self) {
        let now = clock::now();
        let result = self.spool.record_gap(now.as_micros(), |gap| {
            let record = gap_record(gap, now);
            let body = serde_json::to_vec(&record).unwrap_or_default();
            (*record.id.as_bytes(), body)
        });
        if let Err(error) = result {
            log::warn!("spool: {error}");
        }
    }

    fn state(&self) -> SpoolState {
        SpoolState {
            waiting: self.spool.len() + self.held.len(),
            bytes: self.spool.bytes(),
            oldest: self.spool.oldest_us().map(Timestamp::from_micros),
            held: self.held.len(),
            rejected: self
                .spool
                .rejected()
                .map(|entry| (ResultId::from_bytes(entry.id), entry.reason.clone()))
                .collect(),
        }
    }
}

/// The record that stands for records that were lost.
fn gap_record(gap: &Gap, now: Timestamp) -> Record {
    let mut record = Record::new(new_id(now), Status::Gap);
    let at = |micros: Option<i64>| micros.map_or(now, Timestamp::from_micros);
    record.planned_time = Some(now);
    record.error = if gap.unreadable_bytes > 0 {
        format!("{} bytes of the spool were damaged", gap.unreadable_bytes)
    } else {
        "the spool was full".to_owned()
    };
    record.gap = Some(record::Gap {
        count: gap.entries,
        first: at(gap.first_us),
        last: at(gap.last_us),
    });
    record
}

/// A fresh result id.
pub fn new_id(now: Timestamp) -> ResultId {
    ResultId::from_parts(now, random::bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spool::Options;

    fn record(n: u8) -> Record {
        Record::new(
            ResultId::from_parts(Timestamp::from_micros(i64::from(n) * 1000), [n; 10]),
            Status::Ok,
        )
    }

    #[tokio::test]
    async fn glimpse_check_45_a_result_that_ends_between_post_and_receipt_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (written, mut on_device) = mpsc::unbounded_channel();
        let spooler = Spooler::start(
            Spool::open(dir.path(), Options::default()).unwrap(),
            written,
        )
        .unwrap();
        spooler.append(&record(1)).await;
        spooler.append(&record(2)).await;
        let posted = spooler.batch(1 << 20, 100).await;
        assert_eq!(posted.len(), 2);
        spooler.append(&record(3)).await;
        let accepted = posted
            .iter()
            .map(|entry| ResultId::from_bytes(entry.id))
            .collect();
        assert_eq!(spooler.settle(accepted, Vec::new()).await, 2);
        let left = spooler.batch(1 << 20, 100).await;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].id, *record(3).id.as_bytes());
        for n in 1..=3 {
            assert_eq!(on_device.recv().await, Some(record(n).id));
        }
    }

    #[tokio::test]
    async fn what_is_refused_is_kept_aside_and_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (written, _on_device) = mpsc::unbounded_channel();
        let spooler = Spooler::start(
            Spool::open(dir.path(), Options::default()).unwrap(),
            written,
        )
        .unwrap();
        spooler.append(&record(1)).await;
        let refused = vec![(record(1).id, "no such method".to_owned())];
        assert_eq!(spooler.settle(Vec::new(), refused.clone()).await, 1);
        let state = spooler.state().await;
        assert_eq!((state.waiting, state.rejected), (0, refused));
    }
}
