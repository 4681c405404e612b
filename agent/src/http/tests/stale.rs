//! The rule for connections that died while they were idle.

use super::server::{Act, ok, response, serve};
use super::*;
use crate::http::Failure;

/// What the server does to the second request of a connection.
fn second(act: Act) -> Vec<Vec<Act>> {
    vec![
        vec![Act::Answer(ok("first")), act],
        vec![Act::Answer(ok("again"))],
    ]
}

#[test]
fn only_what_may_be_repeated_is_sent_again() {
    for act in [Act::ReadThenClose, Act::ReadThenReset] {
        for (method, repeated) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::OPTIONS, true),
            (Method::TRACE, true),
            (Method::PUT, true),
            (Method::DELETE, true),
            (Method::POST, false),
            (Method::PATCH, false),
        ] {
            on_worker(async {
                let case = format!("{method} after {act:?}");
                let server = serve(second(act.clone())).await;
                let mut client = client(|_| {});
                client.send(get(&server.url("/"))).await;
                let exchange = client
                    .send(ask(method.clone(), &server.url("/x"), ""))
                    .await;
                let hop = exchange.last();
                adds_up(hop);
                assert_eq!(exchange.hops.len(), 1);
                if repeated {
                    assert_eq!(
                        (status(&exchange), hop.failure, hop.resent),
                        (200, None, true),
                        "{case}"
                    );
                    assert!(hop.phases.connecting > 0, "{case}");
                    assert_eq!(server.requests().len(), 3, "{case}");
                } else {
                    assert_eq!(
                        (status(&exchange), hop.failure, hop.resent),
                        (0, Some(Failure::Stale), false),
                        "{case}"
                    );
                    assert!(hop.written, "{case}");
                    assert_eq!(server.connections(), 1, "{case}");
                }
            });
        }
    }
}

#[test]
fn a_connection_known_to_be_closed_is_simply_replaced() {
    for goodbye in [
        ok("first"),
        response("200 OK", "connection: close\r\n", "first"),
    ] {
        on_worker(async {
            let server = serve(vec![
                vec![Act::AnswerThenClose(goodbye.clone())],
                vec![Act::Answer(ok("posted"))],
            ])
            .await;
            let mut client = client(|_| {});
            client.send(get(&server.url("/"))).await;
            server.closed(1).await;
            let exchange = client
                .send(ask(Method::POST, &server.url("/"), "body"))
                .await;
            assert_eq!(text(&exchange), "posted");
            assert!(!exchange.last().resent);
        });
    }
}

#[test]
fn what_a_server_says_before_it_hangs_up_is_no_answer_to_the_next_request() {
    on_worker(async {
        let parting = response("408 Request Timeout", "connection: close\r\n", "");
        let first = vec![Act::Answer(ok("first")), Act::Say(parting)];
        let server = serve(vec![first, vec![Act::Answer(ok("posted"))]]).await;
        let mut client = client(|_| {});
        client.send(get(&server.url("/"))).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let exchange = client
            .send(ask(Method::POST, &server.url("/"), "body"))
            .await;
        assert_eq!((status(&exchange), exchange.last().resent), (200, false));
    });
}

#[test]
fn it_is_sent_again_only_once() {
    on_worker(async {
        let server = serve(vec![
            vec![Act::Answer(ok("first")), Act::ReadThenClose],
            vec![Act::ReadThenClose],
            vec![Act::Answer(ok("third"))],
        ])
        .await;
        let mut client = client(|_| {});
        client.send(get(&server.url("/"))).await;
        let exchange = client.send(get(&server.url("/"))).await;
        let hop = exchange.last();
        assert_eq!(
            (hop.failure, hop.resent, server.connections()),
            (Some(Failure::Closed), true, 2)
        );
    });
}

#[test]
fn a_new_connection_is_never_stale() {
    for (act, failure) in [
        (Act::ReadThenClose, Failure::Closed),
        (Act::ReadThenReset, Failure::Reset),
    ] {
        on_worker(async {
            let server = serve(vec![vec![act], vec![Act::Answer(ok("not asked"))]]).await;
            let exchange = client(|_| {}).send(get(&server.url("/"))).await;
            let hop = exchange.last();
            adds_up(hop);
            assert_eq!(
                (hop.failure, hop.resent, hop.written),
                (Some(failure), false, true)
            );
            assert_eq!(server.connections(), 1);
        });
    }
}

#[test]
fn a_response_that_had_begun_is_not_asked_for_again() {
    on_worker(async {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned();
        for (broken, seen) in [(half, 200), ("HTTP/1.1 20".to_owned(), 0)] {
            let server = serve(vec![
                vec![Act::Answer(ok("first")), Act::AnswerThenClose(broken)],
                vec![Act::Answer(ok("not asked"))],
            ])
            .await;
            let mut client = client(|_| {});
            client.send(get(&server.url("/"))).await;
            let exchange = client.send(get(&server.url("/"))).await;
            adds_up(exchange.last());
            assert_eq!(
                (status(&exchange), exchange.last().failure),
                (seen, Some(Failure::Closed))
            );
            assert_eq!((exchange.body.len(), server.connections()), (0, 1));
        }
    });
}
