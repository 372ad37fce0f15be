//! `dnslookup` and `reversednslookup` in words: the records, then who said so and how fast.

use super::figures::{Figures, plain};
use super::layout::{Align, lines, row, table};
use super::quantity::{NOTHING, count, exact_ms, span};
use serde_json::Value;

/// Characters of a record's data that are shown.
const DATA_LIMIT: usize = 1000;
/// Flags of an answer that are told (RFC 1035 §4.1.1, RFC 4035 §3.2).
const FLAGS: [&str; 6] = ["aa", "tc", "rd", "ra", "ad", "cd"];

pub(super) fn words(head: &str, figures: Figures<'_>) -> String {
    let records: Vec<Vec<String>> = figures.each("records").map(record).collect();
    let found = match figures.text("hostname") {
        Some(name) => name,
        None if figures.has("hostname") => "no name".to_owned(),
        None if records.is_empty() => "no records".to_owned(),
        None => count(records.len() as u64, "record"),
    };
    let mut text = format!("{head}: {found}\n");
    if !records.is_empty() {
        let aligns = [Align::Left, Align::Right, Align::Left];
        lines(&mut text, &table(2, &aligns, &records));
    }
    let mut queries = vec![row([
        "query", "server", "over", "time", "code", "size", "flags",
    ])];
    let mut details = Vec::new();
    for query in figures.each("queries") {
        let (cells, more) = exchange(query);
        queries.push(cells);
        details.push(more);
    }
    if queries.len() > 1 {
        let aligns = [
            Align::Left,
            Align::Left,
            Align::Left,
            Align::Right,
            Align::Left,
            Align::Right,
            Align::Left,
        ];
        let drawn = table(0, &aligns, &queries);
        text.push('\n');
        for (place, line) in drawn.into_iter().enumerate() {
            lines(&mut text, &[line]);
            if let Some(more) = place.checked_sub(1).and_then(|query| details.get(query)) {
                lines(&mut text, more);
            }
        }
    }
    text
}

fn record(record: Figures<'_>) -> Vec<String> {
    let text = |name: &str| record.text(name).unwrap_or_else(|| NOTHING.to_owned());
    let data = record.value("value").and_then(Value::as_str);
    vec![
        text("name"),
        record
            .whole("ttl")
            .map(|ttl| ttl.to_string())
            .unwrap_or_default(),
        text("type"),
        data.map(|data| plain(data, DATA_LIMIT)).unwrap_or_default(),
    ]
}

