//! Rows of a table.

use crate::local::history::{Point, Raw, RollUp};
use crate::local::series::Figure;
use glimpse_model::time::Timestamp;
use serde_json::Value;

/// The names of the columns. Figures are medians.
pub(super) const HEADER: &str = "time,span,method,target,status,own,n,delay_us,loss_ppm,down_kbps,up_kbps,\
     busy_delay_us,dns_us,bytes,id,error\r\n";

/// What stands in a column.
enum Cell<'a> {
    Text(&'a str),
    Number(Option<u64>),
}

/// A period of one figure.
pub(super) fn of_row(span: &str, time: Timestamp, row: &RollUp<'_>) -> String {
    let time = time.to_string();
    let loss = (row.figure == Figure::Delay)
        .then(|| row.loss_ppm())
        .flatten();
    let figure = |figure| {
        Cell::Number(
            (row.figure == figure)
                .then_some(row.median)
                .flatten()
                .map(u64::from),
        )
    };
    line(&[
        Cell::Text(&time),
        Cell::Text(span),
        Cell::Text(""),
        Cell::Text(row.target),
        Cell::Text(""),
        Cell::Text(""),
        Cell::Number(Some(row.n.into())),
        figure(Figure::Delay),
        Cell::Number(loss.map(u64::from)),
        figure(Figure::Down),
        figure(Figure::Up),
        figure(Figure::BusyDelay),
        figure(Figure::Dns),
        Cell::Number(None),
        Cell::Text(""),
        Cell::Text(""),
    ])
}

/// One result.
pub(super) fn of_record(raw: &Raw, record: &Value) -> String {
    let time = Timestamp::from_micros(raw.time_us).to_string();
    let id = raw.id.to_string();
    let point = |figure| raw.points.iter().find(|point| point.figure == figure);
    let median = |figure| {
        Cell::Number(
            point(figure)
                .and_then(|point: &Point| point.median)
                .map(u64::from),
        )
    };
    let loss = point(Figure::Delay).and_then(|point| {
        crate::local::history::rollup::loss(point.sent, point.received, 1_000_000)
    });
    let bytes = ["sent", "received"].map(|way| record["bytes"][way].as_u64().unwrap_or(0));
    line(&[
        Cell::Text(&time),
        Cell::Text("result"),
        Cell::Text(raw.method.as_deref().unwrap_or_default()),
        Cell::Text(&raw.target),
        Cell::Text(raw.status.as_str()),
        Cell::Text(if raw.own { "1" } else { "0" }),
        Cell::Number(Some(1)),
        median(Figure::Delay),
        Cell::Number(loss.map(u64::from)),
        median(Figure::Down),
        median(Figure::Up),
        median(Figure::BusyDelay),
        median(Figure::Dns),
        Cell::Number(Some(bytes[0].saturating_add(bytes[1]))),
        Cell::Text(&id),
        Cell::Text(record["error"].as_str().unwrap_or_default()),
    ])
}

fn line(cells: &[Cell<'_>]) -> String {
    let cells = cells.iter().map(|cell| match cell {
        Cell::Text(text) => quoted(text),
        Cell::Number(number) => number.map_or(String::new(), |number| number.to_string()),
    });
    let cells: Vec<String> = cells.collect();
    cells.join(",")
}

/// A text as RFC 4180 has it; none is a formula.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}
