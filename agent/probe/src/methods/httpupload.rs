//! `httpupload`: how fast content goes to a server, over one or several connections.
//!
//! The same as `httpdownload` the other way round: `POST` of random bytes, as one chunked body until the time is over, or in
//! bodies of `body_bytes`. Bytes count when the server's TCP has acknowledged them, so that what waits in this machine's
//! buffers does not; over TLS, its records are in them. Where the server answers with JSON that says how many bytes it has
//! received, that is told beside.

mod options;
mod run;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::Need;
use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use self::options::HttpUploadOptions;
use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_OWBTC_Active_IP-TCP-HTTP-Upload-MultipleParallelStreams__BPS_Mean",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("httpupload"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[Need::ExclusiveLine]),
        method: Arc::new(HttpUpload),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct HttpUpload;

impl Method for HttpUpload {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        HttpUploadOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        HttpUploadOptions::read(options).map_or(0, |options| options.transfer.max_bytes)
    }

    fn longest_run(&self, options: &Options) -> Duration {
        HttpUploadOptions::read(options)
            .map_or(Duration::ZERO, |options| options.transfer.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
