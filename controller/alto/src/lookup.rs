//! Longest-prefix matching over flat tables: nested prefixes are cut into ranges beforehand.

use std::net::IpAddr;

use crate::{Family, Prefix};

/// No prefix holds the address.
const NOTHING: u32 = u32::MAX;
/// So many ranges are searched rather than told apart by another byte.
const FEW: usize = 64;

/// Addresses of either family to numbers.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    ipv4: Table<u32>,
    ipv6: Table<u128>,
}

impl Lookup {
    /// A table of prefixes in their order, each once, with numbers under 2³² − 1.
    pub(crate) fn new(prefixes: &[(Prefix, u32)]) -> Self {
        let split = prefixes.partition_point(|(prefix, _)| prefix.family() == Family::Ipv4);
        let (ipv4, ipv6) = prefixes.split_at(split);
        Self {
            ipv4: Table::new(&ranges(ipv4), |bits| {
                u32::try_from(bits).unwrap_or(u32::MAX)
            }),
            ipv6: Table::new(&ranges(ipv6), |bits| bits),
        }
    }

    /// The number of the longest prefix that holds the address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<u32> {
        let found = match address {
            IpAddr::V4(v4) => self.ipv4.find(v4.to_bits()),
            IpAddr::V6(v6) => self.ipv6.find(v6.to_bits()),
        };
        found.filter(|number| *number != NOTHING)
    }
}

/// First addresses of ranges with their numbers, in order; a range ends where the next begins.
fn ranges(prefixes: &[(Prefix, u32)]) -> Vec<(u128, u32)> {
    let mut ranges: Vec<(u128, u32)> = Vec::with_capacity(prefixes.len() * 2);
    let mut begin = |first: u128, number: u32| {
        ranges.pop_if(|(last, _)| *last == first);
        if ranges.last().is_none_or(|(_, before)| *before != number) {
            ranges.push((first, number));
        }
    };
    let mut around: Vec<(Prefix, u32)> = Vec::new();
    for (prefix, number) in prefixes {
        leave(&mut around, &mut begin, |outer| outer.covers(*prefix));
        begin(prefix.first_bits(), *number);
        around.push((*prefix, *number));
    }
    leave(&mut around, &mut begin, |_| false);
    ranges
}

/// Ends the innermost prefixes up to one that goes on.
fn leave(
    around: &mut Vec<(Prefix, u32)>,
    begin: &mut impl FnMut(u128, u32),
    goes_on: impl Fn(Prefix) -> bool,
) {
    while let Some((ended, _)) = around.pop_if(|(prefix, _)| !goes_on(*prefix)) {
        // After the last address of all nothing begins.
        if let Some(next) = ended.first_bits_after() {
            begin(next, around.last().map_or(NOTHING, |(_, outer)| *outer));
        }
    }
}

/// An address as a number.
trait Bits: Copy + Ord {
    /// How many bits it has.
    const WIDTH: u32;

    /// The byte that begins at the given bit, counted from the lowest.
    fn byte(self, shift: u32) -> u8;
}

impl Bits for u32 {
    const WIDTH: u32 = Self::BITS;

    fn byte(self, shift: u32) -> u8 {
        self.to_le_bytes()[(shift / 8) as usize]
    }
}

impl Bits for u128 {
    const WIDTH: u32 = Self::BITS;

    fn byte(self, shift: u32) -> u8 {
        self.to_le_bytes()[(shift / 8) as usize]
    }
}

/// Ranges in order, under a tree that branches by bytes of addresses for as long as there are many.
#[derive(Clone, Debug)]
struct Table<A> {
    ranges: Box<[(A, u32)]>,
    nodes: Vec<[Part; 256]>,
}

/// What begins with some bytes.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// The ranges from an index up to another.
    Ranges(u32, u32),
    /// Those that a node tells apart by the next byte.
    Node(u32),
}

impl<A: Bits> Table<A> {
    fn new(ranges: &[(u128, u32)], address: impl Fn(u128) -> A) -> Self {
        let ranges = ranges.iter().map(|(first, n)| (address(*first), *n));
        let mut table = Self {
            ranges: ranges.collect(),
            nodes: Vec::new(),
        };
        table.branch(0, table.ranges.len(), A::WIDTH - 8);
        table
    }

    /// Adds the node for ranges that are alike before the byte; says its index.
    fn branch(&mut self, from: usize, to: usize, shift: u32) -> u32 {
        let node = self.nodes.len();
        self.nodes.push([Part::Ranges(0, 0); 256]);
        let mut from = from;
        for byte in 0..=u8::MAX {
            let ranges = &self.ranges[from..to];
            let end = from + ranges.partition_point(|(first, _)| first.byte(shift) <= byte);
            let part = if end - from > FEW && shift > 0 {
                Part::Node(self.branch(from, end, shift - 8))
            } else {
                Part::Ranges(short(from), short(end))
            };
            self.nodes[node][usize::from(byte)] = part;
            from = end;
        }
        short(node)
    }

    fn find(&self, address: A) -> Option<u32> {
        let mut node = 0;
        let mut shift = A::WIDTH;
        loop {
            shift -= 8;
            match self.nodes[node][usize::from(address.byte(shift))] {
                Part::Node(next) => node = next as usize,
                Part::Ranges(from, to) => {
                    let (from, to) = (from as usize, to as usize);
                    let begun = self.ranges[from..to].partition_point(|(f, _)| *f <= address);
                    // If none of these has begun, the one before them goes on.
                    return Some(self.ranges[(from + begun).checked_sub(1)?].1);
                }
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "2³² ranges do not fit into the memory that holds their addresses"
)]
fn short(index: usize) -> u32 {
    index as u32
}
