//! Roll-ups as the bytes of a file.

use super::{
    BTreeMap, EventKind, Figure, Figures, Happening, Key, MAX_EVENT_TEXT, MAX_EVENTS, MAX_KEYS,
    MAX_TARGET, MAX_VALUES, Place, Rollups, Running, Span,
};

use std::collections::btree_map::Entry;

const MAGIC: [u8; 8] = *b"GHST\x02\0\0\0";
/// Of the version whose pairs were method and target, and whose rows were all round trips.
const MAGIC_1: [u8; 8] = *b"GHST\x01\0\0\0";
const MAX_METHOD: usize = 64;
/// Bytes of a finished period.
pub(super) const ROW_LEN: usize = 1 + 4 + 2 + 6 * 4;
const NONE: u32 = u32::MAX;

impl Rollups {
    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&MAGIC);
        put(&mut out, self.keys.len());
        for (index, key) in &self.keys {
            out.extend_from_slice(&index.to_le_bytes());
            out.push(figure_code(key.figure));
            put_text(&mut out, &key.target);
        }
        put(&mut out, self.closed.len());
        for (place, figures) in &self.closed {
            put_row(&mut out, *place, figures);
        }
        put(&mut out, self.open.len());
        for (place, running) in &self.open {
            put_row(&mut out, *place, &running.figures);
            out.push(running.thinning);
            out.extend_from_slice(&running.seen.to_le_bytes());
            put(&mut out, running.values.len());
            running
                .values
                .iter()
                .for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        put(&mut out, self.events.len());
        for event in &self.events {
            out.extend_from_slice(&event.time_us.to_le_bytes());
            out.push(match event.kind {
                EventKind::Restart => 0,
                EventKind::Address => 1,
                EventKind::Path => 2,
            });
            put_text(&mut out, &event.text);
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Length of the file, bytes.
    pub fn encoded_len(&self) -> usize {
        let keys: usize = self.keys.values().map(|key| 4 + key.target.len()).sum();
        let events: usize = self.events.iter().map(|event| 10 + event.text.len()).sum();
        let open: usize = self
            .open
            .values()
            .map(|running| ROW_LEN + 9 + 4 * running.values.len())
            .sum();
        MAGIC.len() + 4 * 4 + keys + self.closed.len() * ROW_LEN + open + events + 4
    }

    /// Reads a file; `None` when it is not exactly what [`Rollups::encode`] writes, or wrote in its first version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, crc) = bytes.split_last_chunk()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
            return None;
        }
        if let Some(rest) = bytes.strip_prefix(&MAGIC_1) {
            return Self::decode_1(rest);
        }
        let mut rest = Reader(bytes.strip_prefix(&MAGIC)?);
        let mut rollups = Self::default();
        for _ in 0..rest.count(MAX_KEYS)? {
            let index = u16::from_le_bytes(rest.array()?);
            let key = Key {
                figure: rest.figure()?,
                target: rest.text(MAX_TARGET)?,
            };
            rollups.keys.insert(index, key);
        }
        for _ in 0..rest.count(bytes.len() / ROW_LEN)? {
            let (place, figures) = rest.row(&rollups.keys)?;
            rollups.closed.insert(place, figures);
        }
        for _ in 0..rest.count(bytes.len() / ROW_LEN)? {
            let (place, running) = rest.running(&rollups.keys)?;
            rollups.open.insert(place, running);
        }
        for _ in 0..rest.count(MAX_EVENTS)? {
            rollups.events.push_back(rest.event()?);
        }
        rest.0.is_empty().then_some(rollups)
    }

    /// The first version. A target that several methods sent round trips to is one now.
    fn decode_1(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let mut rollups = Self::default();
        let (mut known, mut same) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..rest.count(MAX_KEYS)? {
            let index = u16::from_le_bytes(rest.array()?);
            rest.text(MAX_METHOD)?;
            let key = Key {
                figure: Figure::Delay,
                target: rest.text(MAX_TARGET)?,
            };
            let first = rollups.keys.iter().find(|(_, other)| **other == key);
            let first = first.map_or(index, |(first, _)| *first);
            if first == index {
                rollups.keys.insert(index, key.clone());
            }
            same.insert(index, first);
            known.insert(index, key);
        }
        let moved = |place: Place| {
            let key = same.get(&place.key).copied()?;
            Some(Place { key, ..place })
        };
        for _ in 0..rest.count(bytes.len() / ROW_LEN)? {
            let (place, figures) = rest.row(&known)?;
            rollups.finish(moved(place)?, &figures);
        }
        for _ in 0..rest.count(bytes.len() / ROW_LEN)? {
            let (place, running) = rest.running(&known)?;
            let place = moved(place)?;
            match rollups.open.entry(place) {
                Entry::Occupied(_) => rollups.finish(place, &running.finish()),
                Entry::Vacant(free) => {
                    free.insert(running);
                }
            }
        }
        rest.0.is_empty().then_some(rollups)
    }
}

