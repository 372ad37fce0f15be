//! The driver: the same short loop for every type whose packets are ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};
use glimpse_model::token::{MeasureId, Token};
use glimpse_net::count::Counter;
use glimpse_net::socket::{ErrorOrigin, ErrorReport, stamping_begins};
use glimpse_net::stamp::{Stamp, monotonic_ns};
use glimpse_net::stream;

use super::datagram::Datagrams;
use super::machine::{Action, Machine, Pace};
use super::options::{PingOptions, PingType};
use super::outcome::{Figures, outcome};
use super::tcp::Attempts;
use super::{payload, system};
use crate::alarm::Alarm;
use crate::context::Context;
use crate::peer::{Limits, session_id};

const NS_PER_MS: u64 = 1_000_000;

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match PingOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let address = match options.host.locate(options.family, context).await {
        Ok(address) => address,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    if options.kind == PingType::System {
        return system::run(&[system::PROGRAM], &options, address, context).await;
    }
    let line = match Line::open(&options, address, context.seed) {
        Ok(line) => line,
        Err(reason) => return nothing(&options, address, reason, ByteCount::default()),
    };
    line.ready().await;
    let Some(token) = options.token.clone() else {
        return drive(&options, address, context, line).await;
    };
    let session = session_id(context.seed);
    let mut outcome = with_peer(options, &token, session, address, context, line).await;
    for (name, id) in [("measure_uuid", session), ("token_id", token.claims().id)] {
        let value = id.to_string().into();
        outcome.probe_result.insert(name.to_owned(), value);
    }
    outcome
}

/// With another agent, as far as its responder allows.
async fn with_peer(
    options: PingOptions,
    token: &Token,
    session: MeasureId,
    address: IpAddr,
    context: &Context,
    mut line: Line,
) -> Outcome {
    let limit = options.worst_case_bytes().min(context.byte_limit);
    let tally = stream::Tally::limited(limit);
    let entered = line.enter(token, session, &tally, context).await;
    let allowed = entered.and_then(|limits| Ok(options.clone().within(&limits)?));
    match allowed {
        Ok(options) => drive(&options, address, context, line).await,
        Err(reason) => {
            let bytes = context.meter.show(&within(limit, line.counter()));
            nothing(&options, address, reason, bytes)
        }
    }
}

/// Nothing was sent, for this reason.
fn nothing(options: &PingOptions, address: IpAddr, reason: String, bytes: ByteCount) -> Outcome {
    let mut machine = Machine::new(pace(options), 0);
    machine.stop(reason);
    let tally = machine.tally();
    outcome(Figures::of(address, &tally), &tally.faults, bytes)
}

fn pace(options: &PingOptions) -> Pace {
    Pace {
        count: options.count,
        interval_ns: u64::from(options.interval_ms) * NS_PER_MS,
        timeout_ns: u64::from(options.timeout_ms) * NS_PER_MS,
        window: options.window(),
    }
}

async fn drive(
    options: &PingOptions,
    address: IpAddr,
    context: &Context,
    mut line: Line,
) -> Outcome {
    let mut machine = Machine::new(pace(options), monotonic_ns());
    // Copies and floods cannot be kept away: they are counted as well, and when they have used up what was announced the run
    // ends.
    let limit = options.worst_case_bytes().min(context.byte_limit);
    let each = options.exchange_bytes(address.into());
    let mut text = Vec::with_capacity(options.payload);
    let mut alarm = Alarm::new(Duration::from_millis(u64::from(options.interval_ms)));
    loop {
        if let Err(error) = line.drain(&mut machine) {
            machine.stop(error.to_string());
            break;
        }
        let counter = line.counter();
        context.meter.show(&within(limit, counter));
        match machine.poll(monotonic_ns()) {
            Action::Done => break,
            _ if counter.total_bytes() > limit => {
                machine.stop(format!(
                    "ended at its limit of {limit} bytes: more came than packets were answered"
                ));
                break;
            }
            Action::Send(_) if counter.total_bytes().saturating_add(each) > limit => {
                machine.stop(format!("stopped at its limit of {limit} bytes"));
            }
            Action::Send(index) => {
                payload::write(context.seed, index, options.payload, &mut text);
                match line.send(index, &text) {
                    Ok(stamp) => machine.sent(&text, stamp),
                    Err(reason) => machine.refused(reason, monotonic_ns()),
                }
                if let Err(error) = line.after_sending(&mut machine) {
                    machine.stop(error.to_string());
                    break;
                }
            }
            Action::Wait(until_ns)
                if line.is_stamping() && machine.may_rest(until_ns, monotonic_ns()) =>
            {
                alarm.at(until_ns).await;
                machine.rest(true);
            }
            Action::Wait(until_ns) => {
                machine.rest(false);
                let come = tokio::select! {
                    biased;
                    come = line.next(&mut machine) => come,
                    // Past the wait, the machine knows what to do.
                    () = alarm.at(until_ns) => Ok(()),
                };
                if let Err(error) = come {
                    machine.stop(error.to_string());
                    break;
                }
            }
        }
    }
    if line.counter().total_bytes().saturating_add(each) <= limit {
        line.leave();
    }
    let tally = machine.tally();
    if tally.late + tally.foreign > 0 {
        log::debug!(target:% = address, late = tally.late, foreign = tally.foreign; "packets that answered nothing");
    }
    outcome(
        Figures::of(address, &tally),
        &tally.faults,
        context.meter.show(&within(limit, line.counter())),
    )
}

