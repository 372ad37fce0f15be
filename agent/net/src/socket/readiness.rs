//! Waiting until the kernel stamps. It switches the stamping of received packets on when the first socket asks for it, but
//! some milliseconds later; answers that come before have no stamp.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Protocol, Type};

use super::message::{EventKind, receive};
use super::{SocketError, create, setup};
use crate::packet::Family;

/// From one look to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// Looks before it is taken for granted that this kernel stamps nothing.
const LOOK_LIMIT: u32 = 200;

/// Waits until a packet that this host sends to itself is stamped, a fifth of a second at most. The caller keeps a socket
/// with stamps open meanwhile and afterwards. `false` when there was none in that time, or no loopback to try it on.
pub async fn stamping_begins() -> bool {
    match look().await {
        Ok(begun) => begun,
        Err(error) => {
            log::debug!("whether the kernel stamps packets could not be seen: {error}");
            false
        }
    }
}

async fn look() -> Result<bool, SocketError> {
    let socket = create::socket(Family::V4, Type::DGRAM, Some(Protocol::UDP), 1)?;
    create::stamp_packets(&socket).map_err(setup("SO_TIMESTAMPING"))?;
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket
        .bind(&here.into())
        .map_err(|source| SocketError::Bind { port: 0, source })?;
    let own = socket.local_addr().map_err(setup("getsockname"))?;
    socket
        .connect(&own)
        .map_err(setup("connection to itself"))?;
    let mut buffer = [0; 64];
    for _ in 0..LOOK_LIMIT {
        socket.send(&[0]).map_err(setup("packet to itself"))?;
        while let Ok(event) = receive(socket.as_raw_fd(), &mut buffer, false) {
            if matches!(event.kind, EventKind::Received { .. }) && event.stamp.kernel_ns.is_some() {
                return Ok(true);
            }
        }
        // The stamps of what was sent would fill the error queue.
        while receive(socket.as_raw_fd(), &mut buffer, true).is_ok() {}
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(false)
}
