//! IP addresses and prefixes (RFC 6991, RFC 5952).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Reject, shown};

/// The canonical text of an address with or without zone, or of a prefix with its host bits at zero.
pub(super) fn canonical(text: &str) -> Result<String, Reject> {
    let wrong = || Reject::new(format!("'{}' is no IP address or prefix", shown(text)));
    if let Some((address, length)) = text.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let masked = match address {
            IpAddr::V4(address) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
            }
            IpAddr::V6(address) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
            }
            _ => return Err(wrong()),
        };
        return Ok(format!("{masked}/{length}"));
    }
    let (address, zone) = text
        .split_once('%')
        .map_or((text, None), |(address, zone)| (address, Some(zone)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    Ok(match zone {
        Some(zone) => format!("{address}%{zone}"),
        None => address.to_string(),
    })
}
