//! The column `measured`: one byte for the layout, one for what is there, the circumstances, then for each metric its number, how many values,
//! and the values. Whole numbers take seven bits a byte, the lowest first; signed ones alternate (0, −1, 1, −2 …).

use crate::Measured;

const LAYOUT: u8 = 1;
const CPU: u8 = 1;
const CROSS_TRAFFIC: u8 = 1 << 1;
const WIFI: u8 = 1 << 2;
const CLOCK: u8 = 1 << 3;
const TARGET: u8 = 1 << 4;
const BETWEEN_AGENTS: u8 = 1 << 5;

pub(crate) fn pack(measured: &Measured) -> Vec<u8> {
    let Measured {
        target,
        between_agents,
        cpu_percent,
        cross_traffic_bps,
        wifi_dbm,
        clock_offset_us,
        figures,
    } = measured;
    let values: usize = figures.iter().map(|(_, values)| values.len()).sum();
    let mut bytes = Vec::with_capacity(16 + target.as_ref().map_or(0, String::len) + 3 * values);
    let flags = [
        (cpu_percent.is_some(), CPU),
        (cross_traffic_bps.is_some(), CROSS_TRAFFIC),
        (wifi_dbm.is_some(), WIFI),
        (clock_offset_us.is_some(), CLOCK),
        (target.is_some(), TARGET),
        (*between_agents, BETWEEN_AGENTS),
    ];
    bytes.push(LAYOUT);
    bytes.push(
        flags
            .into_iter()
            .filter_map(|(set, flag)| set.then_some(flag))
            .fold(0, |all, flag| all | flag),
    );
    if let Some(percent) = cpu_percent {
        put(&mut bytes, u64::from(*percent));
    }
    if let Some(bps) = cross_traffic_bps {
        put(&mut bytes, *bps);
    }
    if let Some(dbm) = wifi_dbm {
        put(&mut bytes, alternating(i64::from(*dbm)));
    }
    if let Some(us) = clock_offset_us {
        put(&mut bytes, alternating(*us));
    }
    if let Some(target) = target {
        put(&mut bytes, target.len() as u64);
        bytes.extend_from_slice(target.as_bytes());
    }
    for (metric, values) in figures {
        bytes.push(*metric);
        put(&mut bytes, values.len() as u64);
        for value in values {
            put(&mut bytes, *value);
        }
    }
    bytes
}

/// Reads a column; `None` where it is of another layout, or cut short.
pub(crate) fn unpack(mut bytes: &[u8]) -> Option<Measured> {
    let bytes = &mut bytes;
    if byte(bytes)? != LAYOUT {
        return None;
    }
    let flags = byte(bytes)?;
    let has = |flag: u8| flags & flag != 0;
    let mut measured = Measured {
        between_agents: has(BETWEEN_AGENTS),
        ..Measured::default()
    };
    if has(CPU) {
        measured.cpu_percent = Some(take(bytes)?.try_into().ok()?);
    }
    if has(CROSS_TRAFFIC) {
        measured.cross_traffic_bps = Some(take(bytes)?);
    }
    if has(WIFI) {
        measured.wifi_dbm = Some(signed(take(bytes)?).try_into().ok()?);
    }
    if has(CLOCK) {
        measured.clock_offset_us = Some(signed(take(bytes)?));
    }
    if has(TARGET) {
        let length = take(bytes)?.try_into().ok()?;
        let (target, rest) = bytes.split_at_checked(length)?;
        measured.target = Some(String::from_utf8(target.to_vec()).ok()?);
        *bytes = rest;
    }
    while !bytes.is_empty() {
        let metric = byte(bytes)?;
        let count = usize::try_from(take(bytes)?).ok()?;
        // A value takes a byte at least: more cannot be there.
        let mut values = Vec::with_capacity(count.min(bytes.len()));
        for _ in 0..count {
            values.push(take(bytes)?);
        }
        measured.figures.push((metric, values));
    }
    Some(measured)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let next = byte(bytes)?;
        let bits = u64::from(next & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn alternating(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn signed(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn full() -> Measured {
        Measured {
            target: Some("anchor.example".into()),
            between_agents: true,
            cpu_percent: Some(100),
            cross_traffic_bps: Some(u64::MAX),
            wifi_dbm: Some(-71),
            clock_offset_us: Some(i64::MIN),
            figures: vec![
                (0, vec![0, 127, 128, 30_250, (1 << 48) - 1]),
                (3, vec![]),
                (255, vec![1]),
            ],
        }
    }

    #[test]
    fn what_is_packed_comes_out() {
        let some = Measured {
            wifi_dbm: Some(0),
            clock_offset_us: Some(i64::MAX),
            ..Measured::default()
        };
        for measured in [full(), some, Measured::default()] {
            assert_eq!(unpack(&pack(&measured)), Some(measured));
        }
    }

    #[test]
    fn a_small_ping_takes_little() {
        let ping = Measured {
            target: Some("192.0.2.1".into()),
            cpu_percent: Some(3),
            cross_traffic_bps: Some(0),
            figures: vec![
                (0, vec![12_000, 13_000, 12_500]),
                (3, vec![0]),
                (4, vec![0, 1_000, 500]),
            ],
            ..Measured::default()
        };
        assert!(pack(&ping).len() <= 36, "{}", pack(&ping).len());
    }

    #[test]
    fn no_bytes_do_harm() {
        let packed = pack(&full());
        for end in 0..packed.len() {
            // Some cuts are between two metrics.
            if let Some(cut) = unpack(&packed[..end]) {
                assert!(cut.figures.len() < full().figures.len(), "{end}");
            }
            let mut other = packed.clone();
            for bit in 0..8 {
                other[end] ^= 1 << bit;
                let _ = unpack(&other);
            }
        }
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&[2, 0]), None, "a layout of a later program");
        let endless = [&[1, 0, 0][..], &[0xff; 12]].concat();
        assert_eq!(unpack(&endless), None);
        let beyond = [&[1, 0, 0, 1][..], &[0xff; 9], &[2]].concat();
        assert_eq!(unpack(&beyond), None, "more than 64 bits");
    }
}
