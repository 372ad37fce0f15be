//! Typed addresses and prefixes (RFC 7285 §10.4).

use std::cmp::Ordering;
use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Registered address types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `ipv4`
    Ipv4,
    /// `ipv6`; an IPv4-mapped address is an IPv6 address.
    Ipv6,
}

impl Family {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The address type of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Ipv4, Self::Ipv6]
            .into_iter()
            .find(|family| family.name() == name)
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    fn width(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// The bits of an address, at the low end.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address in a request, `ipv4:192.0.2.1` or `ipv6:2001:db8::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(IpAddr);

/// Why a text is no typed address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// There is no `ipv4:` or `ipv6:` before it.
    #[error("unknown address type in {0:?}")]
    Type(String),
    /// The address does not parse as one of its type; a prefix does not.
    #[error("malformed address {0:?}")]
    Address(String),
}

impl Endpoint {
    /// The address.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let typed = text
            .split_once(':')
            .and_then(|(name, rest)| Some((Family::of_name(name)?, rest)));
        let (family, rest) = typed.ok_or_else(|| EndpointError::Type(text.to_owned()))?;
        let address = match family {
            Family::Ipv4 => rest.parse::<Ipv4Addr>().map(IpAddr::V4),
            Family::Ipv6 => rest.parse::<Ipv6Addr>().map(IpAddr::V6),
        };
        address
            .map(Self)
            .map_err(|_| EndpointError::Address(text.to_owned()))
    }
}

/// A CIDR prefix without host bits. Ordered by family, address, length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// Not `ADDRESS/LENGTH`.
    #[error("malformed prefix {0:?}")]
    Syntax(String),
    /// Bits are set after the prefix: a typing error, or an address that must not be published.
    #[error("prefix {0:?} has host bits set")]
    HostBits(String),
}

impl Prefix {
    /// The prefix `address/length`.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let shown = || format!("{address}/{length}");
        let width = Family::of(address).width();
        let host = width
            .checked_sub(length)
            .ok_or_else(|| PrefixError::Syntax(shown()))?;
        let mask = 1_u128
            .checked_shl(u32::from(host))
            .map_or(u128::MAX, |bit| bit - 1);
        if bits(address) & mask != 0 {
            return Err(PrefixError::HostBits(shown()));
        }
        Ok(Self { address, length })
    }

    /// All addresses of a family.
    pub fn everything(family: Family) -> Self {
        let address = match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, length: 0 }
    }

    /// The prefix that holds one address only.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: Family::of(address).width(),
        }
    }

    /// The address type.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Number of leading bits.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Whether every address of the other is in this one.
    pub fn covers(self, inner: Self) -> bool {
        self.family() == inner.family()
            && self.length <= inner.length
            && leading_bits(inner.address, self.length) == self.leading_bits()
    }

    /// The prefix of one bit less; `None` for everything.
    pub(crate) fn parent(self) -> Option<Self> {
        Some(self.with_bits(
            self.length.checked_sub(1)?,
            self.first_bits() & !self.last_bit(),
        ))
    }

    /// The other half of the parent; everything is its own.
    pub(crate) fn sibling(self) -> Self {
        self.with_bits(self.length, self.first_bits() ^ self.last_bit())
    }

    /// Appends the text of it.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        match self.address {
            // Maps have hundreds of thousands: without a formatter they take a tenth of the time.
            IpAddr::V4(v4) => {
                for (nth, octet) in v4.octets().into_iter().enumerate() {
                    if nth > 0 {
                        out.push(b'.');
                    }
                    decimal(octet, out);
                }
            }
            IpAddr::V6(v6) => {
                let _ = write!(out, "{v6}");
            }
        }
        out.push(b'/');
        decimal(self.length, out);
    }

    fn with_bits(self, length: u8, bits: u128) -> Self {
        let address = match self.family() {
            // No bit beyond the 32nd is ever set in a prefix of this family.
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(0))),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        };
        Self { address, length }
    }

    /// The last bit that is told; none of everything.
    fn last_bit(self) -> u128 {
        let host = self.family().width() - self.length;
        if self.length == 0 { 0 } else { 1 << host }
    }

    /// The first address as a number.
    pub(crate) fn first_bits(self) -> u128 {
        bits(self.address)
    }

    /// The address after the last one as a number; `None` if none of the family is left.
    pub(crate) fn first_bits_after(self) -> Option<u128> {
        let width = u32::from(self.family().width());
        let host = width - u32::from(self.length);
        let next = self.first_bits().checked_add(1_u128.checked_shl(host)?)?;
        (next.checked_shr(width).unwrap_or(0) == 0).then_some(next)
    }

    /// The leading bits as a number; two prefixes of one family and length are equal iff these are.
    pub(crate) fn leading_bits(self) -> u128 {
        leading_bits(self.address, self.length)
    }
}

