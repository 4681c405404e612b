//! What an agent will not do, whoever directs it: targets that are not on its list, and more requests than its ceiling.

use super::server::{Act, ok, response, serve};
use super::*;
use crate::http::{Bounds, Ceiling, Failure, LocalFuture, Resolve, Targets, clock, preflight};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// A name server that says something else each time; its last answer stays.
struct Turncoat(Mutex<VecDeque<Vec<IpAddr>>>);

impl Turncoat {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

impl Resolve for Turncoat {
    fn resolve<'a>(&'a self, _: &'a str) -> LocalFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = answers.front().cloned().unwrap();
        if answers.len() > 1 {
            answers.pop_front();
        }
        Box::pin(async { Ok(answer) })
    }
}

fn only(rules: &[String]) -> Bounds {
    let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Bounds {
        targets: Some(Arc::new(Targets::new(rules))),
        ceiling: None,
    }
}

/// A client that asks `names` for every connection, and makes one for every request.
fn bounded(rules: &[String], names: Arc<Turncoat>) -> Client {
    client(|options| {
        options.bounds = only(rules);
        options.resolve = names;
        options.dns_ttl = Some(Duration::ZERO);
        options.no_connection_reuse = true;
    })
}

#[test]
fn a_target_that_is_not_listed_is_not_connected_to() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("in"))]]).await;
        let mut client = client(|options| options.bounds = only(&["10.0.0.0/8".to_owned()]));
        let exchange = client.send(get(&server.url("/"))).await;
        let hop = exchange.last();
        assert_eq!(
            (hop.failure, hop.error_code()),
            (Some(Failure::NotAllowed), 1110)
        );
        assert!(!hop.written);
        assert_eq!(hop.phases.duration(), 0);
        let detail = hop.detail.as_deref().unwrap();
        assert!(detail.contains("--allow-target 10.0.0.0/8"), "{detail}");
        let url = Url::parse(&server.url("/")).unwrap();
        let looked = preflight(&client.shared, &url, Duration::from_secs(5)).await;
        assert_eq!(looked.unwrap_err().0, Failure::NotAllowed);
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn a_redirect_to_a_target_that_is_not_listed_is_not_followed() {
    on_worker(async {
        let inside = serve(vec![vec![Act::Answer(ok("secret"))]]).await;
        let location = format!("location: {}\r\n", inside.url("/"));
        let shop = serve(vec![vec![Act::Answer(response(
            "302 Found",
            &location,
            "",
        ))]])
        .await;
        let mut client =
            client(|options| options.bounds = only(&[format!("127.0.0.1:{}", shop.port)]));
        let exchange = client.send(get(&shop.url("/"))).await;
        let outcomes: Vec<_> = exchange
            .hops
            .iter()
            .map(|hop| (hop.status.is_some(), hop.failure))
            .collect();
        assert_eq!(outcomes, [(true, None), (false, Some(Failure::NotAllowed))]);
        assert_eq!((shop.connections(), inside.connections()), (1, 0));
    });
}

#[test]
fn a_listed_name_that_turns_to_this_host_is_refused() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("secret"))]]).await;
        let url = format!("http://shop.test:{}/", server.port);
        for answer in [
            "127.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
        ] {
            let mut client = bounded(&["shop.test".to_owned()], Turncoat::new(&[&[answer]]));
            let exchange = client.send(get(&url)).await;
            assert_eq!(
                exchange.last().failure,
                Some(Failure::NotAllowed),
                "{answer}"
            );
        }
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn every_connection_is_asked_about_and_only_listed_addresses_are_dialed() {
    on_worker(async {
        let server = serve(vec![vec![Act::AnswerThenClose(ok("in"))]; 2]).await;
        let url = format!("http://shop.test:{}/", server.port);
        let names = Turncoat::new(&[
            &["127.0.0.1"],
            // The first of these would refuse the connection, if it were tried.
            &["127.0.0.2", "127.0.0.1"],
            &["127.0.0.2"],
        ]);
        let mut client = bounded(&["shop.test".to_owned(), "127.0.0.1".to_owned()], names);
        for (connections, failure) in [(1, None), (2, None), (2, Some(Failure::NotAllowed))] {
            let exchange = client.send(get(&url)).await;
            assert_eq!(exchange.last().failure, failure);
            assert_eq!(server.connections(), connections);
        }
    });
}

#[test]
fn beyond_the_ceiling_requests_wait_and_it_is_not_the_targets_time() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("in")); 4]]).await;
        let ceiling = Arc::new(Ceiling::new(2));
        let mut client = client(|options| options.bounds.ceiling = Some(Arc::clone(&ceiling)));
        let began = clock::now();
        let mut held = Duration::ZERO;
        for _ in 0..4 {
            // Far shorter than the wait: it is the target's.
            let request = Request {
                timeout: Duration::from_millis(400),
                ..get(&server.url("/"))
            };
            let exchange = client.send(request).await;
            assert_eq!(status(&exchange), 200);
            adds_up(exchange.last());
            let duration = Duration::from_nanos(exchange.last().phases.duration());
            assert!(duration < Duration::from_millis(400), "{duration:?}");
            held += exchange.held;
        }
        let took = clock::now() - began;
        // Three turns of 500 ms, which may be run ahead of by 50.
        assert!(took >= Duration::from_millis(1450), "{took:?}");
        assert!(held >= Duration::from_millis(700), "{held:?}");
        assert!(ceiling.held() >= 2, "{}", ceiling.held());
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn each_hop_of_a_redirect_takes_a_turn() {
    on_worker(async {
        let moved = || Act::Answer(response("302 Found", "location: /next\r\n", ""));
        let server = serve(vec![vec![moved(), moved(), moved(), Act::Answer(ok(""))]]).await;
        let ceiling = Arc::new(Ceiling::new(20));
        let mut client = client(|options| options.bounds.ceiling = Some(Arc::clone(&ceiling)));
        let began = clock::now();
        let exchange = client.send(get(&server.url("/"))).await;
        assert_eq!((exchange.hops.len(), status(&exchange)), (4, 200));
        exchange.hops.iter().for_each(adds_up);
        assert!(clock::now() - began >= Duration::from_millis(100));
    });
}
