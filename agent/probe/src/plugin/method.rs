//! A plug-in behind the interface of the methods.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::Need;
use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_model::read::Refused;
use glimpse_net::count::Counter;
use serde_json::{Map, Value};

use super::directory::{self, Owners};
use super::outcome::Report;
use super::process::{self, Call, ENDS, Failure};
use super::{Description, Stage};
use crate::context::{Bulk, Context};
use crate::registry::{Descriptor, Method, Run};
use crate::resolve::{FamilyChoice, Host, RESOLVE_LIMIT};

/// The descriptor of the plug-in at `path`.
pub(super) fn descriptor(
    stage: &Arc<Stage>,
    owners: Owners,
    path: PathBuf,
    description: Description,
) -> Descriptor {
    Descriptor {
        name: description.name.clone().into(),
        functions: description
            .functions
            .iter()
            .cloned()
            .map(Into::into)
            .collect(),
        options: description.options.clone().into(),
        needs: description.needs.clone().into(),
        method: Arc::new(Plugin {
            stage: stage.clone(),
            owners,
            path,
            description,
        }),
    }
}

/// The method.
#[derive(Debug)]
struct Plugin {
    stage: Arc<Stage>,
    owners: Owners,
    path: PathBuf,
    description: Description,
}

impl Method for Plugin {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        let (needed, allowed) = (self.time(options), self.stage.limits.time);
        if needed > allowed {
            let reason = format!(
                "a run could take {} ms, more than the {} ms that this agent allows a plug-in",
                needed.as_millis(),
                allowed.as_millis()
            );
            return Err(Refused::new(self.description.name.as_str(), reason));
        }
        if self.description.has_host() && !options.text("host").is_empty() {
            Host::parse(options.text("host"))
                .map_err(|error| Refused::new("host", error.to_string()))?;
        }
        Ok(())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        self.description.worst_case_bytes.of(options)
    }

    fn longest_run(&self, options: &Options) -> Duration {
        let resolving = if self.description.has_host() {
            RESOLVE_LIMIT
        } else {
            Duration::ZERO
        };
        self.time(options)
            .saturating_add(ENDS)
            .saturating_add(resolving)
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(self.measure(options, context))
    }
}

impl Plugin {
    fn time(&self, options: &Options) -> Duration {
        Duration::from_millis(self.description.longest_run_ms.of(options))
    }

    async fn measure(&self, options: &Options, context: &Context) -> Outcome {
        let nothing = ByteCount::default();
        let worst_bytes = self.worst_case_bytes(options);
        if worst_bytes > context.byte_limit {
            let limit = context.byte_limit;
            return Outcome::failed(
                format!("could need more than its limit of {limit} bytes"),
                nothing,
            );
        }
        if let Err(fault) = directory::check(&self.path, self.owners) {
            return Outcome::failed(fault.to_string(), nothing);
        }
        let input = match self.input(options, context).await {
            Ok(input) => Value::Object(input).to_string(),
            Err(reason) => return Outcome::failed(reason, nothing),
        };
        // Nobody counts its packets: from here on, all that it announced is taken as used.
        let charge = context.meter.show(&Counter {
            sent_bytes: worst_bytes,
            ..Counter::default()
        });
        let call = Call {
            program: &self.path,
            name: &self.description.name,
            word: "run",
            input: input.as_bytes(),
            time: self.time(options),
            output_bytes: self.stage.limits.output_bytes,
        };
        let failed = |error: String, ending| Outcome {
            ending,
            ..Outcome::failed(error, charge)
        };
        match process::call(&self.stage, &call).await {
            Err(late @ Failure::Late(_)) => failed(format!("the plug-in {late}"), Ending::Aborted),
            Err(failure) => Outcome {
                exit: failure.exit(),
                ..failed(format!("the plug-in {failure}"), Ending::Failed)
            },
            Ok(printed) => match Report::parse(&printed) {
                Ok(report) => report.into_outcome(charge),
                Err(refused) => failed(
                    format!("the plug-in printed no outcome: {refused}"),
                    Ending::Failed,
                ),
            },
        }
    }

    /// Whether it may fill the line to `host`. A plug-in cannot be trusted to ask the host itself.
    fn permit(&self, host: &str, bulk: &Bulk) -> Result<(), String> {
        match bulk {
            Bulk::Listed(hosts)
                if self.description.needs.contains(&Need::ExclusiveLine)
                    && !hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host)) =>
            {
                Err(format!(
                    "bulk transfers to {host} are not allowed: it is none of the household's bulk_targets"
                ))
            }
            _ => Ok(()),
        }
    }

    /// What it is given: its options, and the address of its host once that has been judged.
    async fn input(
        &self,
        options: &Options,
        context: &Context,
    ) -> Result<Map<String, Value>, String> {
        let mut input = options.as_map().clone();
        let host = options.text("host");
        if self.description.has_host() && !host.is_empty() {
            self.permit(host, &context.bulk)?;
            let family = match options.text("family") {
                "ipv4" => FamilyChoice::Ipv4,
                "ipv6" => FamilyChoice::Ipv6,
                _ => FamilyChoice::Any,
            };
            let host = Host::parse(host).map_err(|error| format!("host: {error}"))?;
            let address = host.locate(family, context).await?;
            input.insert("address".to_owned(), address.to_string().into());
        }
        Ok(input)
    }
}
