//! Results as text, row by row.

use glimpse_model::time::Timestamp;
use glimpse_store::ResultRow;
use serde::Serialize;
use std::io::{self, Write};

/// The columns of the CSV form; times are RFC 3339, round-trip times milliseconds, loss 0 to 1.
pub const COLUMNS: [&str; 20] = [
    "id",
    "agent",
    "instruction",
    "task",
    "method",
    "status",
    "start_time",
    "received_time",
    "clock_suspect",
    "target",
    "type",
    "destination",
    "sent",
    "received",
    "loss",
    "rtt_median_ms",
    "rtt_min_ms",
    "rtt_max_ms",
    "error",
    "bytes",
];

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
    /// One JSON object a line: agent, time of receipt, and the record as it was received.
    Jsonl,
}

/// Writes what stands before the first row.
///
/// # Errors
/// What the writer says.
pub fn begin(format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Csv => line(out, COLUMNS.into_iter()),
        Format::Jsonl => Ok(()),
    }
}

/// Writes a row.
///
/// # Errors
/// What the writer says.
pub fn row(format: Format, row: &ResultRow, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Csv => csv(row, out),
        Format::Jsonl => jsonl(row, out),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    agent: &'a str,
    received_time: Timestamp,
    clock_suspect: bool,
}

fn jsonl(row: &ResultRow, out: &mut dyn Write) -> io::Result<()> {
    let envelope = Envelope {
        agent: &row.agent,
        received_time: row.received,
        clock_suspect: row.clock_suspect,
    };
    let envelope = serde_json::to_string(&envelope)?;
    // Within JSON, line ends stand between tokens only: a space means the same.
    let record = row.document.replace(['\n', '\r'], " ");
    let open = envelope.strip_suffix('}').unwrap_or(&envelope);
    writeln!(out, "{open},\"record\":{record}}}")
}

fn csv(row: &ResultRow, out: &mut dyn Write) -> io::Result<()> {
    let record: serde_json::Value = serde_json::from_str(&row.document).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
    let scaled = |number: Option<u32>, decimals: usize, by: f64| {
        number
            .map(|n| format!("{:.decimals$}", f64::from(n) / by))
            .unwrap_or_default()
    };
    let ping = &row.figures.ping;
    let bytes = |direction: &str| record["bytes"][direction].as_u64().unwrap_or(0);
    let fields: [String; COLUMNS.len()] = [
        row.id.to_string(),
        row.agent.clone(),
        text(&row.instruction),
        text(&row.task),
        text(&row.method),
        row.status.clone(),
        row.start.map(|at| at.to_string()).unwrap_or_default(),
        row.received.to_string(),
        row.clock_suspect.to_string(),
        text(&row.figures.target),
        text(&row.figures.ping_type),
        text(&ping.destination),
        number(ping.sent),
        number(ping.received),
        scaled(ping.loss_ppm, 6, 1e6),
        scaled(ping.rtt_median_us, 3, 1e3),
        scaled(ping.rtt_min_us, 3, 1e3),
        scaled(ping.rtt_max_us, 3, 1e3),
        record["error"].as_str().unwrap_or_default().to_owned(),
        bytes("sent").saturating_add(bytes("received")).to_string(),
    ];
    line(out, fields.iter().map(String::as_str))
}

fn line<'a>(out: &mut dyn Write, fields: impl Iterator<Item = &'a str>) -> io::Result<()> {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        if field.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", field.replace('"', "\"\""))?;
        } else {
            out.write_all(field.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::id::ResultId;
    use glimpse_store::Figures;
    use serde_json::json;

    fn sample(document: &str) -> ResultRow {
        let probe_result = json!({"round_trip_ms": [1.25, 0.5], "round_trip_sent": 2,
            "round_trip_received": 2, "round_trip_loss": 0, "destination_ip": "192.0.2.1"});
        ResultRow {
            id: ResultId::from_bytes([1; 16]),
            agent: "a-1".into(),
            instruction: Some("i".into()),
            task: None,
            method: Some("ping".into()),
            status: "ok".into(),
            start: Timestamp::parse("2026-01-01T00:00:00.5Z"),
            received: Timestamp::parse("2026-01-01T00:00:01Z").unwrap(),
            clock_suspect: false,
            figures: Figures::of_ping(
                probe_result.as_object().unwrap(),
                Some("a,\"b\"".into()),
                Some("Udp".into()),
            ),
            document: document.into(),
        }
    }

    fn written(format: Format, document: &str) -> String {
        let mut out = Vec::new();
        begin(format, &mut out).unwrap();
        row(format, &sample(document), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let text = written(
            Format::Csv,
            r#"{"error":"two\nlines","bytes":{"sent":3,"received":4}}"#,
        );
        let (header, rest) = text.split_once("\r\n").unwrap();
        assert_eq!(header.split(',').count(), COLUMNS.len());
        assert_eq!(
            rest,
            "01010101-0101-0101-0101-010101010101,a-1,i,,ping,ok,2026-01-01T00:00:00.5Z,\
             2026-01-01T00:00:01Z,false,\"a,\"\"b\"\"\",Udp,192.0.2.1,2,2,0.000000,0.875,0.500,1.250,\
             \"two\nlines\",7\r\n"
        );
    }

    #[test]
    fn json_lines_hold_the_record_as_it_came_on_one_line() {
        let text = written(Format::Jsonl, "{\n \"b\": 1.10,\r\n \"a\": \"x\\ny\"}");
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains(r#""record":{  "b": 1.10,   "a": "x\ny"}}"#),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["agent"], "a-1");
        assert_eq!(value["record"]["a"], "x\ny");
    }
}
