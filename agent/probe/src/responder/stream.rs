//! TCP: bulk flows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_model::token::{Claims, MeasureId, PeerMethod};
use glimpse_net::count::{Counter, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::{CountedStream, Tally};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::{Ask, Event, Reason, Recall, Shared};
use crate::context::Meter;
use crate::peer::bulk::{Account, exchange, hear, tell};
use crate::peer::frame::{Frame, Key};
use crate::peer::plan::BulkPlan;
use crate::peer::{Direction, Limits, SILENCE, rates};

/// Connections of flows that may wait for their turn.
const WAITING: usize = 2;
/// How long an initiator whose session was ended may take to hang up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where the connections of a session's flows come in.
pub(super) struct Door {
    key: Key,
    flows: mpsc::Sender<(Direction, TcpStream)>,
}

/// Removes a session's door when the session ends, however it ends.
struct OpenDoor<'a> {
    shared: &'a Shared,
    session: MeasureId,
}

impl Drop for OpenDoor<'_> {
    fn drop(&mut self) {
        self.shared.flows().remove(&self.session);
    }
}

/// Serves one connection, whatever it is.
pub(super) async fn serve(shared: Arc<Shared>, mut stream: TcpStream, events: mpsc::Sender<Event>) {
    match hear(&mut stream).await {
        Ok(Frame::Start {
            token,
            session,
            plan,
        }) => {
            let now = shared.now();
            let checked = {
                let mut gate = shared.gate();
                gate.check(&token, PeerMethod::Btc, session, now, monotonic_ns())
                    .and_then(|claims| gate.enter(&claims, session, now).map(|()| claims))
            };
            match checked {
                Ok(claims) => {
                    let first = Frame::Start {
                        token,
                        session,
                        plan: plan.clone(),
                    };
                    let length = first.encode().len();
                    open(&shared, stream, length, session, &claims, plan, events).await;
                }
                Err(reason) => shared.ignore(reason),
            }
        }
        Ok(Frame::Flow {
            session,
            key,
            direction,
        }) => {
            let door = {
                let flows = shared.flows();
                flows
                    .get(&session)
                    .filter(|door| door.key == key)
                    .map(|door| door.flows.clone())
            };
            match door {
                // A session that has ended, or has its flows, takes no more.
                Some(door) => drop(door.try_send((direction, stream))),
                None => shared.ignore(Reason::Malformed),
            }
        }
        _ => shared.ignore(Reason::Garbage),
    }
}

/// Opens a session for somebody who may be answered.
async fn open(
    shared: &Shared,
    stream: TcpStream,
    first_bytes: usize,
    session: MeasureId,
    claims: &Claims,
    plan: BulkPlan,
    events: mpsc::Sender<Event>,
) {
    let Ok(peer) = stream.peer_addr().map(|peer| peer.ip().to_canonical()) else {
        return;
    };
    let limits = Limits::of(claims).smaller(shared.config.limits);
    let plan = plan.within(&limits);
    let worst_bytes = plan.as_ref().map_or(0, BulkPlan::worst_case_bytes);
    let account = Account {
        tally: Tally::limited(worst_bytes),
        meter: Meter::default(),
    };
    let mut control = CountedStream::new(stream, account.tally.clone());
    account.tally.add(&received(peer, first_bytes));
    let recall = Recall::default();
    let ask = Ask {
        session,
        method: "btc_mp",
        initiator: claims.initiator.clone(),
        peer,
        worst_bytes,
        meter: account.meter.clone(),
        recall: recall.clone(),
    };
    let begun = match plan {
        Ok(plan) => match shared.place_soon(claims).await {
            Some(place) => may(ask, &events).await.map(|()| (plan, place)),
            None => Err("the responder is busy".to_owned()),
        },
        Err(reason) => Err(reason.to_owned()),
    };
    match begun {
        Ok((plan, _place)) => {
            let mut flows = Vec::new();
            let measured = {
                let all = measure(
                    shared,
                    &mut control,
                    session,
                    &plan,
                    &limits,
                    &account,
                    &mut flows,
                );
                tokio::select! {
                    measured = all => measured.map_err(|fault| (Ending::Failed, fault)),
                    reason = recall.ended() => Err((Ending::Aborted, reason)),
                }
            };
            let (ending, error) = match measured {
                Ok(()) => (Ending::Done, None),
                Err((Ending::Failed, error)) => (rates::after_fault(&flows), Some(error)),
                Err((ending, error)) => (ending, Some(error)),
            };
            if ending == Ending::Aborted {
                part(&mut control, error.clone().unwrap_or_default()).await;
            }
            drop(control);
            account.show();
            let outcome = Outcome {
                exit: None,
                ending,
                probe_result: rates::probe_result(session, claims.id, peer, &flows),
                error,
                bytes: account.meter.read(),
            };
            // The owner is gone only when the agent stops.
            let _ = events.send(Event::Ended(session, outcome)).await;
        }
        Err(reason) => {
            // Whether it is heard is the initiator's affair.
            let _ = tell(&mut control, &Frame::Refused { reason }).await;
        }
    }
}

/// Tells the initiator why its session is over, and lets it hang up.
async fn part(control: &mut CountedStream, reason: String) {
    // Whether it is heard is the initiator's affair; a connection closed while it still speaks would take the word away.
    if tell(control, &Frame::Refused { reason }).await.is_ok() {
        let hang_up = async { while hear(control).await.is_ok() {} };
        let _ = tokio::time::timeout(FAREWELL, hang_up).await;
    }
}

/// Asks the owner.
async fn may(ask: Ask, events: &mpsc::Sender<Event>) -> Result<(), String> {
    let (reply, answer) = oneshot::channel();
    let stopping = || "the responder is stopping".to_owned();
    let asked = events.send(Event::Asks(ask, reply)).await;
    asked.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}

/// Runs the flows; what was measured before a fault stays in `flows`.
async fn measure(
    shared: &Shared,
    control: &mut CountedStream,
    session: MeasureId,
    plan: &BulkPlan,
    limits: &Limits,
    account: &Account,
    flows: &mut Vec<(Direction, rates::Flow)>,
) -> Result<(), String> {
    let all = async {
        let bytes = shared.bytes().ok_or("no random bytes")?;
        let key = Key::from_be_bytes(bytes);
        let (sender, mut doorway) = mpsc::channel(WAITING);
        shared.flows().insert(session, Door { key, flows: sender });
        let _open = OpenDoor { shared, session };
        let limits_told = *limits;
        tell(
            control,
            &Frame::Accepted {
                key,
                limits: limits_told,
            },
        )
        .await?;
        for &direction in &plan.directions {
            let flow = match tokio::time::timeout(SILENCE, doorway.recv()).await {
                Ok(Some((asked, flow))) if asked == direction => flow,
                Ok(_) => return Err("the peer opened another flow than was due".to_owned()),
                Err(_) => return Err("the peer opened no connection".to_owned()),
            };
            let sending = direction == Direction::Down;
            let seed = u64::from_be_bytes(shared.bytes().ok_or("no random bytes")?);
            let measured = exchange(control, flow, sending, plan, limits, account, seed).await?;
            flows.push((direction, measured));
        }
        Ok(())
    };
    match tokio::time::timeout(plan.longest(), all).await {
        Ok(ended) => ended,
        Err(_) => Err("stopped at its time limit".to_owned()),
    }
}

/// What the first message cost, which was read before there was a session to charge.
fn received(peer: IpAddr, bytes: usize) -> Counter {
    let mut counter = Counter::default();
    counter.received(packet_bytes(Family::from(peer), 32 + bytes));
    counter
}
