//! Processes for tests: started with nothing of this environment, ended with the test, and told apart by what they print.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest that any one thing in a test may take. It bounds a hang; nothing waits for it otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, without this environment's variables.
pub(crate) fn throng(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command
        .args(arguments)
        .env_clear()
        .env("TERM", "dumb")
        .env("THRONG_SPOOL", "none")
        // Tests that keep runs name a directory of their own.
        .env("THRONG_NO_RUNS", "true")
        // Tests of the page say where it is.
        .env("THRONG_NO_WEB", "true")
        .stdin(Stdio::null());
    command
}

/// The program, with files of at most so many blocks.
fn cramped(blocks: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command
        .args(["-c", &limited, env!("CARGO_BIN_EXE_throng")])
        .args(arguments)
        .env_clear();
    command
}

/// What a finished program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Fails unless the run went as planned. On a machine that is busy with other things throng may find its own lateness too great,
    /// and says so with 121: these tests hold counts against counts, which must agree all the same.
    #[track_caller]
    pub(crate) fn ran(&self) {
        assert!(
            matches!(self.code, 0 | 121),
            "{}\n{}\n{}",
            self.code,
            self.err,
            self.out
        );
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Said {
    said(&throng(arguments).output().unwrap())
}

pub(crate) fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program that goes on until it is dropped.
#[derive(Debug)]
pub(crate) struct Standing {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Standing {
    /// Starts it; its stderr is read line by line.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The first line of stderr for which `wanted` finds something.
    pub(crate) fn until<T>(&self, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return found;
                    }
                    seen.push(line);
                }
                Err(error) => panic!("{error} after these lines:\n{}", seen.join("\n")),
            }
        }
    }

    /// Where it listens, from its JSON log.
    pub(crate) fn address(&self) -> SocketAddr {
        self.until(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["fields"]["address"].as_str()?.parse().ok()
        })
    }

    /// Sends SIGINT.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Sends a signal, by its name: `-KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// True when it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; gives its code, stdout and the rest of stderr.
    pub(crate) fn end(mut self) -> Said {
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let err: Vec<String> = self.lines.iter().collect();
        Said {
            code,
            out,
            err: err.join("\n"),
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Ended already, or to be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A demo service that answers as quickly as it can.
pub(crate) struct Demo {
    _process: Standing,
    pub(crate) address: SocketAddr,
}

impl Demo {
    pub(crate) fn fast() -> Self {
        let process = Standing::start(throng(&[
            "demo",
            "--fast",
            "--workers",
            "1",
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]));
        let address = process.address();
        Self {
            _process: process,
            address,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What truly happened.
    pub(crate) fn ledger(&self) -> Value {
        get(self.address, "/ledger")
    }
}

/// A standing controller on a free port of the loopback.
pub(crate) struct Controller {
    _process: Standing,
    pub(crate) url: String,
}

impl Controller {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more flags.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        let mut arguments = vec!["controller", "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        Self::of(throng(&arguments))
    }

    /// One that keeps its runs in this directory; at the URL of an earlier one, or on a free port.
    pub(crate) fn keeping(runs: &str, again: Option<&str>) -> Self {
        Self::keeping_with(runs, again, &[])
    }

    /// The same, with more flags.
    pub(crate) fn keeping_with(runs: &str, again: Option<&str>, more: &[&str]) -> Self {
        let listen = again.map_or("127.0.0.1:0", |url| url.trim_start_matches("http://"));
        let mut arguments = vec!["controller", "--listen", listen, "--runs", runs];
        arguments.extend(more);
        Self::of(throng(&arguments))
    }

    /// One whose files may not grow beyond a few ten KiB each, as on a disk that fills up.
    pub(crate) fn cramped(runs: &str) -> Self {
        let flags = ["--listen", "127.0.0.1:0", "--runs", runs, "--no-web"];
        Self::of(cramped(40, &[&["controller"][..], &flags].concat()))
    }

    /// An agent whose files may not grow beyond a few KiB each.
    pub(crate) fn cramped_agent(&self, name: &str, spool: &str) -> Standing {
        let named = ["agent", "--controller", &self.url, "--name", name];
        let flags = ["--workers", "1", "--spool", spool, "--log-format", "json"];
        Standing::start(cramped(8, &[&named[..], &flags].concat()))
    }

    fn of(mut command: Command) -> Self {
        command.args(["--log-format", "json"]);
        let process = Standing::start(command);
        let url = format!("http://{}", process.address());
        Self {
            _process: process,
            url,
        }
    }

    /// An agent of its fleet.
    pub(crate) fn agent(&self, name: &str) -> Standing {
        self.agent_with(name, &[])
    }

    /// An agent with more flags.
    pub(crate) fn agent_with(&self, name: &str, more: &[&str]) -> Standing {
        let mut arguments = vec![
            "agent",
            "--controller",
            &self.url,
            "--name",
            name,
            "--workers",
            "1",
            "--log-format",
            "json",
        ];
        arguments.extend(more);
        Standing::start(throng(&arguments))
    }
}

/// Waits until something that others do has come about.
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
pub(crate) fn wait_for(mut there: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !there() {
        assert!(
            begun.elapsed() < PATIENCE,
            "nothing came about within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A JSON document from `http://address path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).unwrap()
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("throng-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.file(name)
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.0.join(name)).unwrap()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> String {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .join(path)
        .display()
        .to_string()
}
