//! One connection's download: bytes count when they are read from the socket, heads included.

use glimpse_net::stamp::monotonic_ns;

use super::body::Body;
use super::connection::Connection;
use super::error::HttpError;
use super::load::{Order, Thread, reconnect};
use super::way;

/// Asks again and again until it is stopped from outside or something goes wrong.
pub(super) async fn run(
    order: &Order,
    place: u16,
    current: &mut Option<Connection>,
    thread: &mut Thread,
) -> Result<(), HttpError> {
    loop {
        thread.requests_again()?;
        let Some(connection) = current else {
            reconnect(order, current, thread).await?;
            continue;
        };
        let target = order.target(place, thread.requests);
        let mut request = order.origin.request("GET", &target);
        if order.avoid_caches {
            request.push_str("Cache-Control: no-cache\r\n");
        }
        request.push_str("\r\n");
        let keep = answer(order, connection, thread, request.as_bytes()).await?;
        if !keep {
            reconnect(order, current, thread).await?;
        }
    }
}

/// One request and all of its answer; whether the connection can be used again.
async fn answer(
    order: &Order,
    connection: &mut Connection,
    thread: &mut Thread,
    request: &[u8],
) -> Result<bool, HttpError> {
    let asked_ns = monotonic_ns();
    connection.send(request).await?;
    let head = connection
        .head(|bytes| {
            let now_ns = monotonic_ns();
            thread
                .first_byte_ns
                .get_or_insert(now_ns.saturating_sub(asked_ns));
            thread.lane.add(now_ns, bytes as u64);
        })
        .await?;
    thread.status = Some(head.status);
    if head.status != 200 {
        return Err(if head.is_redirect() {
            HttpError::Redirected(way::next(&order.origin.url, &head)?.to_string())
        } else {
            HttpError::Status(head.status)
        });
    }
    thread.answered = true;
    let mut body = Body::new(head.framing);
    loop {
        let taken = body.take(connection.rest(), |_| ())?;
        connection.used(taken);
        if body.is_done() {
            if !connection.rest().is_empty() {
                return Err(HttpError::Surplus);
            }
            return Ok(head.keep_alive);
        }
        let bytes = match body.sure() {
            0 => connection.fill().await?,
            // Only what frames the content has to be seen.
            sure => {
                let bytes = connection.discard(sure).await?;
                body.passed(bytes as u64);
                bytes
            }
        };
        if bytes == 0 {
            body.closed()?;
            return Ok(false);
        }
        thread.lane.add(monotonic_ns(), bytes as u64);
    }
}
