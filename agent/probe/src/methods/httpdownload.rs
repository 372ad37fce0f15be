//! `httpdownload`: how fast content comes from a server, over one or several connections.
//!
//! All connections are made first, then all ask together. Bytes count for the record after the ramp-up, when they are read
//! from the socket, heads included; over TLS, what it decrypts to. At the end the connections are reset. An answer that ends
//! before its time is asked for again.

mod options;
mod run;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::Need;
use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use super::http::TransferOptions;
use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_OWBTC_Active_IP-TCP-HTTP-MultipleParallelStreams__BPS_Mean",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("httpdownload"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[Need::ExclusiveLine]),
        method: Arc::new(HttpDownload),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct HttpDownload;

impl Method for HttpDownload {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        TransferOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        TransferOptions::read(options).map_or(0, |options| options.max_bytes)
    }

    fn longest_run(&self, options: &Options) -> Duration {
        TransferOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
