//! Numbers and texts as bytes.

use super::Unreadable;

/// Bits of a number that a byte carries.
const BITS: u32 = 7;

/// Appends to bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >> BITS > 0 {
            self.0.push(number.to_le_bytes()[0] | 1 << BITS);
            number >>= BITS;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> (i64::BITS - 1)).cast_unsigned());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Unreadable> {
        let mut number = 0_u64;
        for place in 0..u64::BITS.div_ceil(BITS) {
            let (byte, rest) = self.0.split_first().ok_or(Unreadable::Short)?;
            self.0 = rest;
            let part = u64::from(byte & !(1 << BITS));
            let shifted = part << (place * BITS);
            if shifted >> (place * BITS) != part {
                break;
            }
            number |= shifted;
            if byte >> BITS == 0 {
                return T::try_from(number).map_err(|_| Unreadable::Number);
            }
        }
        Err(Unreadable::Number)
    }

    /// Leaves numbers out.
    pub(super) fn pass(&mut self, numbers: usize) {
        let mut lasts = (0..self.0.len()).filter(|at| self.0[*at] >> BITS == 0);
        let end = numbers.checked_sub(1).map_or(0, |before| {
            lasts.nth(before).map_or(self.0.len(), |last| last + 1)
        });
        self.0 = &self.0[end..];
    }

    pub(super) fn signed(&mut self) -> Result<i64, Unreadable> {
        let number: u64 = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Unreadable::Text)
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T, Unreadable> {
        let number: usize = self.number()?;
        all.get(number).copied().ok_or(Unreadable::Number)
    }

    /// A count and so many things. Each takes a byte at least, so that a wrong count ends soon.
    pub(super) fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let count: u64 = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }
}
