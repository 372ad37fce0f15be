//! From options to exchanges.

use std::path::Path;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};

use super::options::ReverseDnsLookupOptions;
use super::outcome::outcome;
use crate::context::Context;
use crate::methods::dns::kinds::number;
use crate::methods::dns::lookup::{Plan, look_up, servers};
use crate::methods::dns::query;

/// Makes the measurement.
pub(super) async fn run(options: &Options, system_file: &Path, context: &Context) -> Outcome {
    let options = match ReverseDnsLookupOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    if let Err(reason) = (context.admit)(options.ip) {
        return Outcome::failed(format!("{}: {reason}", options.ip), ByteCount::default());
    }
    // An address that is admitted is none of the home, so neither is its name.
    let servers = match servers(&options.asking, system_file, |_| false, context) {
        Ok(servers) => servers,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    let plan = Plan {
        name: query::reverse_name(options.ip),
        kinds: &[number::PTR],
        asking: &options.asking,
        servers,
        limit: options.worst_case_bytes(),
    };
    let exchanges = look_up(&plan, context).await;
    outcome(options.ip, &exchanges, context.meter.read())
}
