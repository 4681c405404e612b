//! The servers: nginx with one worker, and `throng demo --fast`. Each counts its own requests, so that what a request costs
//! does not depend on what a client says of itself.

use super::clock::now;
use super::process::Process;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What nginx answers: about as much as the demo's token.
const ANSWER: &str = r#"{"token":"0123456789abcdef0123456789abcdef"}"#;

/// What a server has served, by its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    /// Of them, answered with anything but 200 (nginx does not say).
    pub(crate) failed: u64,
}

/// Reads nginx's status page: the line of three numbers is accepted, handled, requests.
fn of_status(page: &str) -> Option<Served> {
    let requests = page.lines().find_map(|line| {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        numbers.ok().filter(|numbers| numbers.len() == 3)?.pop()
    })?;
    Some(Served {
        requests,
        failed: 0,
    })
}

/// Reads the demo's ledger.
fn of_ledger(page: &str) -> Option<Served> {
    let ledger: serde_json::Value = serde_json::from_str(page).ok()?;
    let statuses = ledger
        .get("routes")?
        .as_object()?
        .values()
        .filter_map(serde_json::Value::as_object)
        .flatten();
    let failed = statuses
        .filter(|(status, _)| *status != "200")
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    Some(Served {
        requests: ledger.get("requests")?.as_u64()?,
        failed,
    })
}

/// A running server.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// What a bare GET asks for.
    pub(crate) path: &'static str,
    pub(crate) process: Process,
    count: fn(&str) -> Option<Served>,
    counter: &'static str,
    directory: Option<PathBuf>,
}

impl Target {
    /// nginx, without logs, with one process and connections that stay.
    pub(crate) fn nginx(program: &Path, core: usize) -> io::Result<Self> {
        let port = free_port()?;
        let directory =
            std::env::temp_dir().join(format!("throng-bench-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let place = directory.display();
        let config = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/errors;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;\n\
             client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n\
             server {{ listen 127.0.0.1:{port}; default_type application/json;\n\
             location = /count {{ stub_status; }}\n    location / {{ return 200 '{ANSWER}'; }} }}\n}}\n"
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, config)?;
        let process = Process::start(
            Command::new(program)
                .arg("-p")
                .arg(&directory)
                .arg("-c")
                .arg(&file)
                .args(["-e", "stderr"]),
            core,
        )?;
        Self {
            name: "nginx",
            port,
            path: "/",
            process,
            count: of_status,
            counter: "/count",
            directory: Some(directory),
        }
        .ready()
    }

    /// `throng demo --fast` with one worker.
    pub(crate) fn demo(throng: &Path, core: usize) -> io::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(throng);
        command
            .args(["demo", "--fast", "--workers", "1", "--listen"])
            .arg(format!("127.0.0.1:{port}"));
        let process = Process::start(&mut command, core)?;
        Self {
            name: "demo --fast",
            port,
            path: "/api/waiting-queue/position",
            process,
            count: of_ledger,
            counter: "/ledger",
            directory: None,
        }
        .ready()
    }

    fn ready(mut self) -> io::Result<Self> {
        let began = now();
        loop {
            match self.served() {
                Ok(_) => return Ok(self),
                Err(error) if began.elapsed() > Duration::from_secs(5) => {
                    return Err(io::Error::other(format!(
                        "{} does not answer on port {}: {error}",
                        self.name, self.port
                    )));
                }
                Err(_) => {
                    self.process
                        .still_runs()
                        .map_err(|error| io::Error::other(format!("{}: {error}", self.name)))?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// What it has served so far.
    pub(crate) fn served(&self) -> io::Result<Served> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            self.counter
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let (_, body) = page.split_once("\r\n\r\n").ok_or_else(|| {
            io::Error::other(format!("no answer to GET {}: {page:?}", self.counter))
        })?;
        (self.count)(body)
            .ok_or_else(|| io::Error::other(format!("GET {} has no count: {body:?}", self.counter)))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            // Left-overs of a temporary directory harm nobody.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_count_their_requests() {
        let page = "Active connections: 1 \nserver accepts handled requests\n 16 17 31 \nReading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(
            of_status(page),
            Some(Served {
                requests: 31,
                failed: 0
            })
        );
        let ledger = r#"{"requests": 9, "routes": {"GET /a": {"200": 5, "401": 1}, "POST /b": {"409": 3}}, "seats_sold": 1}"#;
        assert_eq!(
            of_ledger(ledger),
            Some(Served {
                requests: 9,
                failed: 4
            })
        );
        assert_eq!(of_ledger("{}"), None);
    }
}
