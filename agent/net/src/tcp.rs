//! What the kernel knows of a TCP connection (`TCP_INFO`), and by which algorithm it avoids congestion.

use std::io;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::sys::{self, SocketOption};

/// Room for `struct tcp_info`; newer kernels append to it, and only the head is read.
const INFO_BYTES: usize = 256;

/// The congestion state of a sender (`enum tcp_ca_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionState {
    /// Nothing unusual.
    Open,
    /// Duplicate or selective acknowledgements have come.
    Disorder,
    /// The congestion window was reduced on notice (ECN).
    CongestionReduced,
    /// Fast retransmission.
    Recovery,
    /// A retransmission time-out.
    Loss,
    /// A number this program does not know.
    Other(u8),
}

/// The fields of `struct tcp_info` that measurements report. `None` where the kernel is older than the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// State of the connection (`TCP_ESTABLISHED` = 1, …).
    pub state: u8,
    /// Congestion state of the sender.
    pub congestion_state: CongestionState,
    /// Smoothed round-trip time, in microseconds.
    pub rtt_us: u32,
    /// Its mean deviation, in microseconds.
    pub rtt_variation_us: u32,
    /// Smallest round-trip time seen, in microseconds (Linux 4.6); `None` also before the first sample.
    pub min_rtt_us: Option<u32>,
    /// Segments retransmitted so far, SYN included.
    pub retransmits: u32,
    /// Retransmission time-outs of the segment now waited for; 0 when it is well.
    pub backoff: u8,
    /// Congestion window, in segments.
    pub congestion_window: u32,
    /// Slow-start threshold, in segments; `None` while it has not been set.
    pub slow_start_threshold: Option<u32>,
    /// Largest segment that is sent, in payload bytes.
    pub sent_mss: u32,
    /// Largest segment that came, as the receiver estimates it, in payload bytes.
    pub received_mss: u32,
    /// Path MTU, in bytes.
    pub path_mtu: u32,
    /// Payload bytes that the peer acknowledged, SYN and FIN included (Linux 4.1).
    pub acknowledged_bytes: Option<u64>,
    /// Payload bytes that came in order, read or not (Linux 4.1).
    pub received_bytes: Option<u64>,
    /// Segments sent, retransmissions and bare acknowledgements included (Linux 4.2).
    pub sent_segments: Option<u32>,
    /// Segments received, bare acknowledgements included (Linux 4.2).
    pub received_segments: Option<u32>,
    /// Segments that the peer has received (Linux 4.18).
    pub delivered: Option<u32>,
    /// Payload bytes sent, retransmissions included (Linux 4.19).
    pub sent_bytes: Option<u64>,
    /// Payload bytes sent again (Linux 4.19).
    pub retransmitted_bytes: Option<u64>,
    /// Delivery rate of the latest sample, in bytes per second (Linux 4.9); 0 before the first.
    pub delivery_rate: Option<u64>,
}

/// Reads `TCP_INFO`; `None` when `socket` is no TCP socket or the kernel does not tell.
pub fn tcp_info(socket: &impl AsFd) -> Option<TcpInfo> {
    let mut buffer = [0; INFO_BYTES];
    let length = sys::read(socket, SocketOption::TCP_INFO, &mut buffer).ok()?;
    parse(buffer.get(..length)?)
}

