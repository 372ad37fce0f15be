//! From options to exchanges.

use std::path::Path;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};

use super::options::DnsLookupOptions;
use super::outcome::outcome;
use crate::context::Context;
use crate::methods::dns::lookup::{Plan, look_up, servers};
use crate::methods::dns::server::SystemServers;

/// Makes the measurement.
pub(super) async fn run(options: &Options, system_file: &Path, context: &Context) -> Outcome {
    let options = match DnsLookupOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let is_local = |system: &SystemServers| system.is_local(&options.host);
    let servers = match servers(&options.asking, system_file, is_local, context) {
        Ok(servers) => servers,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    let plan = Plan {
        name: options.name.clone(),
        kinds: &options.kinds,
        asking: &options.asking,
        servers,
        limit: options.worst_case_bytes(),
    };
    let exchanges = look_up(&plan, context).await;
    outcome(&exchanges, context.meter.read())
}
