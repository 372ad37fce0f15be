//! The run of a download or an upload, from its options to its outcome.

use glimpse_model::outcome::Outcome;
use glimpse_net::stream::Tally;

use super::error::HttpError;
use super::load::{Direction, Gauge, Order, Transfer, transfer};
use super::options::{TransferOptions, tally_limit};
use super::outcome::outcome;
use super::way::{Asking, Way, find, permit};
use crate::context::Context;

impl TransferOptions {
    /// Makes the measurement.
    pub(crate) async fn run(
        &self,
        direction: Direction,
        asking: Asking,
        context: &Context,
    ) -> Outcome {
        let limit = self.max_bytes.min(context.byte_limit);
        let gauge = Gauge::new(&context.meter);
        let tally = gauge.tally(tally_limit(limit, self.threads));
        match self
            .measure(direction, asking, context, &tally, &gauge)
            .await
        {
            Ok((way, transfer)) => {
                outcome(&way.origin, &way.redirected_from, transfer, gauge.show())
            }
            Err(error) => Outcome::failed(error.to_string(), gauge.show()),
        }
    }

    async fn measure(
        &self,
        direction: Direction,
        asking: Asking,
        context: &Context,
        tally: &Tally,
        gauge: &Gauge,
    ) -> Result<(Way, Transfer), HttpError> {
        let way = find(
            &self.url,
            self.redirects,
            asking,
            self.family,
            context,
            tally,
        )
        .await?;
        permit(&way.origin, &context.bulk).await?;
        let order = Order {
            origin: way.origin.clone(),
            direction,
            threads: self.threads,
            source_port: self.source_port,
            times_ms: (self.ramp_ms, self.target_ms, self.slot_ms),
            avoid_caches: self.avoid_caches,
            fills_queues: false,
            seed: context.seed,
        };
        let transfer = transfer(order, gauge, |_| ()).await?;
        Ok((way, transfer))
    }
}
