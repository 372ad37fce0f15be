//! Event streams as server-sent events (RFC 8040 §3.8, §6).

use crate::access::{Counters, Rights};
use crate::date;
use crate::filter::Filter;
use crate::message::{Audit, Response};
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Tree};

/// The media type of a stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// A comment that keeps the way through address translators open; readers pass over it.
pub const HEARTBEAT: &str = ": \n\n";

/// What a server says of a stream of its own (`restconf-state/streams/stream`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The name, such as `NETCONF`.
    pub name: String,
    /// What it carries.
    pub description: String,
    /// How far back it can be replayed, microseconds since 1970; `None` when it cannot.
    pub replay_from: Option<i64>,
}

/// A stream that a client opened.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Which one.
    pub name: String,
    /// How its notifications are written.
    pub encoding: Encoding,
    /// What passes; everything without.
    pub filter: Option<Filter>,
    /// Replay begins there, microseconds since 1970.
    pub start: Option<i64>,
    /// It ends there, microseconds since 1970.
    pub stop: Option<i64>,
    /// The head of the response; its body are the frames.
    pub response: Response,
    /// For the log.
    pub audit: Audit,
    /// What its reader may see, by the rules that held when it was opened: a [`crate::Commit::changes_access`] ends it.
    pub rights: Rights,
}

impl Stream {
    /// The frame of a notification that came at `time` (microseconds since 1970). `None` when it is outside the asked time, the
    /// filter holds it back, or the reader may not see it; the latter is counted.
    pub fn frame(&self, time: i64, notification: &Tree, denied: &mut Counters) -> Option<String> {
        let early = self.start.is_some_and(|start| time < start);
        if early || self.ended(time) {
            return None;
        }
        if !self.rights.notification(notification.root) {
            denied.add(Counters {
                notifications: 1,
                ..Counters::default()
            });
            return None;
        }
        if let Some(filter) = &self.filter
            && !filter.passes(notification)
        {
            return None;
        }
        let writer = Writer::new(notification.schema, self.encoding);
        let text = writer.notification(&date::date_and_time(time), notification);
        Some(event(&text))
    }

    /// Whether nothing more comes after `now`, microseconds since 1970.
    pub fn ended(&self, now: i64) -> bool {
        self.stop.is_some_and(|stop| now > stop)
    }
}

/// A server-sent event: `data:` before every line and an empty line behind.
pub fn event(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}
