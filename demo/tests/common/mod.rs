//! A demo on a free port and a bare HTTP/1.1 client, so that a test sees what is on the wire.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use throng_demo::{Options, Running, ServiceTime, ServiceTimes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A service time that is the same for every request.
pub(crate) fn exactly(time: Duration) -> ServiceTimes {
    let time = ServiceTime {
        median: time,
        sigma: 0.0,
    };
    ServiceTimes {
        token: time,
        schedules: time,
        seats: time,
        reservation: time,
        payment: time,
    }
}

/// The default service without its delays and chance failures: small, and the same each time.
pub(crate) fn quick() -> Options {
    Options {
        concerts: 2,
        schedules: 2,
        seats: 3,
        users: 200,
        service: exactly(Duration::ZERO),
        failure_rate: 0.0,
        lock_timeout: Duration::ZERO,
        drain: Duration::from_millis(100),
        ..Options::default()
    }
}

/// Options that never answer: one connection, an hour's work.
pub(crate) fn stuck() -> Options {
    Options {
        connections: 1,
        service: exactly(Duration::from_secs(3_600)),
        ..quick()
    }
}

pub(crate) async fn start(options: Options) -> Running {
    throng_demo::start(([127, 0, 0, 1], 0).into(), options)
        .await
        .unwrap()
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) token: Option<String>,
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            token: None,
        }
    }

    /// A connection of a user with a token.
    pub(crate) async fn of(user: u64, address: SocketAddr) -> Self {
        let mut client = Self::to(address).await;
        let (status, body) = client.token(user).await;
        assert_eq!(status, 200, "{body}");
        client.token = Some(body["token"].as_str().unwrap().to_owned());
        client
    }

    pub(crate) async fn token(&mut self, user: u64) -> (u16, Value) {
        self.raw(
            "GET",
            "/api/waiting-queue/position",
            &[("user-id", &user.to_string())],
            "",
        )
        .await
    }

    pub(crate) async fn get(&mut self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl ToString) -> (u16, Value) {
        self.ask("POST", path, &body.to_string()).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let token = self.token.clone();
        let headers: Vec<_> = token
            .iter()
            .map(|token| ("Token", token.as_str()))
            .collect();
        self.raw(method, path, &headers, body).await
    }

    /// The status and the body, which must be JSON.
    pub(crate) async fn raw(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        self.send(method, path, headers, body).await;
        let mut seen = Vec::new();
        let head = loop {
            if let Some(at) = seen.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(
                self.stream.read_buf(&mut seen).await.unwrap(),
                0,
                "closed before the answer"
            );
        };
        let text = String::from_utf8(seen[..head].to_vec())
            .unwrap()
            .to_lowercase();
        let length: usize = text
            .split("content-length: ")
            .nth(1)
            .unwrap()
            .split('\r')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(text.contains("content-type: application/json"), "{text}");
        while seen.len() < head + length {
            assert_ne!(
                self.stream.read_buf(&mut seen).await.unwrap(),
                0,
                "closed within the answer"
            );
        }
        (
            text[9..12].parse().unwrap(),
            serde_json::from_slice(&seen[head..]).unwrap(),
        )
    }

    /// Sends a request and does not wait.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: demo\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }
}

/// Waits until `ready`, for at most ten seconds.
pub(crate) async fn until(what: &str, ready: impl Fn() -> bool) {
    let wait = async {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(done.is_ok(), "not within ten seconds: {what}");
}
