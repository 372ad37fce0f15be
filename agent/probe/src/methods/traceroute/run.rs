//! The driver: the same short loop for every type.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};
use glimpse_net::count::Counter;
use glimpse_net::socket::stamping_begins;
use glimpse_net::stamp::{Stamp, monotonic_ns};

use super::attempts::Attempts;
use super::datagrams::Datagrams;
use super::machine::{Action, Machine, Probe};
use super::options::{ProbeType, TracerouteOptions};
use super::outcome::outcome;
use crate::context::Context;

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match TracerouteOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let target = match options.host.locate(options.family, context).await {
        Ok(target) => target,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    match Line::open(&options, target, context.seed) {
        Ok(line) => drive(&options, target, context, line).await,
        Err(reason) => {
            let mut machine = Machine::new(options.pace(), 0);
            machine.stop(reason);
            outcome(&options, target, &machine.trace(), ByteCount::default())
        }
    }
}

/// Makes the measurement with sockets that are open.
pub(super) async fn drive(
    options: &TracerouteOptions,
    target: IpAddr,
    context: &Context,
    mut line: Line,
) -> Outcome {
    line.ready().await;
    let mut machine = Machine::new(options.pace(), monotonic_ns());
    let (each, most) = (options.bytes_each(), options.worst_case_bytes());
    loop {
        if let Err(error) = line.drain(&mut machine) {
            machine.stop(error.to_string());
            break;
        }
        let used = bounded(line.counter(), most.min(context.byte_limit));
        context.meter.show(&used);
        match machine.poll(monotonic_ns()) {
            Action::Send(_) if used.total_bytes().saturating_add(each) > context.byte_limit => {
                machine.stop(format!(
                    "stopped at its limit of {} bytes",
                    context.byte_limit
                ));
            }
            Action::Send(_) if used.total_bytes().saturating_add(each) > most => {
                machine.stop("more came than the packets sent can have brought".to_owned());
            }
            Action::Send(probe) => match line.send(probe) {
                Ok(stamp) => machine.sent(stamp),
                Err(reason) => machine.refused(reason, monotonic_ns()),
            },
            Action::Wait(until_ns) => {
                let wait = Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
                // Past the wait, the machine knows what to do.
                if let Ok(Err(error)) = tokio::time::timeout(wait, line.next(&mut machine)).await {
                    machine.stop(error.to_string());
                    break;
                }
            }
            Action::Done => break,
        }
    }
    let trace = machine.trace();
    if trace.foreign > 0 {
        log::debug!(target:% = target, foreign = trace.foreign; "packets that answered nothing");
    }
    let used = bounded(line.counter(), most.min(context.byte_limit));
    outcome(options, target, &trace, context.meter.show(&used))
}

/// What was used, as far as it belongs to the run: a flood of what looks like answers is not charged to it.
fn bounded(mut counter: Counter, limit: u64) -> Counter {
    counter.received_bytes = counter
        .received_bytes
        .min(limit.saturating_sub(counter.sent_bytes));
    counter
}

/// The sockets of a run.
pub(super) enum Line {
    Datagrams(Box<Datagrams>),
    Attempts(Attempts),
}

impl Line {
    fn open(options: &TracerouteOptions, target: IpAddr, seed: u64) -> Result<Self, String> {
        match options.kind {
            ProbeType::Tcp => Ok(Self::Attempts(Attempts::new(options, target, seed))),
            ProbeType::Udp | ProbeType::Icmp => Datagrams::open(options, target, seed)
                .map(|datagrams| Self::Datagrams(Box::new(datagrams)))
                .map_err(|error| error.to_string()),
        }
    }

    /// Waits until the kernel stamps, where it has agreed to.
    async fn ready(&self) {
        if let Self::Datagrams(datagrams) = self
            && datagrams.is_stamping()
        {
            stamping_begins().await;
        }
    }

    /// Sends a probe; an error says why the kernel did not.
    fn send(&mut self, probe: Probe) -> Result<Stamp, String> {
        match self {
            Self::Datagrams(datagrams) => datagrams.send(probe),
            Self::Attempts(attempts) => attempts.send(probe).map_err(|error| error.to_string()),
        }
    }

    async fn next(&mut self, machine: &mut Machine) -> io::Result<()> {
        match self {
            Self::Datagrams(datagrams) => datagrams.next(machine).await,
            Self::Attempts(attempts) => {
                attempts.next(machine).await;
                Ok(())
            }
        }
    }

    fn drain(&mut self, machine: &mut Machine) -> io::Result<()> {
        match self {
            Self::Datagrams(datagrams) => datagrams.drain(machine),
            Self::Attempts(attempts) => {
                attempts.close_expired();
                Ok(())
            }
        }
    }

    fn counter(&self) -> Counter {
        match self {
            Self::Datagrams(datagrams) => datagrams.counter(),
            Self::Attempts(attempts) => attempts.counter(),
        }
    }
}
