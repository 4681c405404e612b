//! Redirects as k6 follows them.

use super::server::{Act, ok, response, serve};
use super::*;
use crate::http::Failure;

fn to(status: u16, location: &str) -> Act {
    Act::Answer(response(
        &format!("{status} Elsewhere"),
        &format!("location: {location}\r\n"),
        "moved",
    ))
}

#[test]
fn the_method_and_the_body_go_on_as_the_status_says() {
    for (status, method, next, body_goes_on) in [
        (301, Method::GET, "GET", false),
        (301, Method::POST, "GET", false),
        (302, Method::POST, "GET", false),
        (302, Method::PUT, "GET", false),
        (303, Method::DELETE, "GET", false),
        (301, Method::HEAD, "HEAD", false),
        (303, Method::HEAD, "HEAD", false),
        (307, Method::POST, "POST", true),
        (308, Method::PUT, "PUT", true),
        (307, Method::GET, "GET", true),
    ] {
        on_worker(async {
            let case = format!("{status} {method}");
            let server = serve(vec![vec![
                if method == Method::HEAD {
                    Act::Answer(format!("HTTP/1.1 {status} x\r\nlocation: /b\r\n\r\n"))
                } else {
                    to(status, "/b")
                },
                Act::Answer(ok("")),
            ]])
            .await;
            let request = with_header(
                ask(method.clone(), &server.url("/a"), "payload"),
                "content-type",
                "text/plain",
            );
            let exchange = client(|_| {}).send(request).await;
            assert_eq!(
                exchange
                    .hops
                    .iter()
                    .map(|hop| hop.status.map_or(0, |status| status.as_u16()))
                    .collect::<Vec<_>>(),
                [status, 200],
                "{case}"
            );
            exchange.hops.iter().for_each(adds_up);
            let second = &server.requests()[1];
            assert!(
                second.starts_with(&format!("{next} /b HTTP/1.1\r\n")),
                "{case}: {second}"
            );
            assert_eq!(
                second.ends_with("payload"),
                body_goes_on,
                "{case}: {second}"
            );
            assert_eq!(
                second.contains("content-type"),
                body_goes_on,
                "{case}: {second}"
            );
            assert!(
                second.contains(&format!("referer: {}\r\n", server.url("/a"))),
                "{case}: {second}"
            );
            assert_eq!(
                (exchange.last().method.as_str(), server.connections()),
                (next, 1),
                "{case}"
            );
        });
    }
}

#[test]
fn a_location_is_read_from_where_it_was_found() {
    for (location, path) in [
        ("c", "/a/c"),
        ("../c?d#e", "/c?d"),
        ("/c", "/c"),
        ("?q=1", "/a/b?q=1"),
        ("http://127.0.0.1:PORT/x", "/x"),
        ("//127.0.0.1:PORT/y", "/y"),
    ] {
        on_worker(async {
            let server = serve(vec![vec![to(302, location), Act::Answer(ok(""))]]).await;
            let exchange = client(|_| {}).send(get(&server.url("/a/b"))).await;
            assert_eq!(status(&exchange), 200, "{location}");
            assert!(
                server.requests()[1].starts_with(&format!("GET {path} HTTP/1.1\r\n")),
                "{location}: {}",
                server.requests()[1]
            );
        });
    }
}

#[test]
fn beyond_the_most_the_redirect_itself_is_the_answer() {
    for most in [0, 1, 3] {
        on_worker(async {
            let server = serve(vec![vec![to(302, "/again"); 5]]).await;
            let request = Request {
                max_redirects: most,
                ..get(&server.url("/"))
            };
            let exchange = client(|_| {}).send(request).await;
            assert_eq!(
                (exchange.hops.len(), status(&exchange)),
                (most as usize + 1, 302)
            );
            assert_eq!((exchange.last().failure, text(&exchange)), (None, "moved"));
            assert_eq!(exchange.headers["location"], "/again");
        });
    }
}

#[test]
fn a_redirect_without_a_location_is_an_answer_and_a_bad_one_a_failure() {
    for (location, failure) in [
        ("", None),
        ("location: http://\r\n", Some(Failure::Redirect)),
        ("location: ftp://a.test/\r\n", Some(Failure::Redirect)),
    ] {
        on_worker(async {
            let server = serve(vec![vec![Act::Answer(response("302 Found", location, ""))]]).await;
            let exchange = client(|_| {}).send(get(&server.url("/"))).await;
            assert_eq!(
                (
                    exchange.hops.len(),
                    status(&exchange),
                    exchange.last().failure
                ),
                (1, 302, failure),
                "{location}"
            );
            assert_eq!(server.requests().len(), 1);
        });
    }
}

#[test]
fn secrets_do_not_cross_origins() {
    on_worker(async {
        let other = serve(vec![vec![Act::Answer(ok("there"))]]).await;
        let server = serve(vec![vec![to(302, "/same"), to(302, &other.url("/other"))]]).await;
        let mut request = with_header(get(&server.url("/")), "authorization", "Bearer s3cret");
        request = with_header(
            with_header(request, "cookie", "id=s3cret"),
            "x-plain",
            "kept",
        );
        let exchange = client(|_| {}).send(request).await;
        assert_eq!((text(&exchange), exchange.hops.len()), ("there", 3));
        assert!(
            server.requests()[1].contains("Bearer s3cret")
                && server.requests()[1].contains("id=s3cret")
        );
        let crossed = &other.requests()[0];
        assert!(
            !crossed.contains("s3cret") && crossed.contains("x-plain: kept\r\n"),
            "{crossed}"
        );
        assert!(
            crossed.contains(&format!("host: 127.0.0.1:{}\r\n", other.port)),
            "{crossed}"
        );
    });
}
