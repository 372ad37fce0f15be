//! What kind of address a target is, for the rules about which targets may be measured. Forms that carry an IPv4 address
//! inside an IPv6 one are unwrapped first, so that no rule can be passed by another spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of an address by the special-purpose registries (RFC 6890 and what updates it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// Reachable over the Internet.
    Global,
    /// Set aside for documents (RFC 5737, RFC 3849, RFC 9637); laboratories use it too.
    Documentation,
    /// A home, company or carrier network: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193) and the old
    /// site-local addresses, and NAT64 prefixes of local use that carry nothing recognisable (RFC 8215).
    Private,
    /// One link only: 169.254/16 (RFC 3927), `fe80::/10`.
    LinkLocal,
    /// This host.
    Loopback,
    /// Set aside for something else: "this network", benchmarking, future use, discard and the like.
    Reserved,
    /// A group of hosts.
    Multicast,
    /// Every host of the link: 255.255.255.255.
    Broadcast,
    /// No address at all.
    Unspecified,
}

impl AddressClass {
    /// Whether the address belongs to the household, its provider's inner network, or the host itself.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Private | Self::LinkLocal | Self::Loopback)
    }

    /// Word for records and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Documentation => "documentation",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Reserved => "reserved",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Unspecified => "unspecified",
        }
    }
}

/// The class of `address`; of one that embeds IPv4 addresses, the most restricted class among the embedded ones.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [0, 0, 0, 0] => AddressClass::Unspecified,
        [255, 255, 255, 255] => AddressClass::Broadcast,
        [127, ..] => AddressClass::Loopback,
        // Carrier-grade NAT is 100.64.0.0/10.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressClass::Private
        }
        [169, 254, ..] => AddressClass::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Documentation,
        [224..=239, ..] => AddressClass::Multicast,
        // This network, IETF protocol assignments, the old 6to4 relays, benchmarking, future use.
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => {
            AddressClass::Reserved
        }
        _ => AddressClass::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // IPv4-compatible (::/96), IPv4-mapped (::ffff:0:0/96), IPv4-translated (::ffff:0:0:0/96), NAT64 (RFC 6052),
        // and 6to4 (RFC 3056), where the router's IPv4 address follows the prefix.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => classify_v4(embedded(high, low)),
        [0x64, 0xff9b, 1, ..] => local_nat64(address),
        // Teredo (RFC 4380 §4): the server, and the client with its bits inverted.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            classify_v4(embedded(server_high, server_low)).max(classify_v4(embedded(!high, !low)))
        }
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressClass::Documentation,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => AddressClass::Private,
        // IETF protocol assignments (benchmarking, ORCHID, …) but for the anycast and AS112 parts that are reachable.
        [0x2001, 1 | 3 | 4 | 0x20..=0x3f, ..] => AddressClass::Global,
        [0x2001, 2..=0x1ff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Global,
        _ => AddressClass::Reserved,
    }
}

const fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

/// `64:ff9b:1::/48` (RFC 8215) holds prefixes of any length of RFC 6052 §2.2 and does not say which. The zero bytes that must
/// follow the embedded address tell: every reading that they allow is judged but those in
/// 0.0.0.0/8, which nobody can mean, and the most restricted one counts.
fn local_nat64(address: Ipv6Addr) -> AddressClass {
    let octets = address.octets();
    let at = |places: [usize; 4]| places.map(|place| octets[place]);
    let zero_from = |from: usize| octets[from..].iter().all(|&octet| octet == 0);
    // Byte 8 is the reserved one of RFC 6052; a /96 prefix has it inside and zero as well.
    let readings = [
        (zero_from(11), at([6, 7, 9, 10])),
        (zero_from(12), at([7, 9, 10, 11])),
        (zero_from(13), at([9, 10, 11, 12])),
        (true, at([12, 13, 14, 15])),
    ];
    readings
        .into_iter()
        .filter(|(fits, octets)| *fits && octets[0] != 0)
        .map(|(_, octets)| classify_v4(octets.into()))
        .max()
        .unwrap_or(AddressClass::Private)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    /// `address class`, one a line; `#` begins a comment.
    const TABLE: &str = include_str!("../tests/data/targets.txt");

    #[test]
    fn the_table_of_targets_holds() {
        let mut rows = 0;
        for line in TABLE
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let (address, class) = line.split_once(' ').expect("two columns");
            let address: IpAddr = address
                .parse()
                .unwrap_or_else(|error| panic!("{address}: {error}"));
            assert_eq!(classify(address).as_str(), class.trim(), "{address}");
            rows += 1;
        }
        assert!(rows > 80, "the table was read: {rows} rows");
    }

    proptest! {
        #[test]
        fn every_wrapping_keeps_the_class(address: u32) {
            let address = Ipv4Addr::from(address);
            let [a, b, c, d] = address.octets();
            let class = classify_v4(address);
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            prop_assert_eq!(classify(address.to_ipv6_mapped().into()), class);
            prop_assert_eq!(classify(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), class);
            prop_assert_eq!(classify(Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5).into()), class);
            prop_assert_eq!(
                classify(Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0, 0, !high, !low).into()),
                class
            );
            // Other readings of a local-use NAT64 address may only restrict more.
            if a != 0 {
                prop_assert!(classify(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low).into()) >= class);
            }
            let [[e, f], [g, h]] = [[a, b], [c, d]];
            let octets = [0, 0x64, 0xff, 0x9b, 0, 1, e, f, 0, g, h, 0, 0, 0, 0, 0];
            if a != 0 {
                prop_assert!(classify(Ipv6Addr::from(octets).into()) >= class);
            }
        }
    }
}
