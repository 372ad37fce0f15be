//! The JSON door: everything that goes to or comes from the controller.
//!
//! ```text
//!             ┌ supervisor: pull configuration and instructions ──▶ daemon
//!  http ◀─────┤
//!             └ repository: batch from the spool ──▶ POST ──▶ receipt ──▶ spool
//! ```
//!
//! Two tasks, each with a connection of its own and its own back-off. Neither holds data that would
//! be lost with it: instructions are replaced as a whole, results stay in the spool until a receipt
//! names them.

pub mod backoff;
#[cfg(feature = "lmap")]
pub mod collector;
pub mod enrol;
pub mod forget;
pub mod http;
pub mod repository;
pub mod supervisor;

use glimpse_model::read::Refused;
use glimpse_model::time::Timestamp;
use serde_json::{Value, json};

/// Most values in a document of the controller. A value of two bytes takes a hundred and more once it is read: a bound
/// of the bytes alone does not bound the memory.
const MAX_VALUES: usize = 150_000;

/// Refuses a document of more values than can be read in the memory of a small router; looks at no more than commas,
/// colons and brackets.
///
/// # Errors
/// [`Refused`] for the whole document.
pub fn countable(document: &[u8]) -> Result<(), Refused> {
    let (mut values, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in document {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b':' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    if values > MAX_VALUES {
        let reason = format!("must have at most {MAX_VALUES} values");
        return Err(Refused::new("document", reason));
    }
    Ok(())
}

/// How one of the two tasks stands, for `status`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contact {
    /// Last exchange that succeeded.
    pub last_success: Option<Timestamp>,
    /// Last attempt, whatever its end.
    pub last_attempt: Option<Timestamp>,
    /// When the next attempt is due after a failure.
    pub next_attempt: Option<Timestamp>,
    /// What went wrong in the last attempt.
    pub error: Option<String>,
}

impl Contact {
    /// An exchange that succeeded at `now`.
    pub fn succeeded(&mut self, now: Timestamp) {
        *self = Self {
            last_success: Some(now),
            last_attempt: Some(now),
            next_attempt: None,
            error: None,
        };
    }

    /// An attempt that failed at `now`; the next one follows in `wait_us`.
    pub fn failed(&mut self, now: Timestamp, wait_us: i64, error: &str) {
        self.last_attempt = Some(now);
        self.next_attempt = Some(now.plus_micros(wait_us));
        self.error = Some(error.to_owned());
    }

    /// As shown by `status --json`.
    pub fn to_json(&self) -> Value {
        json!({"last_success": self.last_success, "last_attempt": self.last_attempt,
            "next_attempt": self.next_attempt, "error": self.error})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not() {
        let list = |element: &str| format!("[{}0]", format!("{element},").repeat(MAX_VALUES / 2));
        assert_eq!(countable(list("0").as_bytes()), Ok(()));
        assert_eq!(countable(list(r#"",,[[{{::\",,\\""#).as_bytes()), Ok(()));
        for element in ["[0]", "{}", r#""a",0"#, "0,0"] {
            let refused = countable(list(element).as_bytes()).unwrap_err();
            assert!(
                refused.to_string().contains("values"),
                "{element}: {refused}"
            );
        }
        assert_eq!(
            countable(b"\\\"\xff"),
            Ok(()),
            "what is no JSON is for the parser to refuse"
        );
    }
}