/// What is shown of a counter: what came beyond the limit was nobody's to prevent, and the run has ended by it.
pub(super) fn within(limit: u64, mut counter: Counter) -> Counter {
    let room = limit.saturating_sub(counter.sent_bytes);
    counter.received_bytes = counter.received_bytes.min(room);
    counter
}

/// The sockets of a run.
enum Line {
    Datagrams(Datagrams),
    Attempts(Attempts),
}

impl Line {
    fn open(options: &PingOptions, address: IpAddr, seed: u64) -> Result<Self, String> {
        let remote = SocketAddr::new(address, options.destination_port);
        match options.kind {
            PingType::Tcp => Ok(Self::Attempts(Attempts::new(remote, options))),
            PingType::Icmp => Datagrams::icmp(address, options, seed).map(Self::Datagrams),
            PingType::Udp | PingType::System | PingType::Peer => {
                Datagrams::udp(remote, options).map(Self::Datagrams)
            }
        }
        .map_err(|error| error.to_string())
    }

    /// Has another agent's responder open a session, and says what it may use.
    async fn enter(
        &mut self,
        token: &Token,
        session: MeasureId,
        tally: &stream::Tally,
        context: &Context,
    ) -> Result<Limits, String> {
        match self {
            Self::Datagrams(datagrams) => datagrams.enter(token, session, tally, context).await,
            Self::Attempts(_) => Err("echoes go by udp".to_owned()),
        }
    }

    /// Lets another agent's responder go.
    fn leave(&mut self) {
        if let Self::Datagrams(datagrams) = self {
            datagrams.leave();
        }
    }

    /// Waits until the kernel stamps, where it has agreed to.
    async fn ready(&self) {
        if self.is_stamping() {
            stamping_begins().await;
        }
    }

    fn is_stamping(&self) -> bool {
        match self {
            Self::Datagrams(datagrams) => datagrams.is_stamping(),
            Self::Attempts(_) => false,
        }
    }

    /// Sends packet `index`; an error says why the kernel did not.
    fn send(&mut self, index: u32, text: &[u8]) -> Result<Stamp, String> {
        match self {
            Self::Datagrams(datagrams) => datagrams
                .send(index, text)
                .map_err(|error| error.to_string()),
            Self::Attempts(attempts) => attempts.send(index).map_err(|error| error.to_string()),
        }
    }

    /// Tells the machine when the packet just sent left, or the MTU that it was too long for.
    fn after_sending(&mut self, machine: &mut Machine) -> io::Result<()> {
        match self {
            Self::Datagrams(datagrams) => datagrams.after_sending(machine),
            // A connection attempt reports its own times.
            Self::Attempts(_) => Ok(()),
        }
    }

    /// Waits until something has come and tells the machine.
    async fn next(&mut self, machine: &mut Machine) -> io::Result<()> {
        match self {
            Self::Datagrams(datagrams) => datagrams.next(machine).await,
            Self::Attempts(attempts) => {
                attempts.next(machine).await;
                Ok(())
            }
        }
    }

    /// Tells the machine what has come already.
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

/// An error of the network in words for the record.
pub(super) fn describe(report: &ErrorReport) -> String {
    match (report.origin, report.offender) {
        (ErrorOrigin::Icmp, Some(offender)) => {
            let (kind, code) = (report.icmp_type, report.icmp_code);
            format!(
                "{} (icmp type {kind} code {code} from {offender})",
                report.reason()
            )
        }
        _ => report.reason(),
    }
}
