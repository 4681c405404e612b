//! What goes wrong is named, numbered as k6 does, and takes the time it took.

use super::doors::{FailingDial, NoSuchName, SilentDial};
use super::server::{Act, ok, response, serve};
use super::*;
use crate::http::{Failure, preflight};
use std::sync::Arc;

/// A port where nobody listens, and nobody else can while the socket lives.
fn silent_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn nobody_listens() {
    on_worker(async {
        let (_socket, port) = silent_port();
        let exchange = client(|_| {})
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        let hop = exchange.last();
        adds_up(hop);
        assert_eq!(
            (hop.failure, hop.error_code(), hop.status, hop.proto),
            (Some(Failure::Refused), 1212, None, None)
        );
        assert_eq!((hop.written, hop.phases.duration()), (false, 0));
        assert_eq!(
            hop.detail.as_deref(),
            Some(
                format!("connecting to 127.0.0.1:{port}: Connection refused (os error 111)")
                    .as_str()
            )
        );
    });
}

#[test]
fn the_system_s_errors_are_read_as_what_they_mean() {
    for (number, failure, code) in [
        (libc::EADDRNOTAVAIL, Failure::Local, 1210),
        (libc::EMFILE, Failure::Local, 1210),
        (libc::ENFILE, Failure::Local, 1210),
        (libc::ENOBUFS, Failure::Local, 1210),
        (libc::ECONNREFUSED, Failure::Refused, 1212),
        (libc::ECONNRESET, Failure::Reset, 1220),
        (libc::EHOSTUNREACH, Failure::Unreachable, 1210),
        (libc::ENETUNREACH, Failure::Unreachable, 1210),
        (libc::ETIMEDOUT, Failure::ConnectTimeout, 1211),
    ] {
        on_worker(async {
            let exchange = client(|options| options.dial = Arc::new(FailingDial(number)))
                .send(get("http://127.0.0.1/"))
                .await;
            assert_eq!(
                (exchange.last().failure, exchange.last().error_code()),
                (Some(failure), code),
                "{number}"
            );
        });
    }
}

#[test]
fn a_name_that_does_not_resolve() {
    on_worker(async {
        let exchange = client(|options| options.resolve = Arc::new(NoSuchName))
            .send(get("http://shop.test/"))
            .await;
        let hop = exchange.last();
        assert_eq!((hop.failure, hop.error_code()), (Some(Failure::Dns), 1101));
        assert_eq!(
            hop.detail.as_deref(),
            Some("looking up shop.test: Name or service not known")
        );
    });
}

#[test]
fn connecting_takes_too_long() {
    on_worker(async {
        let patience = Duration::from_millis(30);
        let mut client = client(|options| {
            options.dial = Arc::new(SilentDial);
            options.connect_timeout = patience;
        });
        let exchange = client.send(get("http://127.0.0.1/")).await;
        let hop = exchange.last();
        adds_up(hop);
        assert_eq!(
            (hop.failure, hop.error_code()),
            (Some(Failure::ConnectTimeout), 1211)
        );
        assert!(
            Duration::from_nanos(hop.phases.duration()) >= patience,
            "{hop:?}"
        );
    });
}

#[test]
fn what_is_not_http() {
    on_worker(async {
        let server = serve(vec![vec![Act::AnswerThenClose(
            "SSH-2.0-OpenSSH\r\n\r\n".into(),
        )]])
        .await;
        let exchange = client(|_| {}).send(get(&server.url("/"))).await;
        assert_eq!(
            exchange.last().failure,
            Some(Failure::Protocol),
            "{:?}",
            exchange.last().detail
        );
    });
}

#[test]
fn texts_are_bounded() {
    on_worker(async {
        let name = format!("http://{}.test/", "a".repeat(2000));
        let exchange = client(|options| options.resolve = Arc::new(NoSuchName))
            .send(get(&name))
            .await;
        assert_eq!(
            exchange.last().detail.as_ref().unwrap().chars().count(),
            200
        );
    });
}

#[test]
fn a_timeout_counts_all_the_time_it_took() {
    let timeout = Duration::from_millis(50);
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned();
    for (script, seen) in [
        (vec![Act::Hang], 0),
        (vec![Act::Read, Act::Hang], 0),
        (vec![Act::Answer(half)], 200),
    ] {
        on_worker(async {
            let server = serve(vec![script]).await;
            let mut client = client(|_| {});
            let exchange = client
                .send(Request {
                    timeout,
                    ..get(&server.url("/"))
                })
                .await;
            let hop = exchange.last();
            adds_up(hop);
            assert_eq!(
                (status(&exchange), hop.failure, hop.error_code()),
                (seen, Some(Failure::Timeout), 1050)
            );
            assert!(
                hop.written && Duration::from_nanos(hop.phases.duration()) >= timeout,
                "{hop:?}"
            );
            // Its connection is gone, and nothing is left under way.
            server.closed(1).await;
            assert!(client.take_cut().is_none());
        });
    }
}

#[test]
fn redirects_share_the_time_of_their_request() {
    on_worker(async {
        let timeout = Duration::from_millis(500);
        let away = response("302 Found", "location: /b\r\n", "");
        let server = serve(vec![
            vec![
                Act::Read,
                Act::Pause(timeout / 2),
                Act::Say(away),
                Act::Read,
                Act::Hang,
            ],
            vec![Act::Answer(ok("later"))],
        ])
        .await;
        let mut client = client(|_| {});
        let exchange = client
            .send(Request {
                timeout,
                ..get(&server.url("/"))
            })
            .await;
        assert_eq!(exchange.hops.len(), 2);
        exchange.hops.iter().for_each(adds_up);
        assert_eq!(exchange.last().failure, Some(Failure::Timeout));
        let whole = exchange.last().done.duration_since(exchange.hops[0].sent)
            + Duration::from_nanos(exchange.hops[0].phases.blocked);
        assert!(whole >= timeout, "{whole:?}");
        assert_eq!(text(&client.send(get(&server.url("/"))).await), "later");
    });
}

#[test]
fn a_preflight_connects_and_asks_nothing() {
    on_worker(async {
        let server = serve(vec![vec![]]).await;
        let shared = Shared::new(ClientConfigOptions::default()).unwrap();
        let patience = Duration::from_secs(5);
        assert_eq!(
            preflight(&shared, &Url::parse(&server.url("/")).unwrap(), patience).await,
            Ok(())
        );
        server.closed(1).await;
        assert_eq!((server.connections(), server.bytes()), (1, (0, 0)));
        let (_socket, port) = silent_port();
        let nobody = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        assert_eq!(
            preflight(&shared, &nobody, patience).await.unwrap_err().0,
            Failure::Refused
        );
        let nameless = ClientConfigOptions {
            resolve: Arc::new(NoSuchName),
            ..ClientConfigOptions::default()
        };
        let shared = Shared::new(nameless).unwrap();
        let shop = Url::parse("http://shop.test/").unwrap();
        assert_eq!(
            preflight(&shared, &shop, patience).await,
            Err((
                Failure::Dns,
                "looking up shop.test: Name or service not known".to_owned()
            ))
        );
    });
}
