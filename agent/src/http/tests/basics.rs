//! One connection, many requests; phases; bytes; headers.

use super::server::{Act, ok, response, serve};
use super::*;
use crate::http::Proto;

#[test]
fn a_connection_is_kept_and_its_bytes_are_counted() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("one")), Act::Answer(ok("two"))]]).await;
        let mut client = client(|_| {});
        let first = client.send(get(&server.url("/a?b=c#d"))).await;
        let second = client.send(get(&server.url("/"))).await;
        assert_eq!((text(&first), text(&second)), ("one", "two"));
        assert_eq!(server.connections(), 1);
        let head = format!(
            "GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nuser-agent: throng/0.1.0\r\n\r\n",
            server.port
        );
        assert_eq!(server.requests()[0], head);
        let (read, written) = server.bytes();
        assert_eq!(client.traffic(), (read, written));
        assert_eq!(client.traffic(), (0, 0));

        let (first, second) = (first.last(), second.last());
        assert_eq!(
            (first.proto, first.tls_version, first.written),
            (Some(Proto::Http1), None, true)
        );
        assert!(first.phases.connecting > 0 && first.phases.blocked >= first.phases.connecting);
        assert_eq!(
            (
                second.phases.blocked,
                second.phases.connecting,
                second.phases.tls
            ),
            (0, 0, 0)
        );
        adds_up(first);
        adds_up(second);
    });
}

#[test]
fn each_phase_is_measured_where_it_happens() {
    on_worker(async {
        let pause = Duration::from_millis(30);
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha".to_owned();
        let script = vec![
            Act::Read,
            Act::Pause(pause),
            Act::Say(half),
            Act::Pause(2 * pause),
            Act::Say("lf".into()),
        ];
        let server = serve(vec![script]).await;
        let exchange = client(|_| {}).send(get(&server.url("/"))).await;
        assert_eq!(text(&exchange), "half");
        let hop = exchange.last();
        adds_up(hop);
        let (waiting, receiving) = (
            Duration::from_nanos(hop.phases.waiting),
            Duration::from_nanos(hop.phases.receiving),
        );
        assert!(waiting >= pause && receiving >= 2 * pause, "{hop:?}");
        assert!(hop.phases.sending < 20_000_000, "{hop:?}");
    });
}

#[test]
fn a_large_upload_is_sending_until_its_last_byte() {
    on_worker(async {
        let server = serve(vec![vec![
            Act::Pause(Duration::from_millis(50)),
            Act::Answer(ok("got it")),
        ]])
        .await;
        let mut client = client(|_| {});
        // Larger than the socket's buffers: the pause holds it up in the middle.
        let body = "x".repeat(32 << 20);
        let request = Request {
            body: body.into(),
            ..ask(Method::POST, &server.url("/"), "")
        };
        let exchange = client.send(request).await;
        let hop = exchange.last();
        assert_eq!(text(&exchange), "got it");
        adds_up(hop);
        assert!(hop.phases.sending >= 40_000_000, "{hop:?}");
        assert_eq!(client.traffic(), server.bytes());
    });
}

#[test]
fn headers_of_the_step_win_over_our_own() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("")), Act::Answer(ok(""))]]).await;
        let mut client = client(|options| options.user_agent = "mine/1".into());
        let named = with_header(
            with_header(get(&server.url("/")), "host", "shop.test"),
            "user-agent",
            "theirs/2",
        );
        client.send(named).await;
        client
            .send(get(&server.url("/").replace("127", "me:secret@127")))
            .await;
        let requests = server.requests();
        assert!(
            requests[0].contains("host: shop.test\r\n")
                && requests[0].contains("user-agent: theirs/2\r\n"),
            "{}",
            requests[0]
        );
        assert!(
            requests[1].contains("user-agent: mine/1\r\n")
                && requests[1].contains("authorization: Basic bWU6c2VjcmV0\r\n"),
            "{}",
            requests[1]
        );
        assert!(!requests[1].contains("me:secret"));
    });
}

#[test]
fn a_user_agent_that_is_no_header_is_refused() {
    let options = ClientConfigOptions {
        user_agent: "a\nb".into(),
        ..Default::default()
    };
    let error = Shared::new(options).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"user agent "a\nb" cannot be sent as a header: use visible ASCII characters only"#
    );
}

#[test]
fn without_reuse_every_request_has_a_connection_of_its_own() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("1"))], vec![Act::Answer(ok("2"))]]).await;
        let mut client = client(|options| options.no_connection_reuse = true);
        for expected in ["1", "2"] {
            assert_eq!(text(&client.send(get(&server.url("/"))).await), expected);
        }
        assert_eq!(server.connections(), 2);
        assert!(server.requests()[0].contains("connection: close\r\n"));
    });
}

#[test]
fn closed_connections_are_opened_again() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("1"))], vec![Act::Answer(ok("2"))]]).await;
        let mut client = client(|_| {});
        client.send(get(&server.url("/"))).await;
        client.close_connections();
        let second = client.send(get(&server.url("/"))).await;
        assert_eq!((text(&second), server.connections()), ("2", 2));
        assert!(second.last().phases.connecting > 0 && !second.last().resent);
    });
}

#[test]
fn a_body_that_is_not_wanted_is_read_and_dropped() {
    on_worker(async {
        let server = serve(vec![vec![
            Act::Answer(ok(&"x".repeat(300_000))),
            Act::Answer(ok("next")),
        ]])
        .await;
        let mut client = client(|_| {});
        let first = client
            .send(Request {
                keep_body: false,
                ..get(&server.url("/"))
            })
            .await;
        assert_eq!((status(&first), first.body.len()), (200, 0));
        assert_eq!(text(&client.send(get(&server.url("/"))).await), "next");
        assert_eq!(server.connections(), 1);
        assert_eq!(client.traffic(), server.bytes());
    });
}

#[test]
fn bodies_come_whole_however_they_are_framed() {
    on_worker(async {
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let until_close = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
        let long = "y".repeat(200_000);
        let script = vec![
            Act::Answer(chunked.into()),
            Act::Answer(ok(&long)),
            Act::Answer(response("204 No Content", "", "")),
            Act::AnswerThenClose(until_close.into()),
        ];
        let server = serve(vec![script]).await;
        let mut client = client(|_| {});
        for expected in ["abcde", &long, "", "until the end"] {
            let exchange = client.send(get(&server.url("/"))).await;
            assert_eq!(text(&exchange), expected);
            assert_eq!(exchange.last().failure, None);
            adds_up(exchange.last());
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(client.traffic(), server.bytes());
    });
}

#[test]
fn a_head_request_has_no_body_to_wait_for() {
    on_worker(async {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
        let server = serve(vec![vec![
            Act::Answer(head.into()),
            Act::Answer(ok("next")),
        ]])
        .await;
        let mut client = client(|_| {});
        assert_eq!(
            status(&client.send(ask(Method::HEAD, &server.url("/"), "")).await),
            200
        );
        assert_eq!(text(&client.send(get(&server.url("/"))).await), "next");
        assert_eq!(server.connections(), 1);
    });
}