/// Reads `struct tcp_info` in this machine's byte order, as far as the kernel wrote it.
fn parse(bytes: &[u8]) -> Option<TcpInfo> {
    let byte = |at: usize| bytes.get(at).copied();
    let word = |at: usize| {
        let part = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*part))
    };
    let long = |at: usize| {
        let part = bytes.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_ne_bytes(*part))
    };
    Some(TcpInfo {
        state: byte(0)?,
        congestion_state: match byte(1)? {
            0 => CongestionState::Open,
            1 => CongestionState::Disorder,
            2 => CongestionState::CongestionReduced,
            3 => CongestionState::Recovery,
            4 => CongestionState::Loss,
            other => CongestionState::Other(other),
        },
        backoff: byte(4)?,
        sent_mss: word(16)?,
        received_mss: word(20)?,
        path_mtu: word(60)?,
        rtt_us: word(68)?,
        rtt_variation_us: word(72)?,
        // TCP_INFINITE_SSTHRESH.
        slow_start_threshold: Some(word(76)?).filter(|&threshold| threshold < 0x7fff_ffff),
        congestion_window: word(80)?,
        retransmits: word(100)?,
        acknowledged_bytes: long(120),
        received_bytes: long(128),
        sent_segments: word(136),
        received_segments: word(140),
        // ~0 stands for "none yet".
        min_rtt_us: word(148).filter(|&rtt| rtt != u32::MAX),
        delivery_rate: long(160),
        delivered: word(192),
        sent_bytes: long(200),
        retransmitted_bytes: long(208),
    })
}

/// Name of the algorithm that avoids congestion on `socket` (`cubic`, `bbr`, …); `None` when the kernel does not tell.
pub fn congestion_control(socket: &impl AsFd) -> Option<String> {
    let name = SockRef::from(socket).tcp_congestion().ok()?;
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    let name = String::from_utf8_lossy(&name[..end]).into_owned();
    (!name.is_empty()).then_some(name)
}

/// Chooses the algorithm that avoids congestion on `socket`.
///
/// # Errors
/// `NotFound` when the kernel has none of this name, `PermissionDenied` when it is not among
/// `net.ipv4.tcp_allowed_congestion_control` and this process has no `CAP_NET_ADMIN`.
pub fn set_congestion_control(socket: &impl AsFd, name: &str) -> io::Result<()> {
    SockRef::from(socket).set_tcp_congestion(name.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn the_kernel_tells_what_went_over_a_connection() {
        let (mut client, mut server) = pair();
        client.write_all(&[7; 5000]).unwrap();
        server.read_exact(&mut [0; 5000]).unwrap();
        server.write_all(b"ok").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        let info = tcp_info(&client).unwrap();
        assert_eq!(info.state, 1, "established");
        assert_eq!(info.congestion_state, CongestionState::Open);
        assert!(info.rtt_us > 0 && info.rtt_us < 1_000_000, "{info:?}");
        assert!(info.min_rtt_us.unwrap() <= info.rtt_us, "{info:?}");
        assert_eq!((info.retransmits, info.retransmitted_bytes), (0, Some(0)));
        assert_eq!(
            info.acknowledged_bytes,
            Some(5001),
            "the SYN counts as one byte"
        );
        assert_eq!(
            (info.sent_bytes, info.received_bytes),
            (Some(5000), Some(2))
        );
        assert!(info.sent_segments.unwrap() >= 3, "{info:?}");
        assert!(info.congestion_window > 0 && info.sent_mss >= 536 && info.path_mtu > 536);
        assert_eq!(tcp_info(&server).unwrap().received_bytes, Some(5000));
    }

    #[test]
    fn an_old_kernels_shorter_answer_lacks_the_newer_fields() {
        let bytes = [1; 104];
        let info = parse(&bytes).unwrap();
        assert_eq!(info.rtt_us, 0x0101_0101);
        assert_eq!((info.acknowledged_bytes, info.min_rtt_us), (None, None));
        assert_eq!(parse(&bytes[..103]), None);
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0xff; 256]).unwrap().min_rtt_us, None);
    }

    #[test]
    fn what_is_no_tcp_socket_has_no_info() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(tcp_info(&socket), None);
        assert_eq!(congestion_control(&socket), None);
    }

    #[test]
    fn congestion_control_is_told_and_set_by_name() {
        let (client, _server) = pair();
        let name = congestion_control(&client).unwrap();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "{name:?}"
        );
        // Reno is in every kernel.
        set_congestion_control(&client, "reno").unwrap();
        assert_eq!(congestion_control(&client).as_deref(), Some("reno"));
        assert_eq!(
            set_congestion_control(&client, "no-such-thing")
                .unwrap_err()
                .kind(),
            io::ErrorKind::NotFound
        );
    }
}
