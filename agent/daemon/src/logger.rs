//! Log lines on standard error, for procd and journald: no time, no colour, fields at the end.

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;

/// An error and what led to it, in one line; causes that its text names already are not repeated.
pub fn chain(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

/// The one logger of the process.
static LOGGER: Stderr = Stderr;

struct Stderr;

/// Starts logging at `level`; later calls only change the level.
pub fn start(level: LevelFilter) {
    // Fails when it was started before, which is as good.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Libraries tell of every handshake; ours is enough but for their troubles.
        let ours = record.target().starts_with("glimpse");
        if !self.enabled(record.metadata()) || (!ours && record.level() > log::Level::Warn) {
            return;
        }
        let mut line = format!(
            "{}: {}",
            record.level().as_str().to_ascii_lowercase(),
            record.args()
        );
        // Writing to a string does not fail.
        let _ = record.key_values().visit(&mut Fields(&mut line));
        line.push('\n');
        // There is nowhere to say that standard error is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let text = value.to_string();
        if !text.is_empty() {
            let quote = if text.contains([' ', '"', '=']) {
                "\""
            } else {
                ""
            };
            write!(self.0, " {key}={quote}{}{quote}", text.escape_debug())?;
        }
        Ok(())
    }
}
