//! Reports on their way to collectors.

use super::Daemon;
use crate::uplink::collector::{self, Report};
use glimpse_lmap::Output;
use glimpse_lmap::outbox::Answer;
use std::sync::Arc;

/// What became of a report.
#[derive(Debug)]
pub(in crate::daemon) struct Posted {
    pub(super) schedule: String,
    pub(super) action: String,
    pub(super) collector: String,
    /// How many results it held.
    pub(super) count: usize,
    pub(super) answer: Answer,
}

impl Daemon {
    /// Sends a report in a task of its own.
    pub(super) fn post(
        &mut self,
        schedule: String,
        action: String,
        collector: String,
        outputs: Vec<Arc<Output>>,
    ) {
        let agent = self.lmap.machine.control().agent.clone();
        let client = self.lmap.client.clone();
        let traffic = self.traffic.clone();
        let own = self.settings.controller.url.as_deref();
        let parameters = own.is_some_and(|own| same_host(own, &collector));
        let schema = self.lmap.schema;
        self.lmap.posts.spawn(async move {
            let report = Report {
                schema,
                agent,
                outputs,
                parameters,
            };
            let (count, answer) = match client {
                Some(client) => collector::post(&collector, report, client, traffic).await,
                None => (
                    report.outputs.len(),
                    Answer::Later {
                        reason: "the door is shut".to_owned(),
                        retry_after_s: None,
                    },
                ),
            };
            Posted {
                schedule,
                action,
                collector,
                count,
                answer,
            }
        });
    }
}

/// Whether two https addresses are of one host.
fn same_host(one: &str, other: &str) -> bool {
    let host = |url: &str| {
        let authority = url.strip_prefix("https://")?.split('/').next()?.to_owned();
        let port = authority
            .rfind(':')
            .filter(|at| !authority[*at..].contains(']'));
        Some(authority[..port.unwrap_or(authority.len())].to_ascii_lowercase())
    };
    host(one).is_some() && host(one) == host(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_their_ports() {
        assert!(same_host(
            "https://a.example:8440",
            "https://A.example/restconf"
        ));
        assert!(same_host("https://[::1]:8440", "https://[::1]/restconf"));
        assert!(!same_host(
            "https://a.example",
            "https://b.example/restconf"
        ));
        assert!(!same_host("https://a.example", "http://a.example"));
    }
}
