//! The kinds `http` and `tcp`: each reason of a failure, and what a success tells.

use parking_lot::Mutex;
use tokio::net::TcpSocket;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";

#[tokio::test]
async fn a_success_tells_its_phases_and_sends_what_was_configured() {
    let heard = Arc::new(Mutex::new(String::new()));
    let ear = Arc::clone(&heard);
    let address = serve(move |mut stream| {
        let ear = Arc::clone(&ear);
        async move {
            *ear.lock() = hear(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    })
    .await;
    let outcome = http_look(address, |http| {
        http.method = "POST".to_owned();
        http.body = Some("ping".to_owned());
        http.headers = vec![Header { name: "X-Key".to_owned(), value: Secret::Text("k".to_owned()) }];
        http.expect_body = Some(Match::Text("ok".to_owned()));
        http.expect_json = vec![JsonEquals { path: "status".to_owned(), equals: "ok".into() }];
    })
    .await;
    assert_eq!(failed(&outcome), (None, ""));
    assert_eq!(reached(&outcome), ["connect", "processing", "transfer"]);
    assert_eq!((outcome.status_code, outcome.http_version), (Some(200), Some("HTTP/1.1")));
    assert_eq!((outcome.address, outcome.body_bytes), (Some(address), 15));
    let phases: u64 = Phase::ALL.iter().filter_map(|phase| outcome.phases.get(*phase)).sum();
    assert!(phases <= outcome.duration_micros, "{outcome:?}");
    let heard = heard.lock().clone();
    assert!(heard.starts_with("POST /health HTTP/1.1\r\n"), "{heard}");
    for line in [&format!("host: {address}\r\n"), "x-key: k\r\n", "user-agent: tokentail/", "\r\n\r\nping"] {
        assert!(heard.contains(line), "{line} in {heard}");
    }
}

#[tokio::test]
async fn an_unexpected_answer_says_what_was_expected() {
    let address = answers("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    let outcome = http_look(address, |_| {}).await;
    assert_eq!(failed(&outcome), (Some(Failure::Status), "status 502, expected 200-299"));
    assert_eq!(outcome.status_code, Some(502));
    let address = answers(OK).await;
    let outcome = http_look(address, |http| http.expect_body = Some(Match::Text("up".to_owned()))).await;
    assert_eq!(outcome.failure, Some(Failure::Body));
    assert!(outcome.message.starts_with("the body has no `up`; it begins with"), "{}", outcome.message);
}

#[tokio::test]
async fn a_connection_that_ends_early_is_cut() {
    let cases = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ];
    for answer in cases {
        let outcome = http_look(answers(answer).await, |_| {}).await;
        assert_eq!(outcome.failure, Some(Failure::Cut), "{answer:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_or_has_no_end_is_refused() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    for answer in ["SSH-2.0-OpenSSH_9\r\n", endless.as_str(), many.as_str()] {
        let outcome = http_look(answers(answer).await, |_| {}).await;
        assert_eq!(outcome.failure, Some(Failure::Other), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_read_to_its_bound() {
    let address = serve(|mut stream| async move {
        hear(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nready").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let outcome = http_look(address, |http| http.expect_body = Some(Match::Text("ready".to_owned()))).await;
    assert_eq!(outcome.failure, None, "{outcome:?}");
    assert!((1 << 20..2 << 20).contains(&outcome.body_bytes), "{}", outcome.body_bytes);
}

#[tokio::test]
async fn a_server_that_never_answers_is_timed_out_while_waiting() {
    let address = serve(|mut stream| async move {
        hear(&mut stream).await;
        too_long().await;
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = http_look(address, |_| {}).await;
    assert_eq!(failed(&outcome), (Some(Failure::Timeout), "no success within 5s: still waiting for the answer"));
    assert_eq!(reached(&outcome), ["connect", "processing"]);
}

#[tokio::test]
async fn a_body_that_drips_is_timed_out_while_reading() {
    let address = serve(|mut stream| async move {
        hear(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
        tokio::time::pause();
        // A byte a second: the timer, which stands still otherwise, jumps when nothing else is to do.
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let outcome = http_look(address, |_| {}).await;
    assert_eq!(failed(&outcome), (Some(Failure::Timeout), "no success within 5s: still reading the answer"));
    assert!(outcome.body_bytes > 0, "{outcome:?}");
}

#[tokio::test]
async fn nobody_listening_is_refused_and_no_name_is_dns() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let outcome = http_look(address, |_| {}).await;
    let want = format!("connect to {address}: connection refused");
    assert_eq!(failed(&outcome), (Some(Failure::Refused), want.as_str()));
    assert_eq!(reached(&outcome), ["connect"]);

    // The top level `invalid` never exists (RFC 6761).
    let outcome = look(&Target::new("x", Check::Http(Http::get("http://tokentail.invalid/")))).await;
    assert!(matches!(outcome.failure, Some(Failure::Dns | Failure::Timeout)), "{outcome:?}");
    assert_eq!(reached(&outcome), ["resolve"]);
    let mut wrong = Target::new("x", Check::Http(Http::get("http://127.0.0.1:1/")));
    wrong.ip_protocol = IpProtocol::V6;
    let outcome = look(&wrong).await;
    let want = "resolve `127.0.0.1`: it has no IPv6 address (1 of the other kind)";
    assert_eq!(failed(&outcome), (Some(Failure::Dns), want));
}

#[tokio::test]
async fn a_redirect_is_a_status_unless_it_is_followed() {
    let end = answers(OK).await;
    let away = answers(format!("HTTP/1.1 302 Found\r\nlocation: http://{end}/x\r\ncontent-length: 0\r\n\r\n")).await;
    let outcome = http_look(away, |_| {}).await;
    let want = format!("status 302 to `http://{end}/x`, expected 200-299; it is not followed further");
    assert_eq!(failed(&outcome), (Some(Failure::Status), want.as_str()));
    assert_eq!(outcome.address, Some(away));
    let outcome = http_look(away, |http| http.follow_redirects = true).await;
    assert_eq!((outcome.failure, outcome.address, outcome.status_code), (None, Some(end), Some(200)));
}

#[tokio::test]
async fn redirects_come_to_an_end_and_carry_no_secret_elsewhere() {
    let round = answers("HTTP/1.1 307 Again\r\nlocation: /round\r\ncontent-length: 0\r\n\r\n").await;
    let outcome = http_look(round, |http| http.follow_redirects = true).await;
    assert_eq!(failed(&outcome), (Some(Failure::Status), "more than 5 redirects"));

    let heard = Arc::new(Mutex::new(String::new()));
    let ear = Arc::clone(&heard);
    let other = serve(move |mut stream| {
        let ear = Arc::clone(&ear);
        async move {
            *ear.lock() = hear(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    })
    .await;
    let away = answers(format!("HTTP/1.1 301 Moved\r\nlocation: http://{other}/\r\ncontent-length: 0\r\n\r\n")).await;
    let outcome = http_look(away, |http| {
        http.follow_redirects = true;
        http.method = "POST".to_owned();
        http.body = Some("password".to_owned());
        http.headers = vec![Header { name: "x-key".to_owned(), value: Secret::Text("secret".to_owned()) }];
    })
    .await;
    assert_eq!(outcome.failure, None, "{outcome:?}");
    let heard = heard.lock().clone();
    assert!(heard.starts_with("GET / HTTP/1.1\r\n"), "{heard}");
    assert!(!heard.contains("secret") && !heard.contains("password"), "{heard}");
}

#[tokio::test]
async fn a_port_that_accepts_is_up_and_ipv6_is_spoken() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        // A machine without IPv6 has no such loopback; the address is parsed all the same.
        return;
    };
    let address = listener.local_addr().expect("its address");
    let mut target = Target::new("door", Check::Tcp(Tcp { address: address.to_string(), tls: None }));
    target.ip_protocol = IpProtocol::V6;
    let outcome = look(&target).await;
    assert_eq!((outcome.failure, outcome.address, reached(&outcome)), (None, Some(address), vec!["connect"]));
}

#[tokio::test]
async fn the_next_address_is_tried_beside_one_that_fails() {
    let good = answers(OK).await;
    // Bound and not listening: it refuses.
    let bad = TcpSocket::new_v4().expect("a socket");
    bad.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let bad = bad.local_addr().expect("its address");
    let (address, _stream) = crate::probe::dial::connect(&[bad, good]).await.expect("the second accepts");
    assert_eq!(address, good);
    let fault = crate::probe::dial::connect(&[bad, bad]).await.expect_err("both refuse");
    assert_eq!(fault.failure, Failure::Refused);
    assert_eq!(fault.message.matches("connection refused").count(), 2);
}

#[tokio::test]
async fn a_failure_and_a_success_are_a_pleasure_to_read() {
    let address = answers("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    let target = Target::new("chat", Check::Http(Http::get(format!("http://{address}/health"))));
    let probe = probe_at(&target, &Clock::system());
    let mut outcome = Outcome {
        duration_micros: 12_345,
        failure: Some(Failure::Status),
        message: "status 502, expected 200-299".to_owned(),
        status_code: Some(502),
        http_version: Some("HTTP/1.1"),
        address: Some("127.0.0.1:3210".parse().expect("an address")),
        tls_expiry: Some(86_400_000_000),
        ..Outcome::default()
    };
    outcome.phases.connect = Some(345);
    outcome.phases.processing = Some(12_000);
    let text = text::render(&probe, &Run::Done(Box::new(outcome.clone())), None);
    let want = format!(
        "chat · http · GET http://{address}/health\n\
         FAILED after 12.3 ms · status\n\
         \x20 status 502, expected 200-299\n\
         \x20 look at the log of the service for this moment\n\n\
         \x20 resolve              –\n\
         \x20 connect         345 µs  █\n\
         \x20 tls                  –\n\
         \x20 processing     12.0 ms  {}\n\
         \x20 transfer             –\n\n\
         \x20 address       127.0.0.1:3210\n\
         \x20 status        502 (HTTP/1.1)\n\
         \x20 certificate   until 1970-01-02 00:00:00 UTC (1 day)\n",
        "█".repeat(30)
    );
    assert_eq!(text, want);
    let json = serde_json::to_value(&outcome).expect("JSON");
    assert_eq!(json["failure"], "status");
    assert_eq!(json["phases"]["connect"], 345);
    assert_eq!(json["phases"]["tls"], serde_json::Value::Null);
    assert_eq!(json["address"], "127.0.0.1:3210");
}
