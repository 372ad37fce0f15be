//! Who asks, as far as that matters: an address to answer for, and a network whose requests are counted together. Neither
//! is logged or kept longer than a minute or a connection.

use crate::listener::Peer;
use axum::http::HeaderMap;
use glimpse_alto::Prefix;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

const FORWARDED_FOR: &str = "x-forwarded-for";
const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
/// What a household or an office gets of IPv6 (RFC 6177).
const SITE_BITS: u32 = 56;

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address (RFC 7285 §11.5.1.3), unless a proxy hides it.
    pub(crate) address: Option<IpAddr>,
    /// Who shares its limits: an IPv4 address, or an IPv6 /56.
    pub(crate) network: IpAddr,
}

impl Client {
    /// Who sent a request. Behind a trusted proxy it is the last address in `X-Forwarded-For` that is no trusted proxy's:
    /// what stands before it, the client may have written itself.
    pub(crate) fn of(peer: Option<&Peer>, headers: &HeaderMap, trusted: &[Prefix]) -> Self {
        let Some(peer) = peer.map(|peer| peer.addr.ip().to_canonical()) else {
            return Self::known(None, Ipv4Addr::UNSPECIFIED.into());
        };
        let is_trusted = |address: IpAddr| trusted.iter().any(|p| p.covers(Prefix::host(address)));
        if !is_trusted(peer) {
            return Self::known(Some(peer), peer);
        }
        let lines: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        let mut known = peer;
        for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
            match address(hop.trim()) {
                Some(address) if is_trusted(address) => known = address,
                Some(address) => return Self::known(Some(address), address),
                None => return Self::known(None, known),
            }
        }
        Self::known(None, known)
    }

    fn known(address: Option<IpAddr>, counted: IpAddr) -> Self {
        let network = match counted {
            IpAddr::V6(v6) => {
                let bits = v6.to_bits() & !(u128::MAX >> SITE_BITS);
                Ipv6Addr::from_bits(bits).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        };
        Self { address, network }
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let bare = bare.unwrap_or(text).parse::<IpAddr>();
    let with_port = || text.parse::<std::net::SocketAddr>().map(|at| at.ip());
    Some(bare.or_else(|_| with_port()).ok()?.to_canonical())
}

/// Who may ask how often. A client that has not asked for a minute is not remembered.
#[derive(Debug)]
pub(crate) struct Rates {
    per_minute: u32,
    most: usize,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    /// When all that a client has asked so far would be due if it came evenly, microseconds.
    due_us: HashMap<IpAddr, i64>,
    swept_us: i64,
}

impl Rates {
    /// As many requests in a minute for each client, all at once or evenly, and as many clients that are told apart.
    pub(crate) fn new(per_minute: u32, most: usize) -> Self {
        Self {
            per_minute: per_minute.max(1),
            most,
            clients: Mutex::default(),
        }
    }

    /// Counts what is worth `requests` requests, at most a minute's.
    ///
    /// # Errors
    /// The seconds until the client may ask again; nothing is counted then.
    pub(crate) fn spend(&self, client: &Client, requests: u32, now_us: i64) -> Result<(), u32> {
        let cost_us = (MINUTE_US / i64::from(self.per_minute) * i64::from(requests)).min(MINUTE_US);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let network = clients.place(client.network, self.most, now_us);
        let due_us = clients.due_us.entry(network).or_insert(now_us);
        // A clock that was set back bars nobody.
        if *due_us > now_us.saturating_add(MINUTE_US) {
            *due_us = now_us;
        }
        let next_us = (*due_us).max(now_us).saturating_add(cost_us);
        let excess_us = next_us.saturating_sub(now_us).saturating_sub(MINUTE_US);
        if excess_us > 0 {
            let seconds = excess_us.unsigned_abs().div_ceil(SECOND_US.unsigned_abs());
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        *due_us = next_us;
        Ok(())
    }
}

impl Clients {
    /// Under which address a client is counted: its own, or, when too many are known, one for all newcomers.
    fn place(&mut self, network: IpAddr, most: usize, now_us: i64) -> IpAddr {
        if self.due_us.len() < most || self.due_us.contains_key(&network) {
            return network;
        }
        // Looking through all of them is dear: not more often than each second.
        if now_us.abs_diff(self.swept_us) >= SECOND_US.unsigned_abs() {
            self.swept_us = now_us;
            self.due_us.retain(|_, due_us| *due_us > now_us);
        }
        if self.due_us.len() < most {
            network
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        }
    }
}

#[cfg(test)]
mod tests;
