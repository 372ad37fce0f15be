//! Pulls configuration and instructions, announces capabilities.

use super::Contact;
use super::backoff::Backoff;
use super::http::{self, Answer, Call, Client, HttpError};
use crate::clock;
use crate::random;
use glimpse_model::configuration::Configuration;
use glimpse_model::read::Refused;
use glimpse_model::time::{SECOND, Timestamp};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use hyper::{Method, StatusCode};
use std::time::Duration;
use tokio::sync::mpsc;

/// Largest configuration and largest instruction set accepted, in bytes.
const CONFIGURATION_LIMIT: usize = 64 << 10;
const INSTRUCTIONS_LIMIT: usize = 2 << 20;

/// The shortest pause between two rounds, whatever a configuration asks for.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Patience with an answer, beyond the time it may be held open.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the supervisor's side has to tell the daemon.
#[derive(Debug)]
pub enum Heard {
    /// A configuration that parsed, and its bytes.
    Configuration(Box<Configuration>, Bytes),
    /// The bytes of an instruction set.
    Instructions(Bytes),
    /// How the contact stands.
    Contact(Contact),
}

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", .0.explain())]
    Http(#[from] HttpError),
    #[error("the controller answers {0}")]
    Status(String, Option<Duration>),
}

impl Failure {
    fn status(answer: &Answer) -> Self {
        Self::Status(answer.describe(), answer.retry_after)
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(_, wait) => *wait,
            Self::Http(_) => None,
        }
    }
}

/// Whether the supervisor had anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Some,
    None,
}

/// The pulling side. Runs until dropped.
#[derive(Debug)]
pub struct Supervisor {
    client: Client,
    heard: mpsc::Sender<Heard>,
    capabilities: Option<Bytes>,
    configuration: Configuration,
    configuration_tag: Option<HeaderValue>,
    instructions_tag: Option<HeaderValue>,
    contact: Contact,
    /// Why the last configuration was not taken.
    fault: Option<String>,
    started: Timestamp,
}

impl Supervisor {
    /// A puller that starts from `configuration`, the last one known, and announces `capabilities`.
    pub fn new(
        client: Client,
        heard: mpsc::Sender<Heard>,
        capabilities: Bytes,
        configuration: Configuration,
    ) -> Self {
        Self {
            client,
            heard,
            capabilities: Some(capabilities),
            configuration,
            configuration_tag: None,
            instructions_tag: None,
            contact: Contact::default(),
            fault: None,
            started: clock::now(),
        }
    }

