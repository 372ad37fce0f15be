//! Whether the clock can be believed, and whether a server can prove by it who it is.

use super::super::bench::Bench;
use super::super::down::{Certificate, Clock};
use super::super::means::Secure;
use crate::clock;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_net::stream::Tally;
use glimpse_probe::context::Context;
use glimpse_probe::methods::http::connection::Origin;
use glimpse_probe::methods::http::error::HttpError;
use glimpse_probe::methods::http::url::Url;
use glimpse_probe::methods::tls::{TlsError, TlsFault};
use glimpse_probe::resolve::FamilyChoice;
use std::sync::Arc;
use std::time::Duration;

/// How long the handshake may take, looking up the name included.
const LIMIT: Duration = Duration::from_secs(6);
/// Bytes on the line for it.
const BYTES: u64 = 64 << 10;

pub(in crate::diagnose) async fn clock(bench: &Bench<'_>) -> Clock {
    let now = (bench.means.now)();
    let secure = bench.means.secure.as_ref();
    let url = secure.and_then(|secure| Some((secure, Url::parse(&secure.url).ok()?)));
    let (host, certificate) = match url {
        None => (None, Certificate::Unchecked(None)),
        Some((secure, url)) => {
            let checked = tokio::time::timeout(LIMIT, check(bench, secure, &url)).await;
            let silent = || Certificate::Unchecked(Some("no answer in time".to_owned()));
            (Some(url.authority()), checked.unwrap_or_else(|_| silent()))
        }
    };
    Clock {
        now: Timestamp::from_unix_seconds(now.as_micros().div_euclid(SECOND)).to_string(),
        trusted: clock::is_trusted(now),
        host,
        certificate,
    }
}

async fn check(bench: &Bench<'_>, secure: &Secure, url: &Url) -> Certificate {
    let context = Context {
        tls: Arc::clone(&secure.tls),
        ..bench.context(LIMIT)
    };
    let tally = Tally::limited(BYTES);
    let shaken = async {
        let origin = Origin::locate(url, FamilyChoice::Any, &context, &tally).await?;
        origin.connect(0, 1024).await.map(|_| ())
    };
    let shaken = shaken.await;
    context.meter.show(&tally.read());
    match shaken {
        Ok(()) => Certificate::Valid,
        Err(HttpError::Tls(TlsError::Peer { fault, .. })) => match fault {
            TlsFault::Expired => Certificate::Expired,
            TlsFault::NotYetValid => Certificate::NotYetValid,
            TlsFault::Revoked
            | TlsFault::UnknownAuthority
            | TlsFault::WrongName
            | TlsFault::Certificate(_)
            | TlsFault::NotTls => Certificate::Refused(fault.to_string()),
            other => Certificate::Unchecked(Some(other.to_string())),
        },
        Err(error) => Certificate::Unchecked(Some(error.to_string())),
    }
}
