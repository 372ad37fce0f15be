//! The handshake over UDP as the initiator drives it: [`Opening`] on a socket.

use glimpse_net::socket::{Event, EventKind, ProbeSocket};
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;

use super::datagram::parse;
use super::opening::{Opened, Opening};
use super::sender::Step;
use super::session::wait;
use crate::context::Context;

/// Asks until the responder has opened or refused the session; `buffer` takes what comes.
///
/// # Errors
/// Why there is no session, as the record says it.
pub async fn shake_hands(
    socket: &mut ProbeSocket,
    mut opening: Opening,
    tally: &Tally,
    context: &Context,
    buffer: &mut [u8],
) -> Result<Opened, String> {
    let family = socket.family();
    let mut out = Vec::new();
    loop {
        match opening.poll(monotonic_ns(), &mut out) {
            Step::Control => {
                tally
                    .send_datagram(family, out.len())
                    .map_err(|limit| limit.to_string())?;
                // A refusal of the kernel is a loss; ICMP errors about it are told below.
                let _ = socket.send(&out);
                context.meter.show(&tally.read());
            }
            Step::Wait(until) => {
                let Ok(event) = tokio::time::timeout(wait(until), socket.next(buffer)).await else {
                    continue;
                };
                let event = event.map_err(|error| error.to_string())?;
                if let Some(reason) = gone(&event) {
                    return Err(reason);
                }
                if !matches!(event.kind, EventKind::Received { .. }) {
                    continue;
                }
                tally
                    .receive_datagram(family, event.whole_length)
                    .map_err(|limit| limit.to_string())?;
                if let Ok(datagram) = parse(&buffer[..event.length]) {
                    opening.heard(&datagram, monotonic_ns());
                }
            }
            Step::Failed(reason) => return Err(reason),
            Step::Done | Step::Packet { .. } | Step::Pace(_) => {
                return opening
                    .opened()
                    .ok_or_else(|| "the responder opened nothing".to_owned());
            }
        }
    }
}

/// Why there is nobody, where the peer's host or a router says so.
pub fn gone(event: &Event) -> Option<String> {
    let EventKind::Failed(report) = event.kind else {
        return None;
    };
    let offender = report.offender?;
    Some(format!("{} (icmp from {offender})", report.reason()))
}
