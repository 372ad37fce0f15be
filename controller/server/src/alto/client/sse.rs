//! Server-sent events (WHATWG HTML §9.2), as update streams use them (RFC 8895 §5).

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty where the stream gave none.
    pub name: String,
    /// Its data lines, joined by line ends.
    pub data: String,
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event has more bytes than are taken.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
    /// The stream is UTF-8 or nothing.
    #[error("a line is not UTF-8")]
    Encoding,
}

/// Reads a stream piece by piece. It holds one event at most, bounded as [`Parser::new`] was told.
#[derive(Debug)]
pub struct Parser {
    most: usize,
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_cr: bool,
    is_first: bool,
}

impl Parser {
    /// A reader of events of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            after_cr: false,
            is_first: true,
        }
    }

    /// Takes the next bytes, cut anywhere, and gives the events that they complete.
    ///
    /// # Errors
    /// [`SseError`]; the stream cannot be read on then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, SseError> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            // The second half of a CR LF that was cut ends no line of its own.
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.hold(rest)?;
                break;
            };
            self.hold(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            events.extend(self.line()?);
        }
        Ok(events)
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), SseError> {
        let held = self.line.len() + self.event.data.len() + self.event.name.len();
        if held + part.len() > self.most {
            return Err(SseError::TooLong(self.most));
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn line(&mut self) -> Result<Option<Event>, SseError> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| SseError::Encoding)?;
        if std::mem::take(&mut self.is_first) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // An event without data is none; its name is forgotten with it.
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments, ids and times to wait have no meaning in update streams.
            _ => {}
        }
        Ok(None)
    }
}
