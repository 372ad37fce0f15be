//! This machine's own addresses.

use glimpse_net::target::{AddressClass, classify};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use std::net::IpAddr;

/// Whether packets from this address come back from the Internet: of IPv4 a private one will do, there may be a
/// translation behind it.
pub(in crate::diagnose) fn leads_out(address: IpAddr) -> bool {
    match classify(address) {
        AddressClass::Global | AddressClass::Documentation => true,
        AddressClass::Private => address.is_ipv4(),
        _ => false,
    }
}

/// All addresses, each with the name of its device.
pub(in crate::diagnose) fn addresses() -> Vec<(String, IpAddr)> {
    let address = |socket: &SockaddrStorage| -> Option<IpAddr> {
        let v4 = socket.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| socket.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let entries = getifaddrs().into_iter().flatten();
    entries
        .filter_map(|entry| Some((entry.interface_name.clone(), address(&entry.address?)?)))
        .collect()
}
