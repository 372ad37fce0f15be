//! Sends what waits in the spool and deletes what a receipt names.

use super::Contact;
use super::backoff::Backoff;
use super::http::{Answer, Call, Client, HttpError, Traffic};
use crate::clock;
use crate::random;
use crate::spool::Entry;
use crate::spooler::Spooler;
use flate2::Compression;
use flate2::write::GzEncoder;
use glimpse_model::id::ResultId;
use glimpse_model::record::Receipt;
use glimpse_model::time::Timestamp;
use glimpse_model::timing::Timing;
use hyper::body::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use rustls::ClientConfig;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A batch: at most this many bytes before compression, and this many records.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_RECORDS: usize = 500;

/// Largest receipt accepted, in bytes.
const RECEIPT_LIMIT: usize = 1 << 20;

/// Patience with the repository: it may wait for its disk.
const PATIENCE: Duration = Duration::from_mins(1);

/// The shortest pause between two uploads by a timing, whatever a configuration asks for.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// After a record appeared, wait this long for others to travel with it.
const GATHER: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", .0.explain())]
    Http(#[from] HttpError),
    #[error("the repository answers {0}")]
    Status(String, Option<Duration>),
    #[error("the repository's receipt is not understood: {0}")]
    Receipt(#[from] glimpse_model::read::Refused),
    #[error("the repository's receipt names {0} of {1} records sent")]
    Unnamed(usize, usize),
    #[error("cannot compress a batch: {0}")]
    Compress(#[from] io::Error),
}

/// When and where results are sent, by the configuration in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// When.
    pub timing: Timing,
    /// Where; to the supervisor itself when missing.
    pub repository: Option<String>,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            timing: Timing::Immediate {},
            repository: None,
        }
    }
}

/// The way to the repository, which a configuration may change.
#[derive(Debug)]
pub struct Route {
    supervisor: String,
    current: String,
    client: Client,
    tls: watch::Receiver<Arc<ClientConfig>>,
    traffic: Arc<Traffic>,
}

impl Route {
    /// A way to the supervisor itself, until a configuration names another repository.
    ///
    /// # Errors
    /// [`HttpError::Url`].
    pub fn new(
        supervisor: &str,
        tls: watch::Receiver<Arc<ClientConfig>>,
        traffic: Arc<Traffic>,
    ) -> Result<Self, HttpError> {
        Ok(Self {
            supervisor: supervisor.to_owned(),
            current: supervisor.to_owned(),
            client: Client::new(supervisor, tls.clone(), traffic.clone())?,
            tls,
            traffic,
        })
    }

    /// The client for the repository that is wanted now.
    fn client(&mut self, wanted: Option<&str>) -> Result<&mut Client, HttpError> {
        let wanted = wanted.unwrap_or(&self.supervisor);
        if wanted != self.current {
            self.client = Client::new(wanted, self.tls.clone(), self.traffic.clone())?;
            self.current = wanted.to_owned();
        }
        Ok(&mut self.client)
    }
}

/// The sending side. Runs until dropped.
#[derive(Debug)]
pub struct Repository {
    route: Route,
    spooler: Spooler,
    upload: watch::Receiver<Upload>,
    contact: mpsc::Sender<Contact>,
    most: usize,
    started: Timestamp,
}

impl Repository {
    /// A sender that follows the timing in `upload` and says on `contact` how it fares.
    pub fn new(
        route: Route,
        spooler: Spooler,
        upload: watch::Receiver<Upload>,
        contact: mpsc::Sender<Contact>,
    ) -> Self {
        Self {
            route,
            spooler,
            upload,
            contact,
            most: BATCH_RECORDS,
            started: clock::now(),
        }
    }