/// The row of one query, and lines with what does not fit there.
fn exchange(query: Figures<'_>) -> (Vec<String>, Vec<String>) {
    let text = |name: &str| query.text(name).unwrap_or_else(|| NOTHING.to_owned());
    let us = |name: &str| query.number(name);
    let error = query.text("error");
    let code = match query.text("rcode") {
        Some(code) => code,
        None if error.is_some() => "no answer".to_owned(),
        None => NOTHING.to_owned(),
    };
    let size = query.whole("response_bytes");
    let flags = query.inner("flags");
    let set: Vec<&str> = FLAGS
        .into_iter()
        .filter(|flag| flags.is_some_and(|flags| flags.is(flag)))
        .collect();
    let mut cells = vec![
        text("type"),
        text("server"),
        text("transport"),
        us("query_us").map_or_else(|| NOTHING.to_owned(), exact_ms),
        code,
        size.map_or_else(|| NOTHING.to_owned(), |size| format!("{size} B")),
    ];
    if !set.is_empty() {
        cells.push(set.join(" "));
    }
    let mut more = Vec::new();
    let mut tell = |words: String| more.push(format!("  {words}"));
    if let Some(attempt) = query.whole("attempt").filter(|&attempt| attempt > 1) {
        tell(format!("try {attempt}"));
    }
    if query.is("after_truncation") {
        tell("asked again because the answer by UDP was truncated".to_owned());
    }
    let phases: Vec<String> = [("connected", "connect_us"), ("TLS", "tls_us")]
        .into_iter()
        .filter_map(|(phase, name)| Some(format!("{phase} in {}", span(us(name)?))))
        .collect();
    if !phases.is_empty() {
        tell(phases.join(", "));
    }
    let edns = query.inner("edns");
    if let Some(nsid) = edns.and_then(|edns| edns.text("nsid")) {
        tell(format!("server identifier {nsid}"));
    }
    if let Some(code) = edns.and_then(|edns| edns.whole("error_code")) {
        let words = edns.and_then(|edns| edns.text("error_text"));
        tell(format!(
            "extended error {code} {}",
            words.unwrap_or_default()
        ));
    }
    if let Some(error) = error {
        tell(error);
    }
    let omitted = query.whole("records_omitted").unwrap_or_default();
    if omitted > 0 {
        tell(format!("{} left out", count(omitted, "record")));
    }
    let mismatched = query.whole("mismatched").unwrap_or_default();
    if mismatched > 0 {
        tell(format!(
            "{} that did not fit the query",
            count(mismatched, "packet")
        ));
    }
    (cells, more)
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::shown;
    use serde_json::json;

    #[test]
    fn records_come_first_then_the_queries() {
        let result = json!({
            "records": [
                {"name": "example.net", "ttl": 3600, "type": "A", "value": "203.0.113.1"},
                {"name": "example.net", "ttl": 60, "type": "TXT", "value": "\"\u{1b}[31mred\u{202e}\""}
            ],
            "queries": [
                {"type": "A", "attempt": 2, "server": "192.0.2.53:53", "transport": "Udp", "query_us": 512,
                 "timestamps": "kernel", "request_bytes": 38, "response_bytes": 56, "mismatched": 1, "rcode": "NOERROR",
                 "flags": {"aa": false, "tc": false, "rd": true, "ra": true, "ad": false, "cd": false},
                 "counts": {"question": 1, "answer": 1, "authority": 0, "additional": 1}, "records_omitted": 0,
                 "edns": {"version": 0, "udp_bytes": 1232, "dnssec": false, "nsid": "ns1", "nsid_hex": "6e7331"}},
                {"type": "TXT", "attempt": 1, "server": "192.0.2.53:853", "transport": "Tls", "after_truncation": true,
                 "query_us": 12_512, "connect_us": 8012, "tls_us": 10_300, "timestamps": "monotonic",
                 "request_bytes": 38, "response_bytes": 1456, "mismatched": 0, "rcode": "SERVFAIL", "flags": null,
                 "counts": null, "records_omitted": 0, "edns": null},
                {"type": "MX", "attempt": 1, "server": "192.0.2.53:53", "transport": "Udp", "query_us": null,
                 "response_bytes": null, "mismatched": 0, "error": "no answer within 5000 ms"}
            ]
        });
        assert_eq!(
            shown(
                "dnslookup",
                &["host=example.net"],
                result,
                "TXT: SERVFAIL; MX: no answer"
            ),
            "\
dnslookup example.net: 2 records
  example.net  3600  A    203.0.113.1
  example.net    60  TXT  \"\u{fffd}[31mred\u{fffd}\"

query  server          over       time  code         size  flags
A      192.0.2.53:53   Udp    0.512 ms  NOERROR      56 B  rd ra
  try 2
  server identifier ns1
  1 packet that did not fit the query
TXT    192.0.2.53:853  Tls   12.512 ms  SERVFAIL   1456 B
  asked again because the answer by UDP was truncated
  connected in 8.01 ms, TLS in 10.3 ms
MX     192.0.2.53:53   Udp           -  no answer       -
  no answer within 5000 ms
note: TXT: SERVFAIL; MX: no answer
"
        );
    }

    #[test]
    fn a_name_of_an_address_stands_in_the_first_line() {
        let result = json!({
            "hostname": "localhost", "hostnames": ["localhost"], "address": ["127.0.0.1"],
            "records": [{"name": "1.0.0.127.in-addr.arpa", "ttl": 10, "type": "PTR", "value": "localhost"}],
            "queries": []
        });
        assert_eq!(
            shown("reversednslookup", &["ip=127.0.0.1"], result, ""),
            "\
reversednslookup 127.0.0.1: localhost
  1.0.0.127.in-addr.arpa  10  PTR  localhost
"
        );
        let none =
            json!({"hostname": null, "hostnames": [], "address": ["192.0.2.1"], "records": []});
        assert_eq!(
            shown("reversednslookup", &["ip=192.0.2.1"], none, "PTR: NXDOMAIN"),
            "reversednslookup 192.0.2.1: no name\nnote: PTR: NXDOMAIN\n"
        );
    }
}
