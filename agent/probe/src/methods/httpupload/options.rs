//! What may be asked of `httpupload`: what all transfers may be asked, see
//! [`TransferOptions`](crate::methods::http::TransferOptions), and the length of the bodies.

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;

use crate::methods::http::TransferOptions;
use crate::methods::http::options::{number, transfer_options};

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = transfer_options!(OptionSpec::integer(
    "body_bytes",
    0,
    0,
    1_000_000_000,
    "bytes",
    "length of each body that is posted; 0: one chunked body until the time is over",
));

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpUploadOptions {
    /// What all transfers have.
    pub(super) transfer: TransferOptions,
    /// Bytes of a body; 0: one chunked body.
    pub(super) body_bytes: u64,
}

impl HttpUploadOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// As [`TransferOptions::read`].
    pub(super) fn read(options: &Options) -> Result<Self, Refused> {
        Ok(Self {
            transfer: TransferOptions::read(options)?,
            body_bytes: number(options, "body_bytes")?,
        })
    }
}