    /// Sends for ever: what is there now at once, later records by the timing.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut contact = Contact::default();
        loop {
            match self.drain(&mut contact).await {
                Ok(()) => {
                    backoff.reset();
                    self.until_next().await;
                }
                Err(failure) => {
                    let asked = match &failure {
                        Failure::Status(_, wait) => *wait,
                        _ => None,
                    };
                    let wait = backoff.failed(random::number(), asked);
                    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                    contact.failed(clock::now(), micros, &failure.to_string());
                    self.tell(&contact).await;
                    log::warn!(
                        "{failure}; results wait, next attempt in {} s",
                        wait.as_secs().max(1)
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Sends batches until nothing waits.
    async fn drain(&mut self, contact: &mut Contact) -> Result<(), Failure> {
        loop {
            let batch = self.spooler.batch(BATCH_BYTES, self.most).await;
            if batch.is_empty() {
                return Ok(());
            }
            self.send(batch).await?;
            contact.succeeded(clock::now());
            self.tell(contact).await;
        }
    }

    async fn send(&mut self, batch: Vec<Entry>) -> Result<(), Failure> {
        let wanted = self.upload.borrow().repository.clone();
        let client = self.route.client(wanted.as_deref())?;
        let answer = client.call(&post(&batch)?).await?;
        match answer.status {
            StatusCode::OK => {
                self.most = BATCH_RECORDS;
                super::countable(&answer.body)?;
                let receipt = Receipt::parse(&answer.body)?;
                let (accepted, rejected) = named(&batch, receipt);
                let named = accepted.iter().chain(rejected.iter().map(|(id, _)| id));
                let named = named.collect::<HashSet<_>>().len();
                // After a crash a run may stand in the spool twice, under one id.
                let sent = batch
                    .iter()
                    .map(|entry| entry.id)
                    .collect::<HashSet<_>>()
                    .len();
                let settled = self.spooler.settle(accepted, rejected).await;
                // Sent again at once, the rest would fill the line of somebody who pays for it.
                if settled == 0 || named < sent {
                    return Err(Failure::Unnamed(named, sent));
                }
                Ok(())
            }
            // Too large: half of it next time; a single record that is too large will always be.
            StatusCode::PAYLOAD_TOO_LARGE if batch.len() > 1 => {
                self.most = batch.len() / 2;
                Ok(())
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                let reason = answer.describe();
                let ids = batch
                    .iter()
                    .map(|entry| (ResultId::from_bytes(entry.id), reason.clone()));
                if self.spooler.settle(Vec::new(), ids.collect()).await == 0 {
                    return Err(Failure::Unnamed(0, 1));
                }
                self.most = BATCH_RECORDS;
                Ok(())
            }
            _ => Err(refused(&answer)),
        }
    }

    /// Waits for the next time to send.
    async fn until_next(&mut self) {
        let timing = self.upload.borrow_and_update().timing.clone();
        let now = clock::now();
        let slot = timing.next(now, self.started);
        let Some(at) = slot.map(|slot| timing.fire_at(slot, random::seed())) else {
            // `immediate`, or a timing that has ended: as soon as something is there.
            self.spooler.filled().await;
            tokio::time::sleep(GATHER).await;
            return;
        };
        tokio::select! {
            () = tokio::time::sleep(clock::duration(at.since(now)).max(SHORTEST_PAUSE)) => {}
            changed = self.upload.changed() => if changed.is_err() {
                // The daemon is stopping; this task is about to be dropped.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn tell(&self, contact: &Contact) {
        // The daemon listens for as long as it runs.
        let _ = self.contact.send(contact.clone()).await;
    }
}

fn refused(answer: &Answer) -> Failure {
    Failure::Status(answer.describe(), answer.retry_after)
}

/// What of a receipt concerns the records of this batch.
fn named(batch: &[Entry], receipt: Receipt) -> (Vec<ResultId>, Vec<(ResultId, String)>) {
    let sent: HashSet<ResultId> = batch
        .iter()
        .map(|entry| ResultId::from_bytes(entry.id))
        .collect();
    let accepted = receipt
        .accepted
        .into_iter()
        .filter(|id| sent.contains(id))
        .collect();
    let rejected = receipt
        .rejected
        .into_iter()
        .filter_map(|rejected| {
            // A record whose id was not readable there is named by its place.
            let id = ResultId::parse(&rejected.id).ok().or_else(|| {
                let place = rejected.id.strip_prefix("records[")?.strip_suffix(']')?;
                let entry = batch.get(place.parse::<usize>().ok()?)?;
                Some(ResultId::from_bytes(entry.id))
            })?;
            sent.contains(&id).then_some((id, rejected.reason))
        })
        .collect();
    (accepted, rejected)
}

fn post(batch: &[Entry]) -> io::Result<Call> {
    let mut body = GzEncoder::new(Vec::new(), Compression::default());
    write!(body, "{{\"schema\":{},\"records\":[", glimpse_model::SCHEMA)?;
    for (i, entry) in batch.iter().enumerate() {
        if i > 0 {
            body.write_all(b",")?;
        }
        body.write_all(&entry.body)?;
    }
    body.write_all(b"]}")?;
    Ok(Call {
        method: Method::POST,
        path: "/agent/v2/results".to_owned(),
        headers: vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ],
        body: Bytes::from(body.finish()?),
        patience: PATIENCE,
        limit: RECEIPT_LIMIT,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::record::{Record, Rejected, Status};
    use std::io::Read;

    fn entry(n: u8) -> Entry {
        let id = ResultId::from_parts(Timestamp::from_micros(i64::from(n) * 1000), [n; 10]);
        let body = serde_json::to_vec(&Record::new(id, Status::Ok)).unwrap();
        Entry {
            id: *id.as_bytes(),
            time_us: 0,
            body,
        }
    }

    #[test]
    fn a_batch_is_the_document_of_the_protocol() {
        let call = post(&[entry(1), entry(2)]).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&call.body[..])
            .read_to_string(&mut text)
            .unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema"], 2);
        assert_eq!(document["records"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_receipt_moves_only_what_was_sent() {
        let batch = [entry(1), entry(2), entry(3)];
        let id = |n: usize| ResultId::from_bytes(batch[n].id);
        let stranger = ResultId::from_parts(Timestamp::from_micros(9_000_000), [9; 10]);
        let reject = |id: String| Rejected {
            id,
            reason: "no".to_owned(),
        };
        let mut receipt = Receipt::new();
        receipt.accepted = vec![id(0), stranger];
        receipt.rejected = vec![
            reject("records[1]".to_owned()),
            reject(id(2).to_string()),
            reject("records[7]".to_owned()),
            reject(stranger.to_string()),
        ];
        let (accepted, rejected) = named(&batch, receipt);
        assert_eq!(accepted, [id(0)]);
        let rejected: Vec<ResultId> = rejected.into_iter().map(|(id, _)| id).collect();
        assert_eq!(rejected, [id(1), id(2)]);
    }
}
