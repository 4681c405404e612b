//! TLS, and HTTP/2 by ALPN.

use super::tls_server::{Goodbye, TlsServer, serve, serve_until};
use super::*;
use crate::http::{Failure, Proto, preflight};

fn trusting(server: &TlsServer) -> Client {
    client(|options| options.extra_roots = vec![server.root.clone()])
}

const BOTH: &[&str] = &["h2", "http/1.1"];
const NO_TIME: Duration = Duration::ZERO;

#[test]
fn alpn_chooses_the_protocol() {
    for (alpn, proto) in [
        (BOTH, Proto::Http2),
        (&["http/1.1"], Proto::Http1),
        (&[], Proto::Http1),
    ] {
        on_worker(async {
            let server = serve(&["localhost"], alpn, NO_TIME).await;
            let mut client = trusting(&server);
            let url = format!("https://localhost:{}/a", server.port);
            let long: String = "z".repeat(300_000);
            let first = client.send(get(&url)).await;
            let second = client
                .send(Request {
                    body: long.clone().into(),
                    ..ask(Method::POST, &url, "")
                })
                .await;
            assert_eq!(
                (status(&first), text(&first)),
                (200, "GET /a "),
                "{:?}",
                first.last()
            );
            assert_eq!(text(&second), format!("POST /a {long}"));
            for exchange in [&first, &second] {
                let hop = exchange.last();
                adds_up(hop);
                assert_eq!((hop.proto, hop.tls_version), (Some(proto), Some("tls1.3")));
            }
            let phases = first.last().phases;
            assert!(
                phases.tls > 0
                    && phases.connecting > 0
                    && phases.blocked >= phases.tls + phases.connecting
            );
            let phases = second.last().phases;
            assert_eq!((phases.blocked, phases.connecting, phases.tls), (0, 0, 0));
            assert_eq!(server.seen.borrow().connections, 1);
        });
    }
}

#[test]
fn what_the_connection_says_for_itself_is_no_response() {
    // Session tickets (TLS 1.3) and SETTINGS (HTTP/2) come while the response is waited for.
    for alpn in [BOTH, &["http/1.1"]] {
        on_worker(async {
            let delay = Duration::from_millis(40);
            let server = serve(&["localhost"], alpn, delay).await;
            let mut client = trusting(&server);
            for _ in 0..2 {
                let exchange = client
                    .send(get(&format!("https://localhost:{}/", server.port)))
                    .await;
                let hop = exchange.last();
                adds_up(hop);
                assert!(Duration::from_nanos(hop.phases.waiting) >= delay, "{hop:?}");
                assert!(
                    Duration::from_nanos(hop.phases.sending + hop.phases.receiving) < delay,
                    "{hop:?}"
                );
            }
        });
    }
}

#[test]
fn bytes_are_counted_below_tls() {
    for alpn in [BOTH, &["http/1.1"]] {
        on_worker(async {
            let server = serve(&["localhost"], alpn, NO_TIME).await;
            let mut client = trusting(&server);
            for path in ["a", "b", "c"] {
                client
                    .send(ask(
                        Method::PUT,
                        &format!("https://localhost:{}/{path}", server.port),
                        "body",
                    ))
                    .await;
            }
            // Frames that belong to no request (acknowledged settings, goodbyes) pass after the last response: wait until both agree.
            let (mut sent, mut received) = client.traffic();
            while (sent, received) != server.seen.borrow().bytes() {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let more = client.traffic();
                (sent, received) = (sent + more.0, received + more.1);
            }
            assert!(sent > 500 && received > 500, "{sent} {received}");
        });
    }
}

#[test]
fn http2_requests_name_their_authority() {
    on_worker(async {
        let server = serve(&["localhost"], BOTH, NO_TIME).await;
        let mut client = trusting(&server);
        client
            .send(with_header(
                get(&format!("https://localhost:{}/x", server.port)),
                "host",
                "ignored.test",
            ))
            .await;
        assert_eq!(
            server.seen.borrow().requests,
            [format!("GET /x Some(\"localhost:{}\")", server.port)]
        );
    });
}

