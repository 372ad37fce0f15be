//! Over TCP, whose framing has tests of its own in virtual time.

use super::*;

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let socket = UdpSocket::bind(listener.local_addr().unwrap())
        .await
        .unwrap();
    let server = Server::on(socket, |query, _| {
        let mut cut = answer(query, 0, &[record(1, &[192, 0, 2, 99])]);
        cut[2] |= 0x02;
        cut[7] = 50;
        vec![cut]
    });
    let _stream = Server::listening(listener, |mut stream| async move {
        let query = read_query(&mut stream).await;
        stream.write_all(&framed(&address(&query))).await.unwrap();
    });
    let outcome = measure(server.options(&json!({}))).await;
    assert_one_address(&outcome);
    let queries = outcome.probe_result["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 2);
    assert_eq!(
        (&queries[0]["flags"]["tc"], &queries[0]["transport"]),
        (&json!(true), &json!("Udp"))
    );
    assert_eq!(
        (&queries[1]["after_truncation"], &queries[1]["transport"]),
        (&json!(true), &json!("Tcp"))
    );
    for figure in ["connect_us", "query_us"] {
        assert!(queries[1][figure].as_u64().unwrap() < 300_000, "{figure}");
    }
    assert_eq!(queries[1]["timestamps"], "monotonic");

    let outcome = measure(server.options(&json!({"tcp_retry": false}))).await;
    assert_eq!(only(&outcome)["flags"]["tc"], true);
    assert_eq!(outcome.probe_result["records"][0]["value"], "192.0.2.99");
}

#[tokio::test]
async fn tcp_that_lies_or_says_nothing_or_breaks_ends_within_the_time_out() {
    let lying = Server::tcp(|mut stream| async move {
        let query = read_query(&mut stream).await;
        let mut message = framed(&address(&query));
        message[..2].copy_from_slice(&[0xff, 0xff]);
        stream.write_all(&message).await.unwrap();
    })
    .await;
    let silent = Server::tcp(|stream| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    })
    .await;
    let closing = Server::tcp(|mut stream| async move {
        read_query(&mut stream).await;
    })
    .await;
    let resetting = Server::tcp(|mut stream| async move {
        read_query(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let short = Server::tcp(|mut stream| async move {
        let query = read_query(&mut stream).await;
        stream
            .write_all(&[0, 0, 0, 5, 1, 2, 3, 4, 5])
            .await
            .unwrap();
        let mut forged = address(&query);
        forged[0] ^= 1;
        stream.write_all(&framed(&forged)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    })
    .await;
    for (server, words) in [
        (
            &lying,
            "closed the connection after 45 of the 65535 bytes that it announced",
        ),
        (&silent, "no answer from"),
        (&closing, "closed the connection without an answer"),
        (&resetting, "reset the connection"),
        (&short, "no answer from"),
    ] {
        let outcome = measure(server.options(&json!({"transport": "Tcp"}))).await;
        let told = outcome.error.clone().unwrap();
        assert!(told.contains(words), "{told} instead of {words}");
        assert_eq!(
            (outcome.ending, &outcome.probe_result["records"]),
            (Ending::Failed, &json!([]))
        );
        let mismatched = if words == "no answer from" && server.address == short.address {
            3
        } else {
            0
        };
        assert_eq!(only(&outcome)["mismatched"], mismatched);
    }
}
