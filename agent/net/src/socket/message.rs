//! One message of a socket or of its error queue, with what came beside it.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, Timestamps, recvmsg};

use crate::packet::{Family, Label, PADDED_ORIGINAL, extensions, is_unannounced};
use crate::stamp::{Stamp, monotonic_ns, nanoseconds};

/// Room for the control messages asked for: stamps, an extended error with its offender, and the peculiar TTL.
const CONTROL_BYTES: usize = 512;

/// `SO_EE_ORIGIN_*` of `linux/errqueue.h`.
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;
const ORIGIN_TIMESTAMPING: u8 = 4;
/// `SO_EE_RFC4884_FLAG_INVALID`.
const EXTENSIONS_INVALID: u8 = 1;

/// Something that happened at a socket. Its bytes are in the buffer that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is.
    pub kind: EventKind,
    /// How many bytes of the buffer belong to it.
    pub length: usize,
    /// How long the packet really was, where it was longer than the buffer.
    pub whole_length: usize,
    /// When it came; of [`EventKind::Transmitted`], the kernel's part is when the packet left.
    pub stamp: Stamp,
    /// TTL or hop limit with which a packet arrived: the answer itself, or the ICMP error. `None` where it is not told.
    pub ttl: Option<u8>,
    /// Where in the bytes of [`EventKind::Failed`] the extension structure of RFC 4884 begins; see [`Self::labels`].
    pub extensions_at: Option<usize>,
    /// Of [`EventKind::Transmitted`], the number of the packet where the socket numbers them; else 0.
    pub number: u32,
}

impl Event {
    /// An event of `length` bytes with nothing beside it.
    pub const fn new(kind: EventKind, length: usize, stamp: Stamp) -> Self {
        Self {
            kind,
            length,
            whole_length: length,
            stamp,
            ttl: None,
            extensions_at: None,
            number: 0,
        }
    }

    /// What an ICMP error quotes, without padding of extensions where there are any. `bytes` is the buffer.
    pub fn quoted<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let end = self.extensions_at.unwrap_or(self.length);
        &bytes[..end.min(self.length).min(bytes.len())]
    }

    /// The MPLS labels that an ICMP error tells of (RFC 4950), the outermost first. `bytes` is the buffer.
    pub fn labels(&self, bytes: &[u8]) -> Vec<Label> {
        let whole = &bytes[..self.length.min(bytes.len())];
        self.extensions_at
            .and_then(|at| whole.get(at..))
            .map(extensions)
            .unwrap_or_default()
    }

    /// Looks for extensions that the kernel did not find, because the router did not announce them: 128 bytes behind the
    /// beginning of the quoted packet, of which the kernel has taken `stripped` bytes of headers.
    pub(super) fn locate_extensions(&mut self, stripped: usize, bytes: &[u8]) {
        let EventKind::Failed(report) = self.kind else {
            return;
        };
        let at = PADDED_ORIGINAL - stripped.min(PADDED_ORIGINAL);
        let rest = bytes[..self.length.min(bytes.len())].get(at..);
        if report.origin == ErrorOrigin::Icmp
            && self.extensions_at.is_none()
            && rest.is_some_and(is_unannounced)
        {
            self.extensions_at = Some(at);
        }
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A packet. Of a raw IPv4 socket the bytes begin with the IP header.
    Received {
        /// Its sender.
        from: Option<SocketAddr>,
    },
    /// An error about an earlier packet of ours; the bytes are what of that packet's payload was quoted. Of ICMP sockets the
    /// quote begins with the ICMP header.
    Failed(ErrorReport),
    /// A packet of ours that has left; the bytes are that packet, with headers of unknown length before the payload.
    Transmitted,
}

/// Who found the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorOrigin {
    /// This host, without a packet: too long for the path, no neighbour.
    Local,
    /// An ICMP or ICMPv6 message.
    Icmp,
    /// Something else.
    Other,
}

/// An entry of the error queue (`struct sock_extended_err`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    /// Who found it.
    pub origin: ErrorOrigin,
    /// The error number the kernel makes of it.
    pub errno: i32,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// MTU of "fragmentation needed" and "packet too big"; see [`Self::mtu`].
    pub info: u32,
    /// Who sent the ICMP message.
    pub offender: Option<IpAddr>,
    /// Where the packet was going, with the port of UDP and TCP.
    pub destination: Option<SocketAddr>,
}

impl ErrorReport {
    /// Whether this is "destination unreachable" of the given version.
    pub const fn is_unreachable(&self, family: Family) -> bool {
        let kind = match family {
            Family::V4 => 3,
            Family::V6 => 1,
        };
        matches!(self.origin, ErrorOrigin::Icmp) && self.icmp_type == kind
    }

