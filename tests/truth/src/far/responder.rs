//! The agent's responder, with a controller's key of this program's own: who asks with one of its tokens is let in.

use super::Server;
use anyhow::{Context, Result, anyhow};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};
use glimpse_probe::peer::Limits;
use glimpse_probe::responder::{Config, Event, Memory, Responder};
use glimpse_tests::namespace::Namespace;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::cell::Cell;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Seed of the key: it guards nothing.
const SEED: [u8; 32] = [1; 32];
/// What a token and the responder allow: more than any line here.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 45,
    max_rate_bps: 1 << 40,
    max_duration_ms: 120_000,
};
/// From one token to the next of the same responder; also how long it is good for.
const VALID_US: i64 = 3_600_000_000;

/// A responder in a namespace, and leave to measure with it.
pub(crate) struct Peer {
    server: Server,
    key: Ed25519KeyPair,
    issued: Cell<u64>,
}

fn key() -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&SEED).map_err(|_| anyhow!("no key of this seed"))
}

/// The responder's time stands still: tokens do not expire while rows are taken.
fn clock() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

fn agent(name: &str) -> Result<AgentId> {
    AgentId::new(name).map_err(|refused| anyhow!("{refused}"))
}

impl Peer {
    /// Starts a responder in `namespace`.
    pub(crate) fn start(namespace: &Namespace) -> Result<Self> {
        let own = key()?;
        let config = Config {
            key: own.public_key().as_ref().try_into()?,
            agent: agent("far")?,
            port: 0,
            limits: LIMITS,
            max_sessions: 2,
            clock: Arc::new(clock),
            memory: Memory::default(),
        };
        let server = Server::start(namespace, async move || {
            let responder = Responder::bind(config).await?;
            let port = responder.port();
            Ok((port, serve(responder)))
        })?;
        Ok(Self {
            server,
            key: own,
            issued: Cell::new(0),
        })
    }

    /// Where it listens.
    pub(crate) const fn port(&self) -> u16 {
        self.server.port()
    }

    /// A token for one session.
    pub(crate) fn token(&self, method: PeerMethod) -> Result<String> {
        self.issued.set(self.issued.get() + 1);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.issued.get().to_be_bytes());
        let claims = Claims {
            id: MeasureId::from_random(id),
            initiator: agent("near")?,
            responder: agent("far")?,
            method,
            not_before: clock(),
            expires: clock().plus_micros(VALID_US),
            sessions: 1,
            max_bytes: LIMITS.max_bytes,
            max_rate_bps: LIMITS.max_rate_bps,
            max_duration_ms: LIMITS.max_duration_ms,
        };
        let signature = self.key.sign(claims.unsigned().as_bytes());
        let signature = signature.as_ref().try_into()?;
        let token = Token::encode(&claims, &signature).context("a token is too long")?;
        Ok(token.as_str().to_owned())
    }
}

async fn serve(responder: Responder) {
    let (events, mut heard) = mpsc::channel(8);
    let owner = async {
        while let Some(event) = heard.recv().await {
            if let Event::Asks(_, reply) = event {
                // Whoever has gone meanwhile needs no answer.
                let _ = reply.send(Ok(()));
            }
        }
    };
    tokio::select! {
        ended = responder.serve(events) => if let Err(error) = ended {
            eprintln!("the responder ended: {error}");
        },
        () = owner => {}
    }
}