/// Appends a number's digits.
fn decimal(number: u8, out: &mut Vec<u8>) {
    if number >= 100 {
        out.push(b'0' + number / 100);
    }
    if number >= 10 {
        out.push(b'0' + number / 10 % 10);
    }
    out.push(b'0' + number % 10);
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        // As numbers, which is faster than byte by byte: maps sort hundreds of thousands.
        let key = |prefix: &Self| (prefix.family(), prefix.first_bits(), prefix.length);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first `length` bits of an address.
pub(crate) fn leading_bits(address: IpAddr, length: u8) -> u128 {
    let host = Family::of(address).width().saturating_sub(length);
    bits(address).checked_shr(u32::from(host)).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || PrefixError::Syntax(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(syntax)?;
        let plain = !length.is_empty()
            && length.bytes().all(|b| b.is_ascii_digit())
            && (length == "0" || !length.starts_with('0'));
        if !plain {
            return Err(syntax());
        }
        Self::new(
            address.parse().map_err(|_| syntax())?,
            length.parse().map_err(|_| syntax())?,
        )
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_written_in_canonical_form() {
        for (text, canonical) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("192.0.2.1/32", "192.0.2.1/32"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn prefixes_with_host_bits_are_refused() {
        for bad in ["198.51.100.128/24", "2001:db8::1/64", "0.0.0.1/0"] {
            assert!(
                matches!(bad.parse::<Prefix>(), Err(PrefixError::HostBits(_))),
                "{bad}"
            );
        }
        for bad in [
            "192.0.2.0",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/+8",
            "10.0.0.0/08",
            "192.00.2.0/24",
            "a/8",
            "10/8",
        ] {
            assert!(
                matches!(bad.parse::<Prefix>(), Err(PrefixError::Syntax(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_are_split_at_the_first_colon() {
        let address = |text: &str| text.parse::<Endpoint>().map(Endpoint::address);
        assert_eq!(
            address("ipv4:192.0.2.34"),
            Ok(IpAddr::from([192, 0, 2, 34]))
        );
        assert_eq!(
            address("ipv6:2001:DB8:0:0::1"),
            Ok("2001:db8::1".parse().unwrap())
        );
        assert_eq!(
            Family::of(address("ipv6:::ffff:192.0.2.1").unwrap()),
            Family::Ipv6
        );
        for bad in [
            "192.0.2.1",
            "ipx:1",
            "IPV4:192.0.2.1",
            "",
            ":",
            "2001:db8::1",
        ] {
            assert!(matches!(address(bad), Err(EndpointError::Type(_))), "{bad}");
        }
        for bad in [
            "ipv4:192.0.2.300",
            "ipv4:192.0.2.01",
            "ipv4:::1",
            "ipv6:192.0.2.1",
            "ipv4:192.0.2.0/24",
            "ipv6:fe80::1%eth0",
            "ipv4: 1.2.3.4",
        ] {
            assert!(
                matches!(address(bad), Err(EndpointError::Address(_))),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_displayed(v4 in any::<u32>(), v6 in any::<u128>(), short in 0..=32_u8, long in 0..=128_u8) {
            let ipv4 = v4 & u32::MAX.checked_shl(32 - u32::from(short)).unwrap_or(0);
            let ipv6 = v6 & u128::MAX.checked_shl(128 - u32::from(long)).unwrap_or(0);
            let prefixes = [
                Prefix::new(Ipv4Addr::from_bits(ipv4).into(), short).unwrap(),
                Prefix::new(Ipv6Addr::from_bits(ipv6).into(), long).unwrap(),
            ];
            for prefix in prefixes {
                let mut written = Vec::new();
                prefix.write(&mut written);
                prop_assert_eq!(String::from_utf8(written).unwrap(), prefix.to_string());
            }
            let [one, other] = prefixes;
            prop_assert!(one < other, "IPv4 comes first");
        }

        #[test]
        fn any_text_parses_without_panic(text in "\\PC{0,40}", tail in "[0-9a-f:./]{0,45}") {
            let _ = text.parse::<Prefix>();
            let _ = tail.parse::<Prefix>();
            let _ = text.parse::<Endpoint>();
            let _ = format!("ipv6:{tail}").parse::<Endpoint>();
        }
    }
}
