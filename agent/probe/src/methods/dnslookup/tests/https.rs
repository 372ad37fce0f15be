//! DNS over HTTPS.

use super::tls::Pki;
use super::*;

/// Status, content type and body.
type Response = (u16, &'static str, Vec<u8>);

/// Answers one request a connection with `response`, which gets the DNS query and makes status, type and body.
async fn server(pki: &Pki, response: fn(&[u8]) -> Response) -> Server {
    let acceptor = pki.acceptor();
    Server::tcp(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let query = if let Some(rest) = head.strip_prefix("GET /dns-query?dns=") {
                decoded(rest.split(' ').next().unwrap())
            } else {
                assert!(head.starts_with("POST /dns-query HTTP/1.1\r\n"), "{head}");
                assert!(
                    head.contains("content-type: application/dns-message\r\n"),
                    "{head}"
                );
                let (_, length) = head.split_once("content-length: ").unwrap();
                let mut query = vec![0; length.split('\r').next().unwrap().parse().unwrap()];
                stream.read_exact(&mut query).await.unwrap();
                query
            };
            assert!(head.contains("host: dns.example"), "{head}");
            assert_eq!(query[..2], [0, 0]);
            let (status, kind, body) = response(&query);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            let _ = stream.flush().await;
        }
    })
    .await
}

fn decoded(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = digits.iter().position(|&known| known == digit).unwrap();
        bits = bits << 6 | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

#[tokio::test]
async fn dns_over_https_asks_by_post_and_by_get() {
    let pki = Pki::new(&["dns.example"], 2100);
    let server = server(&pki, |query| {
        (200, "application/dns-message", address(query))
    })
    .await;
    for method in ["POST", "GET"] {
        let given = server.options(&json!({
            "transport": "Https", "tls_name": "dns.example", "timeout": 3000, "http_method": method,
        }));
        let outcome = measure_in(given, &pki.trusted()).await;
        assert_one_address(&outcome);
        let query = only(&outcome);
        for figure in ["connect_us", "tls_us", "query_us"] {
            assert!(query[figure].as_u64().unwrap() < 1_000_000, "{figure}");
        }
    }
}

#[tokio::test]
async fn what_is_no_dns_message_is_told() {
    let pki = Pki::new(&["dns.example"], 2100);
    for (response, words) in [
        (
            (|_| (404, "text/html", Vec::new())) as fn(&[u8]) -> _,
            "A: http: status 404",
        ),
        (
            |query| (200, "text/plain", address(query)),
            "A: http: the response is no application/dns-message",
        ),
        (
            |_| (200, "application/dns-message", b"x".to_vec()),
            "A: http: the message is no answer",
        ),
        (
            |_| (200, "application/dns-message", vec![0; 70_000]),
            "A: http: length limit exceeded",
        ),
    ] {
        let server = server(&pki, response).await;
        let given = server
            .options(&json!({"transport": "Https", "tls_name": "dns.example", "timeout": 3000}));
        let outcome = measure_in(given, &pki.trusted()).await;
        assert_eq!(outcome.ending, Ending::Failed);
        let told = outcome.error.unwrap();
        assert!(told.starts_with(words), "{told}");
    }
}
