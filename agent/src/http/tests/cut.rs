//! A request whose future is dropped: what it tells afterwards must be what the target saw.

use super::doors::SilentDial;
use super::server::{Act, ok, response, serve};
use super::*;
use std::sync::Arc;

/// Polls `send` for a while and drops it.
async fn cut_after(client: &mut Client, request: Request, time: Duration) {
    let unfinished = tokio::time::timeout(time, client.send(request)).await;
    assert!(unfinished.is_err());
}

#[test]
fn a_request_that_was_written_is_told_as_written() {
    on_worker(async {
        let server = serve(vec![
            vec![Act::Read, Act::Hang],
            vec![Act::Answer(ok("next"))],
        ])
        .await;
        let mut client = client(|_| {});
        cut_after(
            &mut client,
            get(&server.url("/x")),
            Duration::from_millis(30),
        )
        .await;
        let cut = client.take_cut().unwrap();
        assert_eq!(
            (cut.hops.len(), cut.pending.written, server.requests().len()),
            (0, true, 1)
        );
        assert_eq!(
            (
                cut.pending.url.path(),
                cut.pending.failure,
                cut.pending.status
            ),
            ("/x", None, None)
        );
        adds_up(&cut.pending);
        assert!(client.take_cut().is_none());
        // The target sees it hang up, and the client goes on with a new connection.
        server.closed(1).await;
        assert_eq!(text(&client.send(get(&server.url("/"))).await), "next");
        assert!(client.take_cut().is_none());
    });
}

#[test]
fn a_request_that_never_left_is_told_as_unwritten() {
    on_worker(async {
        let mut client = client(|options| options.dial = Arc::new(SilentDial));
        cut_after(
            &mut client,
            get("http://127.0.0.1/"),
            Duration::from_millis(5),
        )
        .await;
        let cut = client.take_cut().unwrap();
        assert!(!cut.pending.written);
        assert_eq!(cut.pending.phases.duration(), 0);
        assert!(cut.pending.phases.connecting > 0);
    });
}

#[test]
fn redirects_that_were_followed_are_not_lost_with_the_rest() {
    on_worker(async {
        let away = response("302 Found", "location: /b\r\n", "");
        let server = serve(vec![vec![Act::Answer(away), Act::Read, Act::Hang]]).await;
        let mut client = client(|_| {});
        cut_after(
            &mut client,
            get(&server.url("/a")),
            Duration::from_millis(30),
        )
        .await;
        let cut = client.take_cut().unwrap();
        assert_eq!(
            cut.hops
                .iter()
                .map(|hop| hop.url.path())
                .collect::<Vec<_>>(),
            ["/a"]
        );
        assert_eq!((cut.pending.url.path(), cut.pending.written), ("/b", true));
        assert_eq!(server.requests().len(), cut.hops.len() + 1);
    });
}

#[test]
fn the_bytes_of_a_cut_request_are_counted() {
    on_worker(async {
        let server = serve(vec![vec![Act::Read, Act::Hang]]).await;
        let mut client = client(|_| {});
        cut_after(
            &mut client,
            get(&server.url("/")),
            Duration::from_millis(30),
        )
        .await;
        server.closed(1).await;
        assert_eq!(client.traffic(), server.bytes());
    });
}