const fn figure_code(figure: Figure) -> u8 {
    match figure {
        Figure::Delay => 0,
        Figure::Loss => 1,
        Figure::Down => 2,
        Figure::Up => 3,
        Figure::BusyDelay => 4,
        Figure::Dns => 5,
    }
}

/// Texts are bounded below 256 bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

/// Counts are bounded far below 2^32.
fn put(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_row(out: &mut Vec<u8>, place: Place, figures: &Figures) {
    out.push(match place.span {
        Span::Hour => 0,
        Span::Day => 1,
    });
    out.extend_from_slice(&place.hour.to_le_bytes());
    out.extend_from_slice(&place.key.to_le_bytes());
    let Figures {
        n,
        sent,
        received,
        median,
        low,
        high,
    } = *figures;
    for word in [
        n,
        sent,
        received,
        median.unwrap_or(NONE),
        low.unwrap_or(NONE),
        high.unwrap_or(NONE),
    ] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.word()?)
            .ok()
            .filter(|&count| count <= most)
    }

    fn text(&mut self, most: usize) -> Option<String> {
        let [len] = self.array()?;
        let (text, rest) = self
            .0
            .split_at_checked(usize::from(len))
            .filter(|_| usize::from(len) <= most)?;
        self.0 = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    fn figure(&mut self) -> Option<Figure> {
        let [code] = self.array()?;
        Figure::ALL
            .into_iter()
            .find(|figure| figure_code(*figure) == code)
    }

    fn event(&mut self) -> Option<Happening> {
        let time_us = i64::from_le_bytes(self.array()?);
        let kind = match self.array()? {
            [0] => EventKind::Restart,
            [1] => EventKind::Address,
            [2] => EventKind::Path,
            _ => return None,
        };
        let text = self.text(MAX_EVENT_TEXT)?;
        Some(Happening {
            time_us,
            kind,
            text,
        })
    }

    fn running(&mut self, keys: &BTreeMap<u16, Key>) -> Option<(Place, Running)> {
        let (place, figures) = self.row(keys)?;
        let [thinning] = self.array()?;
        let seen = self.word()?;
        let values = (0..self.count(MAX_VALUES)?)
            .map(|_| self.word())
            .collect::<Option<_>>()?;
        let running = Running {
            figures,
            values,
            thinning: thinning.min(31),
            seen,
        };
        Some((place, running))
    }

    fn row(&mut self, keys: &BTreeMap<u16, Key>) -> Option<(Place, Figures)> {
        let span = match self.array()? {
            [0] => Span::Hour,
            [1] => Span::Day,
            _ => return None,
        };
        let hour = self.word()?;
        let key = u16::from_le_bytes(self.array()?);
        let (n, sent, received) = (self.word()?, self.word()?, self.word()?);
        let mut known = || self.word().map(|word| (word != NONE).then_some(word));
        let figures = Figures {
            n,
            sent,
            received,
            median: known()?,
            low: known()?,
            high: known()?,
        };
        keys.contains_key(&key)
            .then_some((Place { span, hour, key }, figures))
    }
}
