//! Doors that a test hands in, and the DNS cache behind one of them.

use super::server::{Act, ok, serve};
use super::*;
use crate::http::resolve::Names;
use crate::http::{Dial, LocalFuture, Resolve, Stream, TcpDial};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fails with an error number.
pub(super) struct FailingDial(pub(super) i32);

impl Dial for FailingDial {
    fn dial(&self, _: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async { Err(io::Error::from_raw_os_error(self.0)) })
    }
}

/// Never answers.
pub(super) struct SilentDial;

impl Dial for SilentDial {
    fn dial(&self, _: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(std::future::pending())
    }
}

/// Knows no name.
pub(super) struct NoSuchName;

impl Resolve for NoSuchName {
    fn resolve<'a>(&'a self, _: &'a str) -> LocalFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Err(io::Error::other("Name or service not known")) })
    }
}

/// Gives these addresses after a while, and counts how often it was asked.
pub(super) struct Book {
    addresses: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Book {
    pub(super) fn new(addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        Arc::new(Self {
            addresses,
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Resolve for Book {
    fn resolve<'a>(&'a self, _: &'a str) -> LocalFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(self.addresses.clone())
        })
    }
}

async fn order(names: &Names) -> Vec<String> {
    names
        .lookup("shop.test")
        .await
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn many_ask_and_one_question_is_put() {
    on_worker(async {
        let book = Book::new(&["127.0.0.1"]);
        let names = std::rc::Rc::new(Names::new(
            Arc::<Book>::clone(&book),
            Some(Duration::from_secs(300)),
        ));
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let names = std::rc::Rc::clone(&names);
                tokio::task::spawn_local(async move { order(&names).await })
            })
            .collect();
        // The one who asks is cut in the middle: the next in line asks.
        tokio::task::yield_now().await;
        waiting[0].abort();
        for task in waiting.into_iter().skip(1) {
            assert_eq!(task.await.unwrap(), ["127.0.0.1"]);
        }
        assert_eq!(book.asked(), 2);
    });
}

#[test]
fn addresses_take_turns_and_ipv4_comes_first() {
    on_worker(async {
        let book = Book::new(&["::1", "10.0.0.1", "10.0.0.2", "10.0.0.1", "::2"]);
        let names = Names::new(book, None);
        assert_eq!(order(&names).await, ["10.0.0.1", "10.0.0.2", "::1", "::2"]);
        assert_eq!(order(&names).await, ["10.0.0.2", "10.0.0.1", "::1", "::2"]);
        assert_eq!(order(&names).await, ["10.0.0.1", "10.0.0.2", "::1", "::2"]);
    });
}

#[test]
fn an_answer_holds_for_its_time() {
    on_worker(async {
        for (ttl, asked) in [
            (None, 1),
            (Some(Duration::from_secs(300)), 1),
            (Some(Duration::ZERO), 3),
            (Some(Duration::from_nanos(1)), 3),
        ] {
            let book = Book::new(&["127.0.0.1"]);
            let names = Names::new(Arc::<Book>::clone(&book), ttl);
            for _ in 0..3 {
                order(&names).await;
            }
            assert_eq!(book.asked(), asked, "{ttl:?}");
        }
        let names = Names::new(Book::new(&["10.9.9.9"]), None);
        for (literal, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
            assert_eq!(
                names.lookup(literal).await.unwrap(),
                [address.parse::<IpAddr>().unwrap()]
            );
        }
    });
}

#[test]
fn no_address_is_no_answer_and_is_not_asked_for_again_at_once() {
    on_worker(async {
        let book = Book::new(&[]);
        let names = Names::new(Arc::<Book>::clone(&book), None);
        for _ in 0..3 {
            let fault = names.lookup("shop.test").await.unwrap_err();
            assert_eq!(
                (fault.failure, fault.detail.as_str()),
                (crate::http::Failure::Dns, "shop.test has no address")
            );
        }
        assert_eq!(book.asked(), 1);
    });
}

/// Refuses all addresses but one.
struct OneOf(IpAddr);

impl Dial for OneOf {
    fn dial(&self, to: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Stream>>> {
        if to.ip() == self.0 {
            return TcpDial.dial(to);
        }
        Box::pin(async { Err(io::Error::from_raw_os_error(libc::ECONNREFUSED)) })
    }
}

#[test]
fn the_next_address_is_tried_when_one_fails() {
    on_worker(async {
        let server = serve(vec![vec![Act::Answer(ok("found"))]]).await;
        let mut client = client(|options| {
            options.resolve = Book::new(&["127.0.0.9", "127.0.0.1", "::1"]);
            options.dial = Arc::new(OneOf("127.0.0.1".parse().unwrap()));
        });
        let exchange = client
            .send(get(&format!("http://shop.test:{}/", server.port)))
            .await;
        assert_eq!(text(&exchange), "found");
        assert!(server.requests()[0].contains(&format!("host: shop.test:{}\r\n", server.port)));
    });
}
