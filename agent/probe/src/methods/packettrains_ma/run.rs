//! The initiator: a handshake, then the trains.

use std::net::SocketAddr;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_model::token::MeasureId;
use glimpse_net::packet::Family;
use glimpse_net::socket::{Event, EventKind, ProbeSocket, stamping_begins};
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;

use super::options::TrainOptions;
use crate::context::Context;
use crate::peer::datagram::{Datagram, parse};
use crate::peer::handshake::{gone, shake_hands};
use crate::peer::opening::Opening;
use crate::peer::plan::{Request, TrainPlan};
use crate::peer::report::Train;
use crate::peer::session::{Next, Session, nap, wait};
use crate::peer::{session_id, trains};

/// Room for a packet and, of a transmitted one, the headers before it.
const BUFFER: usize = 2048;
const TTL: u8 = 64;
/// Packets taken in a row.
const AT_ONCE: usize = 64;

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match TrainOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let address = match options.peer.host.locate(options.peer.family, context).await {
        Ok(address) => address,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    let remote = SocketAddr::new(address, options.peer.port);
    let socket = match ProbeSocket::udp(remote, 0, TTL) {
        Ok(socket) => socket,
        Err(error) => return Outcome::failed(error.to_string(), ByteCount::default()),
    };
    if socket.is_stamping() {
        stamping_begins().await;
    }
    let limit = options.plan.worst_case_bytes().min(context.byte_limit);
    let session = session_id(context.seed);
    let mut line = Line {
        socket,
        family: Family::from(address),
        tally: Tally::limited(limit),
        context,
        buffer: vec![0; BUFFER],
    };
    let token = options.peer.token.claims().id;
    let ended = line.measure(&options, session).await;
    let bytes = line.show();
    match ended {
        Ok((plan, found)) => Outcome {
            exit: None,
            ending: Ending::Done,
            probe_result: trains::probe_result(session, token, address, &plan, &found),
            error: None,
            bytes,
        },
        Err(reason) => {
            let mut outcome = Outcome::failed(reason, bytes);
            let names = [("measure_uuid", session), ("token_id", token)];
            for (name, id) in names {
                let value = id.to_string().into();
                outcome.probe_result.insert(name.to_owned(), value);
            }
            let value = address.to_string().into();
            outcome
                .probe_result
                .insert("destination_ip".to_owned(), value);
            outcome
        }
    }
}

/// The socket of a run and what it counts into.
struct Line<'a> {
    socket: ProbeSocket,
    family: Family,
    tally: Tally,
    context: &'a Context,
    buffer: Vec<u8>,
}

impl Line<'_> {
    fn show(&self) -> ByteCount {
        self.context.meter.show(&self.tally.read())
    }

    async fn measure(
        &mut self,
        options: &TrainOptions,
        session: MeasureId,
    ) -> Result<(TrainPlan, Vec<Train>), String> {
        let request = Request::Trains(options.plan.clone()).encode();
        let token = options.peer.token.as_str();
        let opening = Opening::new(session, token, request, monotonic_ns());
        let (socket, buffer) = (&mut self.socket, &mut self.buffer);
        let opened = shake_hands(socket, opening, &self.tally, self.context, buffer).await?;
        let plan = options.plan.clone().within(&opened.limits)?;
        let (tally, seed) = (self.tally.clone(), self.context.seed);
        let mut trains = Session::new(&plan, opened.tag, true, self.family, tally, seed);
        loop {
            let mut taken = 0;
            while taken < AT_ONCE
                && let Some(event) = self.take()?
            {
                self.tell(&event, session, &mut trains)?;
                taken += 1;
            }
            if taken == AT_ONCE {
                // Whoever sends faster than is read here must not keep the thread from everything else.
                tokio::task::yield_now().await;
            }
            let socket = &mut self.socket;
            let next = trains.advance(|bytes| socket.send(bytes));
            self.show();
            let time = match next {
                Next::Pace(due) => {
                    if let Some(time) = nap(due) {
                        time
                    } else {
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Next::Wait(until) => wait(until),
                Next::Done => return Ok((plan, trains.trains().to_vec())),
                Next::Failed(reason) => return Err(reason),
            };
            if let Ok(event) = tokio::time::timeout(time, self.socket.next(&mut self.buffer)).await
            {
                let event = event.map_err(|error| error.to_string())?;
                self.tell(&event, session, &mut trains)?;
            }
        }
    }

    fn take(&mut self) -> Result<Option<Event>, String> {
        let taken = self.socket.take(&mut self.buffer);
        taken.map_err(|error| error.to_string())
    }

    fn tell(&self, event: &Event, session: MeasureId, trains: &mut Session) -> Result<(), String> {
        let bytes = &self.buffer[..event.length];
        match event.kind {
            EventKind::Received { .. } => match parse(bytes) {
                Ok(datagram) if datagram.tag() == Some(trains.tag()) => {
                    trains.heard(&datagram, event.whole_length, event.stamp)?;
                }
                Ok(Datagram::Refused {
                    session: ended,
                    reason,
                }) if ended == session => {
                    let reason = glimpse_model::read::printable(reason);
                    return Err(format!("the peer ended the session: {reason}"));
                }
                // Whatever it is, it came over the line.
                _ => self
                    .tally
                    .receive_datagram(self.family, event.whole_length)
                    .map_err(|limit| limit.to_string())?,
            },
            EventKind::Transmitted => {
                if let Some(kernel_ns) = event.stamp.kernel_ns {
                    trains.transmitted(bytes, kernel_ns);
                }
            }
            EventKind::Failed(_) => {
                if let Some(reason) = gone(event) {
                    return Err(reason);
                }
            }
        }
        Ok(())
    }
}
