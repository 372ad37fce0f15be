//! The methods that this agent has.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::{Capability, Need};
use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::outcome::Outcome;
use glimpse_model::read::Refused;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::methods;

/// Where the names of our private metrics live (RFC 8911 §7.1.3 asks for a URI; ours are not registered with IANA).
pub const FUNCTION_BASE: &str = "https://www.measure-it.net/metrics/";
/// Where plug-ins live that do not say what they measure: by such a URI they can be asked for, and it claims no metric.
pub const PLUGIN_BASE: &str = "https://www.measure-it.net/functions/plugin/";

/// A measurement under way. Dropping it ends the measurement and all that it has started.
pub type Run<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What a method does with its checked options.
pub trait Method: Send + Sync {
    /// Refuses options that are each within bounds but not together.
    fn check(&self, options: &Options) -> Result<(), Refused>;

    /// Bytes at IP level, both directions together, that a run with these options needs at most. Resolving the name is
    /// not in it: that is the system's traffic.
    fn worst_case_bytes(&self, options: &Options) -> u64;

    /// How long a run with these options takes at most, resolving the name included.
    fn longest_run(&self, options: &Options) -> Duration;

    /// Makes the measurement.
    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a>;
}

/// A method and what there is to know about it. Cheap to clone.
#[derive(Clone)]
pub struct Descriptor {
    /// Name, such as `ping`.
    pub name: Cow<'static, str>,
    /// URIs of what it measures, for capabilities and reports.
    pub functions: Cow<'static, [Cow<'static, str>]>,
    /// Its options.
    pub options: Cow<'static, [OptionSpec]>,
    /// What it needs in every case.
    pub needs: Cow<'static, [Need]>,
    /// What it does.
    pub method: Arc<dyn Method>,
}

impl Descriptor {
    /// Reads the options of a task: each by the table, then all together. What this accepts, the other functions take.
    pub fn read(&self, given: &Map<String, Value>) -> Result<Options, Refused> {
        let options = Options::read(&self.options, given)?;
        self.check(&options)?;
        Ok(options)
    }

    /// Refuses options that are each within bounds but not together.
    pub fn check(&self, options: &Options) -> Result<(), Refused> {
        self.method.check(options)
    }

    /// Bytes that a run with these options needs at most; see [`Method::worst_case_bytes`].
    pub fn worst_case_bytes(&self, options: &Options) -> u64 {
        self.method.worst_case_bytes(options)
    }

    /// How long a run with these options takes at most; see [`Method::longest_run`].
    pub fn longest_run(&self, options: &Options) -> Duration {
        self.method.longest_run(options)
    }

    /// Makes the measurement, within the time limit of `context` whatever the method does.
    pub async fn run(&self, options: &Options, context: &Context) -> Outcome {
        if let Err(refused) = self.check(options) {
            return Outcome::failed(refused.to_string(), context.meter.read());
        }
        match tokio::time::timeout(context.time_limit, self.method.run(options, context)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::aborted(
                format!(
                    "stopped at its time limit of {} ms",
                    context.time_limit.as_millis()
                ),
                context.meter.read(),
            ),
        }
    }

    /// Its announcement.
    pub fn capability(&self) -> Capability {
        let functions: Vec<&str> = self.functions.iter().map(AsRef::as_ref).collect();
        Capability::new(&self.name, &functions, &self.options, &self.needs)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A name was registered twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("method {0} is registered already")]
pub struct Duplicate(pub String);

/// The methods by name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    methods: Vec<Descriptor>,
}

impl Registry {
    /// The methods of this crate, as its features have them.
    pub fn built_in() -> Self {
        Self {
            methods: methods::all(),
        }
    }

    /// Adds a method.
    ///
    /// # Errors
    /// [`Duplicate`] when there is one of that name: a method never replaces another.
    pub fn register(&mut self, descriptor: Descriptor) -> Result<(), Duplicate> {
        if self.find(&descriptor.name).is_some() {
            return Err(Duplicate(descriptor.name.into_owned()));
        }
        self.methods.push(descriptor);
        Ok(())
    }

    /// The method of that name.
    pub fn find(&self, name: &str) -> Option<&Descriptor> {
        self.methods
            .iter()
            .find(|descriptor| descriptor.name == name)
    }

    /// All methods, in the order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.methods.iter()
    }

    /// The announcements of all methods.
    pub fn capabilities(&self) -> Vec<Capability> {
        self.iter().map(Descriptor::capability).collect()
    }
}

#[cfg(test)]
mod tests;
