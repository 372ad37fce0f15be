//! Over UDP: silence, forgeries.

use super::*;

#[tokio::test]
async fn a_silent_server_is_asked_again_and_then_told() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |_, _| Vec::new()).await;
    let outcome = measure(server.options(&json!({"timeout": 60, "retries": 2}))).await;
    let words = format!("A: no answer from {} within 60 ms", server.address);
    assert_eq!(
        (outcome.ending, outcome.error),
        (Ending::Failed, Some(words))
    );
    let queries = outcome.probe_result["queries"].as_array().unwrap();
    let attempts: Vec<_> = queries
        .iter()
        .map(|query| query["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(
        queries
            .iter()
            .all(|query| query["query_us"].is_null() && query["error"].is_string())
    );

    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, place| {
        if place == 0 {
            Vec::new()
        } else {
            vec![address(query)]
        }
    })
    .await;
    let outcome = measure(server.options(&json!({"timeout": 200, "retries": 2}))).await;
    assert_one_address(&outcome);
    assert_eq!(outcome.probe_result["queries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn forged_answers_are_counted_and_the_wait_goes_on() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| {
        let forged = |at: usize| {
            let mut message = answer(query, 0, &[record(1, &[203, 0, 113, 66])]);
            message[at] ^= 0x20;
            message
        };
        vec![
            b"garbage".to_vec(),
            forged(0),
            forged(13),
            query.to_vec(),
            Vec::new(),
            address(query),
        ]
    })
    .await;
    let outcome = measure(server.options(&json!({}))).await;
    assert_one_address(&outcome);
    assert_eq!(
        only(&outcome)["mismatched"],
        5,
        "garbage, identifier, letter case, the query itself, nothing"
    );
}

#[tokio::test]
async fn an_answer_from_another_address_is_none() {
    let forger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let listening = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listening.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = listening.recv_from(&mut buffer).await.unwrap();
        forger
            .send_to(&address(&buffer[..length]), from)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let server = Server { address: at, task };
    let outcome = measure(server.options(&json!({"timeout": 150}))).await;
    assert_eq!(
        (outcome.ending, &outcome.probe_result["records"]),
        (Ending::Failed, &json!([]))
    );
    assert!(outcome.error.unwrap().contains("no answer from"));
}

#[tokio::test]
async fn identifiers_and_ports_differ_from_query_to_query() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
        noted.lock().unwrap().push([query[0], query[1]]);
        vec![address(query)]
    })
    .await;
    let given = server.options(&json!({"type": "", "types": "A,MX,TXT,NS,SOA,SRV,TYPE731,CAA"}));
    let outcome = measure(given).await;
    assert_eq!(outcome.ending, Ending::Done);
    let mut identifiers = seen.lock().unwrap().clone();
    identifiers.sort_unstable();
    identifiers.dedup();
    assert_eq!(identifiers.len(), 8);
}