    /// Pulls for ever.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let began = clock::now();
            let round = self.round().await;
            let now = clock::now();
            let wait = match round {
                Ok(news) => {
                    backoff.reset();
                    self.succeeded(now);
                    match news {
                        // Somebody is at work over there; what comes next should not have to wait.
                        News::Some => SHORTEST_PAUSE,
                        News::None if self.was_held(began, now) => SHORTEST_PAUSE,
                        News::None => self.until_next(now),
                    }
                }
                Err(failure) => {
                    let wait = backoff.failed(random::number(), failure.retry_after());
                    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                    self.contact.failed(now, micros, &failure.to_string());
                    log::warn!("{failure}; next attempt in {} s", wait.as_secs().max(1));
                    wait
                }
            };
            self.tell(Heard::Contact(self.contact.clone())).await;
            tokio::time::sleep(wait).await;
        }
    }

    /// One round: capabilities once, configuration, instructions. The wait for instructions is held
    /// open by the supervisor, so that a new one arrives at once.
    async fn round(&mut self) -> Result<News, Failure> {
        if let Some(document) = self.capabilities.clone() {
            let answer = self.client.call(&announcement(document)).await?;
            if !answer.status.is_success() {
                return Err(Failure::status(&answer));
            }
            self.capabilities = None;
        }
        let call = get(
            "/agent/v2/configuration".to_owned(),
            self.configuration_tag.as_ref(),
            PATIENCE,
            CONFIGURATION_LIMIT,
        );
        let answer = self.client.call(&call).await?;
        match answer.status {
            StatusCode::OK => {
                self.configure(answer).await;
            }
            StatusCode::NOT_MODIFIED => {}
            _ => return Err(Failure::status(&answer)),
        }
        // Reached: the household should not have to wait for the long poll to see it.
        self.succeeded(clock::now());
        self.tell(Heard::Contact(self.contact.clone())).await;

        // Before anything is known, ask without waiting; then wait for what is new.
        let wait = self.configuration.wait_s;
        let news = if self.instructions_tag.is_none() || wait == 0 {
            self.instructions(0).await?
        } else {
            News::None
        };
        match wait {
            0 => Ok(news),
            wait => self.instructions(wait).await,
        }
    }

    /// Takes a configuration. One that is not understood changes nothing and is shown as a fault;
    /// instructions are asked for all the same, so that they can be withdrawn.
    async fn configure(&mut self, answer: Answer) {
        match Configuration::parse(&answer.body).and_then(usable) {
            Ok(configuration) => {
                self.fault = None;
                self.configuration = configuration.clone();
                self.configuration_tag = answer.etag;
                let configuration = Box::new(configuration);
                self.tell(Heard::Configuration(configuration, answer.body))
                    .await;
            }
            Err(refused) => {
                let fault = format!("the controller's configuration is not understood: {refused}");
                log::warn!("{fault}");
                self.fault = Some(fault);
            }
        }
    }

    /// An exchange that succeeded at `now`, but for a fault in the configuration.
    fn succeeded(&mut self, now: Timestamp) {
        self.contact.succeeded(now);
        self.contact.error.clone_from(&self.fault);
    }

    /// Asks for the instruction set; the supervisor may hold the answer back for `wait` seconds
    /// while there is nothing new.
    async fn instructions(&mut self, wait: u32) -> Result<News, Failure> {
        let call = get(
            format!("/agent/v2/instructions?wait={wait}"),
            self.instructions_tag.as_ref(),
            PATIENCE + Duration::from_secs(wait.into()),
            INSTRUCTIONS_LIMIT,
        );
        let answer = self.client.call(&call).await?;
        match answer.status {
            StatusCode::OK => {
                self.instructions_tag = answer.etag;
                self.tell(Heard::Instructions(answer.body)).await;
                Ok(News::Some)
            }
            StatusCode::NOT_MODIFIED => Ok(News::None),
            _ => Err(Failure::status(&answer)),
        }
    }

    /// Whether the supervisor held the last round open as it was asked to: then the next may follow
    /// at once, and there is always one waiting for what is new.
    fn was_held(&self, began: Timestamp, now: Timestamp) -> bool {
        let wait = i64::from(self.configuration.wait_s) * SECOND;
        wait > 0 && now.since(began) >= wait / 2
    }

    /// Time from `now` to the next pull by the configured timing. A timing that has ended falls back
    /// to the default, so that the agent stays reachable.
    fn until_next(&self, now: Timestamp) -> Duration {
        let timing = &self.configuration.pull;
        let fallback = Configuration::default().pull;
        let next = |timing: &glimpse_model::timing::Timing| {
            let slot = timing.next(now, self.started)?;
            Some(timing.fire_at(slot, random::seed()))
        };
        next(timing)
            .or_else(|| next(&fallback))
            .map_or(Duration::from_mins(10), |at| clock::duration(at.since(now)))
            .max(SHORTEST_PAUSE)
    }

    async fn tell(&self, heard: Heard) {
        if self.heard.send(heard).await.is_err() {
            log::debug!("the daemon has stopped listening");
        }
    }
}

/// The configuration, if its addresses are such that a client can be made for them.
///
/// # Errors
/// [`Refused`] naming the member.
pub fn usable(configuration: Configuration) -> Result<Configuration, Refused> {
    match configuration.repository.as_deref().map(http::is_base) {
        Some(false) => Err(Refused::new("repository", "must be an https address")),
        _ => Ok(configuration),
    }
}

fn announcement(document: Bytes) -> Call {
    Call {
        method: Method::PUT,
        path: "/agent/v2/capabilities".to_owned(),
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body: document,
        patience: PATIENCE,
        limit: CONFIGURATION_LIMIT,
    }
}

fn get(path: String, tag: Option<&HeaderValue>, patience: Duration, limit: usize) -> Call {
    Call {
        path,
        headers: tag
            .map(|tag| (IF_NONE_MATCH, tag.clone()))
            .into_iter()
            .collect(),
        patience,
        limit,
        ..Call::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_repository_that_cannot_be_called_is_refused() {
        let with = |url: Option<&str>| {
            usable(Configuration {
                repository: url.map(str::to_owned),
                ..Configuration::default()
            })
        };
        assert!(with(None).is_ok());
        assert!(with(Some("https://repo.example.net:8443/base/")).is_ok());
        for url in [
            "http://repo.example.net",
            "https://",
            "repo",
            "",
            "https://a/?b",
            "file:///a",
            "https://a b",
        ] {
            let refused = with(Some(url)).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "repository: must be an https address",
                "{url}"
            );
        }
    }
}
