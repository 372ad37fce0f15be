//! The socket options that neither `nix` nor `socket2` knows: plain bytes in and out of `setsockopt` and `getsockopt`.
//! The only `unsafe` of the workspace; everything that gives the bytes a meaning is elsewhere and safe.
#![expect(
    unsafe_code,
    reason = "two system calls that no safe crate in the tree wraps; design: only this crate may"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// An option by its level and name, as `setsockopt(2)` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketOption {
    level: libc::c_int,
    name: libc::c_int,
}

impl SocketOption {
    /// `IP_MTU_DISCOVER`: an integer of `IP_PMTUDISC_*`.
    pub(crate) const MTU_DISCOVER_V4: Self = Self::new(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER);
    /// `IPV6_MTU_DISCOVER`: an integer of `IPV6_PMTUDISC_*`.
    pub(crate) const MTU_DISCOVER_V6: Self = Self::new(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER);
    /// `IPV6_AUTOFLOWLABEL` (Linux 3.17): whether the kernel makes flow labels.
    pub(crate) const AUTO_FLOW_LABEL: Self = Self::new(libc::IPPROTO_IPV6, 70);
    /// `IP_RECVERR_RFC4884` (Linux 5.9): where the extensions of an ICMP error begin.
    pub(crate) const RECVERR_RFC4884_V4: Self = Self::new(libc::IPPROTO_IP, 26);
    /// `IPV6_RECVERR_RFC4884` (Linux 5.9).
    pub(crate) const RECVERR_RFC4884_V6: Self = Self::new(libc::IPPROTO_IPV6, 31);
    /// `TCP_INFO`: `struct tcp_info`, as long as the kernel's is.
    pub(crate) const TCP_INFO: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_INFO);

    const fn new(level: libc::c_int, name: libc::c_int) -> Self {
        Self { level, name }
    }
}

/// Sets an option that takes a C `int`.
pub(crate) fn set_int(
    socket: &impl AsFd,
    option: SocketOption,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the descriptor is borrowed and so open; the pointer is to an initialised `c_int` of `length` bytes that
    // outlives the call; the kernel only reads it.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            option.level,
            option.name,
            (&raw const value).cast(),
            length,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads an option into `buffer` and says how many bytes the kernel wrote; it writes no more than there is room for.
pub(crate) fn read(
    socket: &impl AsFd,
    option: SocketOption,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(buffer.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is borrowed and so open; `buffer` is exclusively ours and at least `length` bytes long, and
    // the kernel writes at most `length` bytes to it and the number written to `length`. Any bytes are valid `u8`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            option.level,
            option.name,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer == 0 {
        Ok(buffer
            .len()
            .min(usize::try_from(length).unwrap_or_default()))
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn an_integer_that_was_set_is_read_back() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for value in [libc::IP_PMTUDISC_PROBE, libc::IP_PMTUDISC_DONT] {
            set_int(&socket, SocketOption::MTU_DISCOVER_V4, value).unwrap();
            let mut bytes = [0xff; 16];
            let length = read(&socket, SocketOption::MTU_DISCOVER_V4, &mut bytes).unwrap();
            assert_eq!(length, 4);
            assert_eq!(i32::from_ne_bytes(*bytes.first_chunk().unwrap()), value);
            assert_eq!(bytes[4..], [0xff; 12], "beyond what the kernel wrote");
        }
    }

    #[test]
    fn a_short_buffer_is_not_overrun_and_a_refusal_is_told() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        set_int(&socket, SocketOption::MTU_DISCOVER_V4, 99).unwrap_err();
        assert_eq!(
            read(&socket, SocketOption::MTU_DISCOVER_V4, &mut []).unwrap_or_default(),
            0
        );
        read(&socket, SocketOption::TCP_INFO, &mut [0; 256]).unwrap_err();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            read(&listener, SocketOption::TCP_INFO, &mut [0; 5]).unwrap(),
            5
        );
    }
}
