//! Which addresses may be measured for others.

use glimpse_net::target::{AddressClass, classify};
use std::net::IpAddr;

/// Judges an address after resolution and before every connect. `lan` is true where the
/// instruction means the household's own network and the household allows it: it opens private and
/// link-local addresses. `lab` opens loopback addresses and those reserved for documentation, which
/// laboratories use. Multicast and reserved addresses are never measured.
///
/// # Errors
/// What the address is, in words for the skip record.
pub fn admit(address: IpAddr, lan: bool, lab: bool) -> Result<(), String> {
    let class = classify(address);
    let allowed = match class {
        AddressClass::Global => true,
        AddressClass::Private | AddressClass::LinkLocal => lan,
        AddressClass::Loopback | AddressClass::Documentation => lab,
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    Err(format!(
        "{address} is {} and may not be measured from here",
        class.as_str()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_household_is_not_a_target_in_any_spelling() {
        for text in [
            "192.168.1.1",
            "10.0.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:192.168.1.1",
            "64:ff9b::c0a8:101",
            "2002:c0a8:101::1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "0.0.0.0",
            "::",
            "192.0.2.1",
        ] {
            let address = text.parse().unwrap();
            assert!(admit(address, false, false).is_err(), "{text}");
        }
        for text in ["9.9.9.9", "2620:fe::fe"] {
            assert!(admit(text.parse().unwrap(), false, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_each_permission_opens() {
        let lan: IpAddr = [192, 168, 1, 1].into();
        let own: IpAddr = [127, 0, 0, 1].into();
        let group: IpAddr = [224, 0, 0, 1].into();
        assert!(admit(lan, true, false).is_ok() && admit(lan, false, true).is_err());
        assert!(admit(own, false, true).is_ok() && admit(own, true, false).is_err());
        assert!(admit(group, true, true).is_err());
    }
}
