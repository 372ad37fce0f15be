//! The path of one flow: every hop is asked `count` times, hop after hop, without waiting for one before the next.
//!
//! How far ahead: up to `gap_limit` hops beyond the last that answered. What is farther could not belong to the way if all
//! between stay silent, so that nothing is sent which the rules would cut; when those hops are settled and silent, the
//! way is given up.

use std::net::IpAddr;

use super::ledger::{Ledger, Probe, Reply, Response, Settled};
use super::{Pace, Stop, Wish};

/// The same address so many times in a row, from the same distance, is a circle within one router.
const STANDSTILL: usize = 3;

#[derive(Clone, Debug, Default)]
struct Hop {
    sent: u32,
    settled: u32,
    /// Who answered first.
    first: Option<Answerer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answerer {
    address: IpAddr,
    ttl: Option<u8>,
    /// A router before it forwarded a packet whose time had run out.
    zero_ttl: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Single {
    first_hop: u8,
    max_hops: u8,
    gap_limit: u8,
    count: u32,
    paris: bool,
    /// Those from `first_hop` on.
    hops: Vec<Hop>,
    /// The last hop that answered.
    answered_ttl: u8,
    end: Option<(u8, Stop)>,
    loop_length: Option<u8>,
}

impl Single {
    pub(super) fn new(pace: &Pace) -> Self {
        Self {
            first_hop: pace.first_hop,
            max_hops: pace.max_hops,
            gap_limit: pace.gap_limit,
            count: u32::from(pace.count),
            paris: pace.paris,
            hops: vec![Hop::default(); usize::from(pace.max_hops - pace.first_hop) + 1],
            answered_ttl: pace.first_hop - 1,
            end: None,
            loop_length: None,
        }
    }

    pub(super) fn wish(&self, ledger: &Ledger) -> Wish<()> {
        let last_ttl = self.horizon();
        for (hop, ttl) in self.hops.iter().zip(self.first_hop..=last_ttl) {
            if hop.sent < self.count {
                // A flow for each probe is what the classic traceroute has.
                let flow = if self.paris {
                    0
                } else {
                    u16::try_from(ledger.next_index() % (1 << 16)).unwrap_or_default()
                };
                return if ledger.is_busy(flow) {
                    Wish::Answers
                } else {
                    Wish::Send(flow, ttl, ())
                };
            }
        }
        let count = usize::from(last_ttl.saturating_sub(self.first_hop)) + 1;
        if self
            .hops
            .iter()
            .take(count)
            .all(|hop| hop.settled >= self.count)
        {
            Wish::Nothing
        } else {
            Wish::Answers
        }
    }

    pub(super) fn sent(&mut self, probe: Probe) {
        if let Some(hop) = self.hop(probe.ttl) {
            hop.sent += 1;
        }
    }

    pub(super) fn settled(&mut self, ledger: &Ledger, index: u32, settled: Settled) {
        let Some(entry) = ledger.entry(index) else {
            return;
        };
        let ttl = entry.probe.ttl;
        let Some(hop) = self.hop(ttl) else { return };
        if settled == Settled::Void {
            hop.sent -= 1;
            return;
        }
        hop.settled += 1;
        let Some(reply) = &entry.reply else { return };
        let new = hop.first.is_none();
        hop.first.get_or_insert(Answerer {
            address: reply.from,
            ttl: reply.ttl,
            zero_ttl: reply.quoted_ttl == Some(0),
        });
        self.answered_ttl = self.answered_ttl.max(ttl);
        if let Some(stop) = stop_of(reply) {
            self.end_at(ttl, stop);
        } else if new && let Some((ttl, length)) = self.circle() {
            self.loop_length = Some(length);
            self.end_at(ttl, Stop::Loop);
        }
    }

    /// The last time to live of the way, why it ends there, and how long the circle is that it goes in.
    pub(super) fn end(&self, ledger: &Ledger) -> (u8, Stop, Option<u8>) {
        if let Some((ttl, stop)) = self.end {
            let length = self.loop_length.filter(|_| stop == Stop::Loop);
            return (ttl, stop, length);
        }
        let horizon = self.horizon();
        match self.wish(ledger) {
            Wish::Nothing
                if self.answered_ttl + self.gap_limit.min(255 - self.answered_ttl) <= horizon =>
            {
                (horizon, Stop::GapLimit, None)
            }
            Wish::Nothing => (horizon, Stop::MaxHops, None),
            Wish::Send(..) | Wish::Answers => {
                let asked = self.hops.iter().take_while(|hop| hop.sent > 0).count();
                let asked = u8::try_from(asked).unwrap_or(u8::MAX);
                let last = (self.first_hop - 1).saturating_add(asked);
                (last, Stop::Limit, None)
            }
        }
    }

    /// The last hop that it makes sense to ask.
    fn horizon(&self) -> u8 {
        let last = self.end.map_or(self.max_hops, |(ttl, _)| ttl);
        self.answered_ttl.saturating_add(self.gap_limit).min(last)
    }

    fn hop(&mut self, ttl: u8) -> Option<&mut Hop> {
        let place = usize::from(ttl.checked_sub(self.first_hop)?);
        self.hops.get_mut(place)
    }

    fn end_at(&mut self, ttl: u8, stop: Stop) {
        // Of the answers of one hop, the target's says most.
        let better = |known| ttl < known || ttl == known && stop == Stop::Target;
        if self.end.is_none_or(|(known, _)| better(known)) {
            self.end = Some((ttl, stop));
        }
    }

    /// Where the way begins to repeat itself: the last hop before, and the length of the circle. Every hop of the second
    /// round must be that of the first, and there must be two of them: one alone may be a balancer that sends some packets
    /// a longer way. The same address in a row is no circle as long as its answers come from farther and farther off: that
    /// is a translator which puts its address on those behind it.
    fn circle(&self) -> Option<(u8, u8)> {
        let known: Vec<Option<Answerer>> = self.hops.iter().map(|hop| hop.first).collect();
        let address = |place: usize| known.get(place).copied().flatten().map(|hop| hop.address);
        for last in 1..known.len() {
            if let Some(end) = known[last]
                && let Some(start) = (last + 1).checked_sub(STANDSTILL)
            {
                let still = |hop: &Option<Answerer>| *hop == Some(end) && end.ttl.is_some();
                if !end.zero_ttl && known[start..=last].iter().all(still) {
                    return self.cut(start + 1, 1);
                }
            }
            for length in 2..=last / 2 + 1 {
                let Some(again) = last.checked_sub(length + 1).map(|_| last - 1) else {
                    continue;
                };
                let repeats = |place: usize| {
                    address(place).is_some() && address(place) == address(place - length)
                };
                let (here, before) = (address(last), address(again));
                if repeats(last) && repeats(again) && here != before {
                    // The first round may have begun earlier.
                    let mut first = again;
                    while first > length && repeats(first - 1) {
                        first -= 1;
                    }
                    return self.cut(first, length);
                }
            }
        }
        None
    }

    /// `place` is the first hop that repeats.
    fn cut(&self, place: usize, length: usize) -> Option<(u8, u8)> {
        let ttl = self.first_hop.checked_add(u8::try_from(place).ok()?)?;
        Some((ttl - 1, u8::try_from(length).ok()?))
    }
}

/// Why the way ends with this answer; `None` when it goes on.
pub(super) fn stop_of(reply: &Reply) -> Option<Stop> {
    match reply.response {
        _ if reply.is_target => Some(Stop::Target),
        Response::Answer => Some(Stop::Target),
        Response::Unreachable(code) => Some(Stop::Unreachable(code)),
        Response::PacketTooBig(mtu) => Some(Stop::PacketTooBig(mtu)),
        Response::TimeExceeded => None,
    }
}
