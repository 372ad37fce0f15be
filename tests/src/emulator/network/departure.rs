//! The log of links with a rate: what a packet train truly looked like behind its bottleneck.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of a packet that the log keeps.
pub const HEAD_LENGTH: usize = 64;

/// A packet that left a link with a rate: the last bit of it, at the end of its serialisation. As text: `at_ns bytes head
/// link`, the head in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Name of the link; ` back` is added on the way to the vantage point.
    pub link: Arc<str>,
    /// When, on the clock of the simulation.
    pub at_ns: u64,
    /// Its size at IP level.
    pub bytes: usize,
    /// Its first bytes, up to [`HEAD_LENGTH`]: the headers and enough of the payload to know it again.
    pub head: Vec<u8>,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.at_ns, self.bytes)?;
        for byte in &self.head {
            write!(f, "{byte:02x}")?;
        }
        write!(f, " {}", self.link)
    }
}

/// A line is no departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no departure: want `at_ns bytes head link`")]
pub struct NoDeparture;

impl FromStr for Departure {
    type Err = NoDeparture;

    fn from_str(line: &str) -> Result<Self, NoDeparture> {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().ok_or(NoDeparture);
        let at_ns = word()?.parse().map_err(|_| NoDeparture)?;
        let bytes = word()?.parse().map_err(|_| NoDeparture)?;
        let digits = word()?;
        let link = Arc::from(word()?);
        let head = (0..digits.len())
            .step_by(2)
            .map(|at| {
                digits
                    .get(at..at + 2)
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            })
            .collect::<Option<_>>()
            .ok_or(NoDeparture)?;
        Ok(Self {
            link,
            at_ns,
            bytes,
            head,
        })
    }
}