#[test]
fn a_certificate_must_be_trusted_and_for_the_name() {
    on_worker(async {
        let server = serve(&["shop.test"], BOTH, NO_TIME).await;
        let url = format!("https://localhost:{}/", server.port);
        let hostname = trusting(&server).send(get(&url)).await;
        assert_eq!(
            (hostname.last().failure, hostname.last().error_code()),
            (Some(Failure::TlsHostname), 1311),
            "{:?}",
            hostname.last().detail
        );
        let untrusted = client(|_| {}).send(get(&url)).await;
        assert_eq!(
            (untrusted.last().failure, untrusted.last().error_code()),
            (Some(Failure::TlsUntrusted), 1310),
            "{:?}",
            untrusted.last().detail
        );
        let hop = untrusted.last();
        assert!(
            hop.phases.tls > 0 && !hop.written && hop.phases.duration() == 0,
            "{hop:?}"
        );
        let insecure = client(|options| options.insecure_skip_tls_verify = true)
            .send(get(&url))
            .await;
        assert_eq!(status(&insecure), 200, "{:?}", insecure.last());
    });
}

#[test]
fn clear_text_where_tls_is_expected_is_a_tls_failure() {
    on_worker(async {
        use super::server::{Act, serve};
        let server = serve(vec![vec![Act::Say(
            "HTTP/1.1 400 Bad Request\r\n\r\n".into(),
        )]])
        .await;
        let exchange = client(|_| {})
            .send(get(&server.url("/").replace("http:", "https:")))
            .await;
        assert_eq!(
            (exchange.last().failure, exchange.last().error_code()),
            (Some(Failure::Tls), 1300),
            "{:?}",
            exchange.last().detail
        );
    });
}

#[test]
fn a_preflight_checks_the_certificate() {
    on_worker(async {
        let server = serve(&["localhost"], BOTH, NO_TIME).await;
        let url = Url::parse(&format!("https://localhost:{}/", server.port)).unwrap();
        let patience = Duration::from_secs(5);
        let strict = Shared::new(ClientConfigOptions::default()).unwrap();
        assert_eq!(
            preflight(&strict, &url, patience).await.unwrap_err().0,
            Failure::TlsUntrusted
        );
        let trusting = Shared::new(ClientConfigOptions {
            extra_roots: vec![server.root.clone()],
            ..Default::default()
        })
        .unwrap();
        assert_eq!(preflight(&trusting, &url, patience).await, Ok(()));
        assert!(server.seen.borrow().requests.is_empty());
    });
}

#[test]
fn a_timeout_of_http2_is_recorded_and_its_connection_dropped() {
    on_worker(async {
        let server = serve(&["localhost"], BOTH, Duration::from_secs(3)).await;
        let timeout = Duration::from_millis(60);
        let mut client = trusting(&server);
        for _ in 0..2 {
            let exchange = client
                .send(Request {
                    timeout,
                    ..get(&format!("https://localhost:{}/", server.port))
                })
                .await;
            let hop = exchange.last();
            adds_up(hop);
            assert_eq!((hop.failure, hop.written), (Some(Failure::Timeout), true));
            assert!(Duration::from_nanos(hop.phases.duration()) >= timeout);
        }
        assert_eq!(server.seen.borrow().connections, 2);
    });
}

#[test]
fn a_server_s_goodbye_costs_no_request_that_may_be_repeated() {
    for alpn in [BOTH, &["http/1.1"]] {
        on_worker(async {
            let server = serve_until(&["localhost"], alpn, NO_TIME, Goodbye::Polite(2)).await;
            let mut client = trusting(&server);
            for request in 0..30 {
                let url = format!("https://localhost:{}/{request}", server.port);
                let exchange = client.send(ask(Method::PUT, &url, "body")).await;
                adds_up(exchange.last());
                assert_eq!(status(&exchange), 200, "{:?}", exchange.last());
                // Before, while and after the goodbye arrives.
                tokio::time::sleep(Duration::from_millis(request % 3)).await;
            }
            let seen = server.seen.borrow();
            assert!(seen.connections > 3, "{}", seen.connections);
        });
    }
}

#[test]
fn a_server_that_leaves_without_a_word_makes_the_connection_stale() {
    for alpn in [BOTH, &["http/1.1"]] {
        for (method, status_then, failure) in [
            (Method::PUT, 200, None),
            (Method::POST, 0, Some(Failure::Stale)),
        ] {
            on_worker(async {
                let server = serve_until(
                    &["localhost"],
                    alpn,
                    Duration::from_millis(50),
                    Goodbye::Rude(2),
                )
                .await;
                let mut client = trusting(&server);
                let url = format!("https://localhost:{}/", server.port);
                assert_eq!(status(&client.send(get(&url)).await), 200);
                let exchange = client.send(ask(method.clone(), &url, "body")).await;
                let hop = exchange.last();
                adds_up(hop);
                assert_eq!(
                    (status(&exchange), hop.failure, hop.resent),
                    (status_then, failure, failure.is_none()),
                    "{alpn:?} {method}: {hop:?}"
                );
            });
        }
    }
}
