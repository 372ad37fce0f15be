//! What a plug-in says of one run.

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_model::read::{self, Cursor, Refused};
use serde_json::{Map, Value};

/// Longest error text taken, in characters.
const ERROR_LIMIT: usize = 200;

/// What `run` printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The figures.
    pub probe_result: Map<String, Value>,
    /// What went wrong, printable and bounded.
    pub error: Option<String>,
    /// The bytes it says it used.
    pub claim: Option<ByteCount>,
}

impl Report {
    /// Reads what `run` printed; members that are not known have no meaning.
    ///
    /// # Errors
    /// [`Refused`] with the path of the member at fault.
    pub fn parse(printed: &[u8]) -> Result<Self, Refused> {
        let document = read::json(printed)?;
        let members = Cursor::root(&document).object()?;
        let probe_result = members
            .optional("probe_result")
            .map(|result| result.object().map(|result| result.map().clone()))
            .transpose()?;
        let error = members
            .optional("error")
            .map(|error| match error.value() {
                Value::String(text) => Ok(shown(text)),
                _ => Err(error.refuse("must be a string")),
            })
            .transpose()?
            .filter(|text| !text.is_empty());
        if probe_result.is_none() && error.is_none() {
            return Err(Refused::new(
                "document",
                "must have a probe_result or an error",
            ));
        }
        let claim = members
            .optional("bytes")
            .map(|bytes| {
                let bytes = bytes.object()?;
                Ok(ByteCount {
                    sent: bytes.required("sent")?.unsigned()?,
                    received: bytes.required("received")?.unsigned()?,
                })
            })
            .transpose()?;
        Ok(Self {
            probe_result: probe_result.unwrap_or_default(),
            error,
            claim,
        })
    }

    /// The outcome of a run that is charged with `charge`: failed when there is an error and no figure.
    pub fn into_outcome(self, charge: ByteCount) -> Outcome {
        let mut probe_result = self.probe_result;
        let ending = if probe_result.is_empty() && self.error.is_some() {
            Ending::Failed
        } else {
            Ending::Done
        };
        if let Some(claim) = self.claim {
            probe_result.insert("claimed_sent_bytes".to_owned(), claim.sent.into());
            probe_result.insert("claimed_received_bytes".to_owned(), claim.received.into());
        }
        Outcome {
            exit: None,
            ending,
            probe_result,
            error: self.error,
            bytes: charge,
        }
    }
}

/// A text without control characters, cut to a readable length.
fn shown(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(ERROR_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CHARGE: ByteCount = ByteCount {
        sent: 700,
        received: 0,
    };

    fn outcome(document: &Value) -> Outcome {
        let report = Report::parse(document.to_string().as_bytes()).unwrap();
        report.into_outcome(CHARGE)
    }

    #[test]
    fn figures_are_taken_and_the_claim_stands_beside_the_charge() {
        let done = outcome(&json!({"probe_result": {"load": 0.5}, "error": null,
            "bytes": {"sent": 3, "received": 4}}));
        assert_eq!(done.ending, Ending::Done);
        assert_eq!(done.bytes, CHARGE);
        let shown = json!({"load": 0.5, "claimed_sent_bytes": 3, "claimed_received_bytes": 4});
        assert_eq!(Value::Object(done.probe_result), shown);
        assert_eq!(done.error, None);
    }

    #[test]
    fn an_error_without_figures_is_a_failure_and_with_figures_a_remark() {
        let failed = outcome(&json!({"probe_result": {}, "error": "no\u{7} route\n",
            "bytes": {"sent": 1, "received": 0}}));
        assert_eq!(failed.ending, Ending::Failed);
        assert_eq!(failed.error.as_deref(), Some("no route"));
        let remarked = outcome(&json!({"probe_result": {"a": 1}, "error": "x".repeat(999)}));
        assert_eq!(remarked.ending, Ending::Done);
        assert_eq!(remarked.error.unwrap().len(), 200);
    }

    #[test]
    fn what_is_no_outcome_is_said() {
        for (printed, said) in [
            ("", "document: EOF while parsing a value at line 1 column 0"),
            ("{}", "document: must have a probe_result or an error"),
            ("[]", "document: must be an object"),
            (r#"{"probe_result": 3}"#, "probe_result: must be an object"),
            (r#"{"error": 3}"#, "error: must be a string"),
            (
                r#"{"error": "x", "bytes": {"sent": 1}}"#,
                "bytes.received: is missing",
            ),
            (
                r#"{"error": "x", "bytes": {"sent": -1, "received": 0}}"#,
                "bytes.sent: must be a whole number >= 0",
            ),
        ] {
            let refused = Report::parse(printed.as_bytes()).unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }

    proptest! {
        #[test]
        fn anything_printed_is_read_or_refused(printed in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Report::parse(&printed);
        }
    }
}
