//! What answers say, and what of it is told.

use super::*;

#[tokio::test]
async fn glimpse_check_42_a_and_aaaa_give_records_with_name_ttl_type_and_value() {
    for at in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let server = Server::udp(at, |query, _| vec![address(query)]).await;
        let outcome = measure(server.options(&json!({"type": "", "host": "Www.Example."}))).await;
        assert_eq!(
            (outcome.ending, outcome.error.as_deref()),
            (Ending::Done, None),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.probe_result["records"],
            json!([
                {"name": "Www.Example", "ttl": 60, "type": "A", "value": "192.0.2.7"},
                {"name": "Www.Example", "ttl": 60, "type": "AAAA", "value": "::1"},
            ])
        );
        let queries = outcome.probe_result["queries"].as_array().unwrap();
        assert_eq!(queries.len(), 2, "each type is asked for by itself");
        for (query, kind) in queries.iter().zip(["A", "AAAA"]) {
            assert_eq!(
                (&query["type"], &query["server"]),
                (&json!(kind), &json!(server.address.to_string()))
            );
            assert_eq!(
                (&query["rcode"], &query["mismatched"]),
                (&json!("NOERROR"), &json!(0))
            );
            assert_eq!(query["timestamps"], "kernel");
            assert_eq!(
                query["counts"],
                json!({"question": 1, "answer": 1, "authority": 0, "additional": 0})
            );
            assert_eq!(query["flags"]["ra"], true);
            // Header, question and OPT record.
            assert_eq!(query["request_bytes"], 12 + 13 + 4 + 11);
            let us = query["query_us"].as_u64().unwrap();
            assert!(us > 0 && us < 200_000, "{us}");
        }
        let ip_udp = if at.is_ipv4() { 28 } else { 48 };
        assert_eq!(outcome.bytes.sent, 2 * (ip_udp + 40));
        assert_eq!(outcome.bytes.received, 2 * ip_udp + (29 + 16) + (29 + 28));
    }
}

#[tokio::test]
async fn glimpse_check_42_a_failure_is_an_error_text() {
    for (rcode, words) in [
        (3, "A: NXDOMAIN"),
        (2, "A: SERVFAIL"),
        (5, "A: REFUSED"),
        (11, "A: RCODE11"),
    ] {
        let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
            vec![answer(query, rcode, &[])]
        })
        .await;
        let outcome = measure(server.options(&json!({"retries": 3}))).await;
        assert_eq!(
            (outcome.ending, outcome.error.as_deref()),
            (Ending::Done, Some(words))
        );
        assert_eq!(outcome.probe_result["records"], json!([]));
        assert_eq!(
            only(&outcome)["rcode"],
            json!(&words[3..]),
            "an answer is not asked for again"
        );
    }
}

#[tokio::test]
async fn malformed_answers_are_told_as_such() {
    for (tail, words) in [
        (
            &b"\xc0\x1d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"[..],
            "A: malformed answer: name of record 1",
        ),
        (
            &b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\xff\xff"[..],
            "A: malformed answer: ends within record 1",
        ),
    ] {
        let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
            vec![answer(query, 0, &[tail.to_vec()])]
        })
        .await;
        let outcome = measure(server.options(&json!({"retries": 2}))).await;
        assert!(
            outcome.error.as_ref().unwrap().starts_with(words),
            "{outcome:?}"
        );
        assert_eq!(
            (outcome.ending, &only(&outcome)["rcode"]),
            (Ending::Done, &json!("NOERROR"))
        );
    }
}

#[tokio::test]
async fn one_answer_makes_a_run_and_what_is_missing_is_told() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| {
        let is_mx = query[question_end(query) - 3] == 15;
        if is_mx {
            Vec::new()
        } else {
            vec![address(query)]
        }
    })
    .await;
    let given = server.options(&json!({"type": "", "types": "MX,A"}));
    let outcome = measure(given).await;
    let silent = format!("MX: no answer from {} within 400 ms", server.address);
    assert_eq!(
        (outcome.ending, outcome.error),
        (Ending::Done, Some(silent))
    );
    assert_eq!(outcome.probe_result["records"].as_array().unwrap().len(), 1);
}
