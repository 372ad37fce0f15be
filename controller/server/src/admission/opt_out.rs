//! Who wants no packets.

use super::Target;
use glimpse_model::read::Refused;
use std::net::IpAddr;

/// Bits before the IPv4 address in an IPv6 address that holds one (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Names, addresses and prefixes that are never measured. A name stands for all names below it too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptOuts {
    names: Vec<String>,
    prefixes: Vec<(IpAddr, u8)>,
}

impl OptOuts {
    /// Reads entries such as `example.org`, `192.0.2.1` and `2001:db8::/32`.
    ///
    /// # Errors
    /// [`Refused`] at `opt_out[i]`.
    pub fn new<S: AsRef<str>>(entries: &[S]) -> Result<Self, Refused> {
        let mut list = Self::default();
        for (i, entry) in entries.iter().enumerate() {
            let entry = entry.as_ref();
            let refuse = |reason: &str| {
                Err(Refused::new(
                    format!("opt_out[{i}]"),
                    format!("{reason}: {entry:?}"),
                ))
            };
            if let Some((address, length)) = entry.split_once('/') {
                match (address.parse::<IpAddr>(), length.parse::<u8>()) {
                    (Ok(address), Ok(length)) if length <= bits(address).1 => {
                        list.prefixes.push(canonical(address, length));
                    }
                    _ => return refuse("must be a prefix such as 192.0.2.0/24"),
                }
                continue;
            }
            match Target::of(entry) {
                Target::Address(address) => list.prefixes.push((address, bits(address).1)),
                Target::Name(name) if name.is_empty() => return refuse("must not be empty"),
                Target::Name(name) => list.names.push(name),
            }
        }
        Ok(list)
    }

    /// Whether the target is never measured. Names are compared as names: where they lead to is seen
    /// by the agent alone, whose guard looks after resolution.
    pub fn covers(&self, target: &Target) -> bool {
        match target {
            Target::Address(address) => self
                .prefixes
                .iter()
                .any(|(prefix, length)| holds(*prefix, *length, *address)),
            Target::Name(name) => self.names.iter().any(|out| {
                name.strip_suffix(out.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
        }
    }
}

/// The prefix in the form that targets have: of IPv4 addresses within IPv6, the IPv4 prefix.
fn canonical(address: IpAddr, length: u8) -> (IpAddr, u8) {
    match (address.to_canonical(), length.checked_sub(MAPPED_BITS)) {
        (v4 @ IpAddr::V4(_), Some(rest)) if address.is_ipv6() => (v4, rest),
        _ => (address, length),
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn holds(prefix: IpAddr, length: u8, address: IpAddr) -> bool {
    let ((prefix, width), (address, other)) = (bits(prefix), bits(address));
    let shift = u32::from(width.saturating_sub(length));
    width == other
        && prefix.checked_shr(shift).unwrap_or(0) == address.checked_shr(shift).unwrap_or(0)
}
