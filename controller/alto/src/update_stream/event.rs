//! Events as text (the standard of server-sent events; RFC 8895 §5.1, §9.5).

use std::sync::Arc;

/// Longest line, its end included, unless a single token of JSON is longer.
const LINE: usize = 8 * 1024;
const FIELD: &[u8] = b"data: ";
/// What a short event has besides its name and data.
const FRAME: usize = 16;
/// A line that clients ignore; it tells that the stream lives (RFC 8895 §6.8).
pub const COMMENT: &[u8] = b":\n";

/// One event of an update stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Media type, and after a comma the substream.
    pub name: String,
    /// A JSON document.
    pub data: Arc<[u8]>,
}

/// Writes one event piece by piece, so that a large document exists once for all who read it.
#[derive(Debug)]
pub struct EventText {
    event: Event,
    at: usize,
    begun: bool,
    ended: bool,
}

impl EventText {
    /// The text of an event, from its beginning.
    pub fn new(event: Event) -> Self {
        Self {
            event,
            at: 0,
            begun: false,
            ended: false,
        }
    }

    /// The next piece: whole lines, of about `bytes` in all and more only by one line. `None` after the last.
    pub fn piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let rest = self.event.name.len() + self.event.data.len() - self.at + FRAME;
        let mut piece = Vec::with_capacity(rest.min(bytes.saturating_add(LINE)));
        if !self.begun {
            self.begun = true;
            piece.extend_from_slice(b"event: ");
            piece.extend_from_slice(self.event.name.as_bytes());
            piece.push(b'\n');
        }
        while self.at < self.event.data.len() {
            if piece.len() >= bytes {
                return Some(piece);
            }
            let rest = &self.event.data[self.at..];
            let (line, taken) = line(rest);
            piece.extend_from_slice(FIELD);
            piece.extend_from_slice(&rest[..line]);
            piece.push(b'\n');
            self.at += taken;
        }
        self.ended = true;
        piece.push(b'\n');
        Some(piece)
    }
}

/// How many bytes the next line shows, and how many it takes: line ends of the document become those of the event.
/// A line ends where JSON allows white space; the end of a line is white space to who joins them.
fn line(rest: &[u8]) -> (usize, usize) {
    const ROOM: usize = LINE - FIELD.len() - 1;
    let (mut quoted, mut escaped) = (false, false);
    let mut last = None;
    for (at, byte) in rest.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'\n' | b'\r' => return (at, at + 1),
            b'"' => quoted = true,
            b',' | b':' | b'{' | b'[' | b' ' | b'\t' => {
                let end = at + 1;
                match last {
                    Some(before) if end > ROOM => return (before, before),
                    _ => last = Some(end),
                }
                if end >= ROOM && end < rest.len() {
                    return (end, end);
                }
            }
            _ => {}
        }
    }
    match last {
        Some(before) if rest.len() > ROOM => (before, before),
        _ => (rest.len(), rest.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(name: &str, data: &[u8], piece: usize) -> String {
        let mut writer = EventText::new(Event {
            name: name.to_owned(),
            data: data.into(),
        });
        let mut text = Vec::new();
        while let Some(piece) = writer.piece(piece) {
            text.extend(piece);
        }
        String::from_utf8(text).unwrap()
    }

    /// As the standard says for readers.
    fn read(text: &str) -> (String, String) {
        assert!(text.ends_with("\n\n"), "an event ends with an empty line");
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in text.trim_end_matches('\n').split('\n') {
            match line.split_once(": ").unwrap() {
                ("event", value) => name = value.to_owned(),
                ("data", value) => data.push(value),
                (field, _) => panic!("{field}"),
            }
        }
        (name, data.join("\n"))
    }

    #[test]
    fn a_short_event_is_one_line_of_data() {
        assert_eq!(
            text("a/b,c", b"{\"x\":1}", 100),
            "event: a/b,c\ndata: {\"x\":1}\n\n"
        );
        assert_eq!(
            text("a/b,c", b"{\"x\":\r\n1}", 100),
            "event: a/b,c\ndata: {\"x\":\ndata: \ndata: 1}\n\n"
        );
    }

    #[test]
    fn lines_are_bounded_and_broken_between_tokens_only() {
        let map: serde_json::Map<_, _> = (0..3_000)
            .map(|n| {
                (
                    format!("as{n}, \\\"{{[:"),
                    json!({"TOTAL": n, "x, y": [n, "\n,"]}),
                )
            })
            .collect();
        let document = Value::Object(map);
        let data = serde_json::to_vec(&document).unwrap();
        for piece in [1, 10_000, 1 << 20] {
            let text = text("t", &data, piece);
            let longest = text.split_inclusive('\n').map(str::len).max().unwrap();
            assert!(longest <= LINE && longest > LINE - 100, "{longest}");
            let (_, joined) = read(&text);
            assert_eq!(joined.replace('\n', "").as_bytes(), data);
            assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), document);
        }
    }

    #[test]
    fn a_token_that_is_longer_than_a_line_is_whole() {
        let long = "x".repeat(3 * LINE);
        let document = json!({"a": [1, &long, 2], "b": long});
        let (_, joined) = read(&text("t", document.to_string().as_bytes(), 1));
        assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), document);
    }

    #[test]
    fn pieces_are_bounded() {
        let data = json!((0..100_000).collect::<Vec<_>>()).to_string();
        let mut writer = EventText::new(Event {
            name: "t".to_owned(),
            data: data.as_bytes().into(),
        });
        let mut pieces = 0;
        while let Some(piece) = writer.piece(16 * 1024) {
            assert!(piece.len() <= 16 * 1024 + LINE + 1);
            pieces += 1;
        }
        assert!(pieces > 20);
    }

    proptest! {
        #[test]
        fn any_strings_survive(strings in prop::collection::vec("[a\\\\\",\n\r{:é]{0,40}", 0..20), piece in 1_usize..20_000) {
            let document = json!(vec![strings; 50]);
            let text = text("t", document.to_string().as_bytes(), piece);
            prop_assert!(text.split_inclusive('\n').all(|line| line.len() <= LINE));
            let (_, joined) = read(&text);
            prop_assert_eq!(serde_json::from_str::<Value>(&joined).unwrap(), document);
        }
    }
}