    /// Whether this is "time exceeded in transit" of the given version.
    pub const fn is_time_exceeded(&self, family: Family) -> bool {
        let kind = match family {
            Family::V4 => 11,
            Family::V6 => 3,
        };
        matches!(self.origin, ErrorOrigin::Icmp) && self.icmp_type == kind && self.icmp_code == 0
    }

    /// The MTU that the packet was too long for, told by a router or known to this host already. `None` of other errors, and
    /// from routers that do not tell.
    pub const fn mtu(&self) -> Option<u32> {
        if self.errno == Errno::EMSGSIZE as i32 && self.info != 0 {
            Some(self.info)
        } else {
            None
        }
    }

    /// The error in words of the system.
    pub fn reason(&self) -> String {
        io::Error::from_raw_os_error(self.errno).to_string()
    }
}

/// Reads one message of the socket or of its error queue. `WouldBlock` when there is none.
pub(crate) fn receive(fd: RawFd, buffer: &mut [u8], error_queue: bool) -> io::Result<Event> {
    // MSG_TRUNC: hear the true length of a packet that is longer than the buffer.
    let mut flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    if error_queue {
        flags |= MsgFlags::MSG_ERRQUEUE;
    }
    let mut control = [0_u8; CONTROL_BYTES];
    let capacity = buffer.len();
    let mut vector = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(fd, &mut vector, Some(&mut control), flags)?;
    let mut stamp = Stamp::monotonic(monotonic_ns());
    let (mut report, mut ttl) = (None, None);
    // Control messages that did not fit only cost the stamp.
    for item in message.cmsgs().into_iter().flatten() {
        match item {
            ControlMessageOwned::ScmTimestampsns(Timestamps { system, .. }) => {
                stamp.kernel_ns = nanoseconds(&system);
            }
            ControlMessageOwned::Ipv4RecvErr(error, offender) => {
                let offender =
                    offender.map(|from| Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes()).into());
                report = Some((error, offender));
            }
            ControlMessageOwned::Ipv6RecvErr(error, offender) => {
                let offender =
                    offender.map(|from| IpAddr::V6(Ipv6Addr::from(from.sin6_addr.s6_addr)));
                // IPv4 offenders of a dual socket do not occur: IPV6_V6ONLY is set.
                report = Some((error, offender));
            }
            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                ttl = u8::try_from(hops).ok();
            }
            _ => {}
        }
    }
    let peer = message.address.as_ref().and_then(address);
    let (mut extensions_at, mut number) = (None, 0);
    if let Some((error, _)) = report {
        match error.ee_origin {
            ORIGIN_TIMESTAMPING => number = error.ee_data,
            ORIGIN_ICMP | ORIGIN_ICMP6 => extensions_at = announced(error.ee_data),
            _ => {}
        }
    }
    let kind = match report {
        Some((error, _)) if error.ee_origin == ORIGIN_TIMESTAMPING => EventKind::Transmitted,
        Some((error, offender)) => EventKind::Failed(ErrorReport {
            origin: match error.ee_origin {
                ORIGIN_LOCAL => ErrorOrigin::Local,
                ORIGIN_ICMP | ORIGIN_ICMP6 => ErrorOrigin::Icmp,
                _ => ErrorOrigin::Other,
            },
            errno: i32::try_from(error.ee_errno).unwrap_or_default(),
            icmp_type: error.ee_type,
            icmp_code: error.ee_code,
            info: error.ee_info,
            offender: offender.filter(|address| !address.is_unspecified()),
            destination: peer,
        }),
        None if error_queue => EventKind::Failed(ErrorReport {
            origin: ErrorOrigin::Other,
            errno: 0,
            icmp_type: 0,
            icmp_code: 0,
            info: 0,
            offender: None,
            destination: None,
        }),
        None => EventKind::Received { from: peer },
    };
    let whole_length = message.bytes;
    Ok(Event {
        kind,
        length: whole_length.min(capacity),
        whole_length,
        stamp,
        ttl,
        extensions_at,
        number,
    })
}

/// Where the kernel found extensions (`struct sock_ee_data_rfc4884`), unless it found them invalid.
fn announced(data: u32) -> Option<usize> {
    let [first, second, flags, _] = data.to_ne_bytes();
    let at = u16::from_ne_bytes([first, second]);
    (at != 0 && flags & EXTENSIONS_INVALID == 0).then_some(usize::from(at))
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage
        .as_sockaddr_in()
        .map(|address| SocketAddr::new(address.ip().into(), address.port()));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|address| SocketAddr::new(address.ip().into(), address.port()))
    })
}
