//! The run: the way to the server, the transfer, the figures.

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};

use crate::context::Context;
use crate::methods::http::TransferOptions;
use crate::methods::http::load::Direction;
use crate::methods::http::way::Asking;

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    match TransferOptions::read(options) {
        Ok(options) => options.run(Direction::Down, Asking::Content, context).await,
        Err(refused) => Outcome::failed(refused.to_string(), ByteCount::default()),
    }
}
