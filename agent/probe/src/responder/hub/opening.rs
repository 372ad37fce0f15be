//! How a session of UDP begins: asked for, agreed to, accepted.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use glimpse_model::token::{Claims, MeasureId};
use glimpse_net::count::{Counter, datagram_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stream::Tally;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::super::{Ask, Event, Recall};
use super::guest::{Guest, Work};
use super::{Drive, Hub};
use crate::context::Meter;
use crate::peer::Limits;
use crate::peer::datagram::{Datagram, HELLO_LENGTH, LONGEST};
use crate::peer::plan::Request;
use crate::peer::session::Session;

impl Hub {
    /// Begins a session, as soon as the owner agrees.
    pub(super) fn open(
        &mut self,
        socket: usize,
        from: SocketAddr,
        id: MeasureId,
        claims: &Claims,
        request: Request,
        now_ns: u64,
    ) -> Result<(), String> {
        let limits = Limits::of(claims).smaller(self.shared.config.limits);
        let (request, method, worst_bytes, longest) = match request {
            Request::Trains(plan) => {
                let plan = plan.within(&limits)?;
                let (worst, longest) = (plan.worst_case_bytes(), plan.longest());
                (Request::Trains(plan), "packettrains_mp", worst, longest)
            }
            Request::Echo => {
                let longest = Duration::from_millis(limits.max_duration_ms.into());
                let worst = limits.max_bytes.saturating_mul(2);
                (Request::Echo, "ping_mp", worst, longest)
            }
        };
        let place = self.shared.place(claims).ok_or("the responder is busy")?;
        let tag = self.shared.bytes().ok_or("no random bytes")?;
        let (tally, meter) = (Tally::limited(worst_bytes), Meter::default());
        let recall = Recall::default();
        tally.add(&handshake(from.ip()));
        let ask = Ask {
            session: id,
            method,
            initiator: claims.initiator.clone(),
            peer: from.ip(),
            worst_bytes,
            meter: meter.clone(),
            recall: recall.clone(),
        };
        let (reply, answer) = oneshot::channel();
        // Nothing here waits for the owner: trains of others must not be late.
        self.events
            .try_send(Event::Asks(ask, reply))
            .map_err(|error| match error {
                TrySendError::Full(_) => "the responder is busy",
                TrySendError::Closed(_) => "the responder is stopping",
            })?;
        let patience = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        self.guests.push(Guest {
            id,
            token: claims.id,
            socket,
            from,
            tag,
            limits,
            tally,
            meter,
            recall,
            work: Work::Asking(answer, request),
            began_ns: now_ns,
            heard_ns: now_ns,
            until_ns: now_ns.saturating_add(patience),
            place: Some(place),
        });
        Ok(())
    }

    /// Begins what the owner has agreed to.
    pub(super) fn admit(&mut self, number: usize) -> Drive {
        let Some(seed) = self.shared.bytes() else {
            return Drive::Over(Err("no random bytes".to_owned()));
        };
        let guest = &mut self.guests[number];
        let Work::Asking(_, request) = &guest.work else {
            return Drive::Again;
        };
        let (socket, to, family) = (guest.socket, guest.from, Family::from(guest.from.ip()));
        guest.work = match request {
            Request::Trains(plan) => {
                let seed = u64::from_be_bytes(seed);
                let tally = guest.tally.clone();
                let session = Session::new(plan, guest.tag, false, family, tally, seed);
                Work::Trains(Box::new(session), plan.clone())
            }
            Request::Echo => Work::Echo {
                echoed: 0,
                dropped: 0,
                bytes: 0,
            },
        };
        let answer = Datagram::Accepted {
            session: guest.id,
            tag: guest.tag,
            limits: guest.limits,
        };
        self.answer(socket, to, &answer);
        Drive::Again
    }
}

/// What the handshake cost, which came before there was a session to charge.
fn handshake(peer: IpAddr) -> Counter {
    let family = Family::from(peer);
    let mut counter = Counter::default();
    counter.received(datagram_bytes(family, HELLO_LENGTH));
    counter.received(datagram_bytes(family, LONGEST));
    for _ in 0..2 {
        counter.sent(datagram_bytes(family, 64));
    }
    counter
}
