//! The run: the way to the server, the transfer, the figures.

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};

use super::options::HttpUploadOptions;
use crate::context::Context;
use crate::methods::http::load::Direction;
use crate::methods::http::way::Asking;

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match HttpUploadOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let direction = Direction::Up {
        body_bytes: options.body_bytes,
    };
    options
        .transfer
        .run(direction, Asking::Upload, context)
        .await
}
