//! One try by UDP. The kernel stamps query and answer, so that the time between them holds nothing of this program.

use glimpse_net::packet::Family;
use glimpse_net::socket::{ErrorOrigin, ErrorReport, EventKind, ProbeSocket};
use glimpse_net::stream::Tally;

use super::Failure;
use super::answer::{Answer, judge};
use super::lookup::Exchange;

/// Room for an answer that is longer than was offered, in bytes; what is longer still is cut and told.
const BUFFER: usize = 4096;
/// As the system has it.
pub(super) const TTL: u8 = 64;

/// Sends `query` and waits for its answer; the caller sets the time-out. Whatever else comes is counted.
pub(super) async fn exchange(
    query: &[u8],
    offered_bytes: u16,
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<Answer, Failure> {
    let server = notes.server;
    let family = Family::from(server.ip());
    let unreachable = |reason: String| Failure::Unreachable(format!("{server}: {reason}"));
    let mut socket = ProbeSocket::udp(server, 0, TTL)
        .map_err(|error| Failure::Unreachable(error.to_string()))?;
    let mut buffer = vec![0; BUFFER.max(usize::from(offered_bytes))];
    tally.send_datagram(family, query.len())?;
    let mut sent = socket
        .send(query)
        .map_err(|error| unreachable(error.to_string()))?;
    loop {
        let event = socket
            .next(&mut buffer)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let bytes = &buffer[..event.length];
        match event.kind {
            EventKind::Transmitted => sent.kernel_ns = event.stamp.kernel_ns,
            EventKind::Received { .. } => {
                tally.receive_datagram(family, event.whole_length)?;
                let Some(answer) = judge(query, bytes) else {
                    notes.mismatched += 1;
                    continue;
                };
                let (query_ns, clocking) = event.stamp.since(&sent);
                notes.query_ns = Some(query_ns);
                notes.clocking = clocking;
                notes.response_bytes = Some(event.whole_length);
                return Ok(answer);
            }
            EventKind::Failed(report) => match report.origin {
                ErrorOrigin::Icmp => {
                    tally.receive_datagram(
                        family,
                        family.header_length() + 8 + event.whole_length,
                    )?;
                    if is_about(query, bytes) {
                        return Err(refusal(&report, notes));
                    }
                    notes.mismatched += 1;
                }
                ErrorOrigin::Local => return Err(unreachable(report.reason())),
                ErrorOrigin::Other => {}
            },
        }
    }
}

/// Whether an ICMP error quotes this query. Old routers quote no more than the UDP header, which the kernel has compared.
fn is_about(query: &[u8], quoted: &[u8]) -> bool {
    quoted.starts_with(query) || query.starts_with(quoted)
}

fn refusal(report: &ErrorReport, notes: &Exchange) -> Failure {
    let server = notes.server;
    let family = Family::from(server.ip());
    let port_unreachable = match family {
        Family::V4 => 3,
        Family::V6 => 4,
    };
    let from_server = report.offender == Some(server.ip());
    if from_server && report.is_unreachable(family) && report.icmp_code == port_unreachable {
        return Failure::Refused(format!("{server} refused the query (port unreachable)"));
    }
    let (kind, code) = (report.icmp_type, report.icmp_code);
    let offender = report
        .offender
        .map_or_else(String::new, |offender| format!(" from {offender}"));
    Failure::Unreachable(format!(
        "{server}: {} (icmp type {kind} code {code}{offender})",
        report.reason()
    ))
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn an_error_that_quotes_another_query_is_not_about_ours() {
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        assert!(is_about(query, query));
        assert!(is_about(query, &query[..8]), "cut short by the router");
        assert!(is_about(query, &[&query[..], b"padding"].concat()));
        assert!(is_about(query, b""));
        assert!(!is_about(query, b"\x12\x35\x01\0\0\x01\0\0"));
        assert!(!is_about(query, b"garbage"));
    }
}
