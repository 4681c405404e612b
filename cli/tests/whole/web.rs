//! The web page of the real program, as a browser without a screen sees it.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Demo, Folder, PATIENCE, Standing, run, said, throng, wait_for};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Two virtual users, for as long as a test may take.
const LONG: &str = "
scenarios: { main: { executor: constant-vus, vus: 2, duration: 10m, gracefulStop: 5s } }
flows: { default: [ { get: /api/concerts }, { sleep: 100ms } ] }
";

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// A browser on one page.
struct Browser {
    /// `127.0.0.1:PORT`.
    host: String,
    tls: Option<Arc<ClientConfig>>,
    csrf: String,
    cookie: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Browser {
    /// Opens the page whose address a process tells.
    fn open(process: &Standing, state: Option<&Folder>) -> Self {
        let url = process.until(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line["fields"]["url"].as_str()?.to_owned())
        });
        Self::at(&url, state)
    }

    /// Opens the page; over TLS it believes the CA of this state directory.
    fn at(url: &str, state: Option<&Folder>) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        assert_eq!(scheme == "https", state.is_some(), "{url}");
        let tls = state.map(|state| {
            let mut roots = RootCertStore::empty();
            let pem = std::fs::read(state.file("state/throng/authority.pem")).unwrap();
            roots
                .add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap())
                .unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap();
            Arc::new(config.with_root_certificates(roots).with_no_client_auth())
        });
        let mut browser = Self {
            host: rest.trim_end_matches('/').to_owned(),
            tls,
            csrf: String::new(),
            cookie: String::new(),
        };
        browser.refresh();
        browser
    }

    fn refresh(&mut self) -> Value {
        let session = self.get("/api/session").json();
        session["csrf"].as_str().unwrap().clone_into(&mut self.csrf);
        session
    }

    fn connect(&self) -> Box<dyn Both> {
        let stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                // The address itself stands in the certificate.
                let name = self.host.split(':').next().unwrap().to_owned();
                let name = ServerName::try_from(name).unwrap();
                let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
                Box::new(StreamOwned::new(connection, stream))
            }
        }
    }

    /// A request, as far as its head; the body is still to be read.
    fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> BufReader<Box<dyn Both>> {
        let mut stream = self.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\nX-Throng-CSRF: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
            self.host,
            self.cookie,
            self.csrf,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.flush().unwrap();
        BufReader::new(stream)
    }

    fn send(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut answer = String::new();
        self.ask(method, path, more, body)
            .read_to_string(&mut answer)
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "", &body.to_string())
    }

    /// Signs in, and stays so.
    fn login(&mut self, token: &str) -> Answer {
        let answer = self.post("/api/login", &json!({ "token": token, "name": "ada" }));
        if answer.status == 200 {
            let cookie = answer.head.split("set-cookie: ").nth(1).unwrap();
            cookie
                .split(';')
                .next()
                .unwrap()
                .clone_into(&mut self.cookie);
            self.refresh();
        }
        answer
    }

    /// A run's events.
    fn watch(&self, run: &str) -> Events {
        let path = format!("/api/runs/{run}/events");
        Events(self.ask("GET", &path, "", "").lines())
    }

    /// Starts this on a fleet of one.
    fn start(&self, source: &str, demo: &Demo) -> String {
        let wanted = json!({ "name": "test.yaml", "source": source, "base_url": demo.url(), "env": {}, "expect_agents": 1 });
        let started = self.post("/api/runs", &wanted);
        assert_eq!(started.status, 201, "{}", started.body);
        started.json()["run"].as_str().unwrap().to_owned()
    }
}

/// A stream of events.
struct Events(std::io::Lines<BufReader<Box<dyn Both>>>);

impl Events {
    /// The next event; `None` when the stream has ended.
    fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        for line in self.0.by_ref().map_while(Result::ok) {
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
        None
    }

    /// The data of the first event like this.
    fn until(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        let mut seen = Vec::new();
        while let Some((name, data)) = self.next() {
            if wanted(&name, &data) {
                return data;
            }
            seen.push(name);
        }
        panic!("the stream ended after {seen:?}")
    }
}

fn controller(more: &[&str]) -> Standing {
    let mut arguments = vec![
        "controller",
        "--listen",
        "127.0.0.1:0",
        "--web",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    arguments.extend(more);
    Standing::start(throng(&arguments))
}

fn agent(address: std::net::SocketAddr) -> Standing {
    let url = format!("http://{address}");
    let name = [
        "agent",
        "--controller",
        &url,
        "--name",
        "one",
        "--workers",
        "1",
        "--log-format",
        "json",
    ];
    Standing::start(throng(&name))
}

#[test]
fn a_run_is_started_watched_changed_and_stopped_on_the_page() {
    let demo = Demo::fast();
    let mut standing = controller(&[]);
    let _agent = agent(standing.address());
    let browser = Browser::open(&standing, None);
    assert!(browser.get("/").body.contains("<!doctype html>"));
    wait_for(|| browser.get("/api/agents").json()[0]["name"] == "one");
    let run = browser.start(LONG, &demo);
    let mut events = browser.watch(&run);
    let mut second = browser.watch(&run);
    events.until(|name, data| name == "state" && data["state"] == "load");
    let early = browser.get(&format!("/api/runs/{run}/report.json"));
    assert_eq!(early.status, 409, "{}", early.body);

    let path = |verb: &str| format!("/api/runs/{run}/{verb}");
    wait_for(|| demo.ledger()["requests"].as_u64().unwrap() > 20);
    for (verb, body) in [
        ("pause", json!({ "max_ms": 600_000 })),
        ("resume", json!({})),
        ("scale", json!({ "factor": 1.5 })),
        ("annotate", json!({ "text": "a note of mine" })),
    ] {
        let done = browser.post(&path(verb), &body);
        assert_eq!(done.status, 200, "{verb}: {}", done.body);
        assert!(
            done.json()["from_ms"].as_f64().unwrap() > 0.0,
            "{}",
            done.body
        );
    }
    events.until(|name, data| {
        name == "view"
            && data["agents"][0]["name"] == "one"
            && data["whole"]["requests"].as_u64() > Some(0)
    });
    events.until(|name, data| {
        name == "seconds" && data["points"][0]["span"]["p95_ms"].as_f64() > Some(0.0)
    });
    let stopped = browser.post(&path("stop"), &json!({ "mode": "graceful" }));
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    let over = events.until(|name, _| name == "over");
    assert_eq!(events.next(), None, "the stream ends with the run");
    assert_eq!(second.until(|name, _| name == "over"), over);
    let report = &over["report"];
    assert_eq!(report["run"]["id"], run.as_str(), "{report}");
    let told = browser.get(&path("report.json"));
    assert_eq!(
        told.json(),
        *report,
        "the download is what the page was told"
    );
    let text = browser.get(&path("report.txt"));
    assert!(text.head.contains("attachment; filename="), "{}", text.head);
    for part in [
        "http_req_duration",
        "paused by the web page",
        "scaled",
        "a note of mine",
    ] {
        assert!(text.body.contains(part), "{part}: {}", text.body);
    }
    let runs = browser.get("/api/runs").json();
    assert_eq!(runs[0]["run"], run.as_str());
    assert_eq!(runs[0]["state"], "over");
    assert_eq!(runs[0]["exit_code"], over["exit_code"]);
    standing.interrupt();
    wait_for(|| standing.ended());
}

#[test]
fn what_does_not_compile_or_comes_from_elsewhere_is_refused() {
    let standing = controller(&[]);
    let browser = Browser::open(&standing, None);
    let bad = browser.post("/api/runs", &json!({ "source": "scenarios: 5\n" }));
    assert_eq!(bad.status, 422);
    let told = bad.json()["error"].as_str().unwrap().to_owned();
    assert!(
        told.contains("web.yaml:1:12") && told.contains("2 errors"),
        "{told}"
    );
    let file = json!({ "source": "data: { u: { csv: u.csv } }\nflows: { default: [{ get: / }] }" });
    let file = browser.post("/api/runs", &file);
    assert!(
        file.status == 422 && file.body.contains("throng run FILE"),
        "{}",
        file.body
    );
    // A variable of the controller's own environment is not the scenario's.
    let home = json!({ "source": "flows: { default: [{ get: \"${TERM}\" }] }" });
    let home = browser.post("/api/runs", &home);
    assert_eq!(home.status, 422, "{}", home.body);
    assert!(!home.body.contains("dumb"), "{}", home.body);
    for (more, status) in [
        ("Origin: http://evil.test\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let foreign = browser.send("POST", "/api/runs", more, "{}");
        assert_eq!(foreign.status, status, "{more}");
    }
    let named = Browser {
        host: browser.host.clone(),
        tls: None,
        csrf: "guess".into(),
        cookie: String::new(),
    };
    assert_eq!(
        named.post("/api/runs", &json!({ "source": "x" })).status,
        403
    );
    assert_eq!(browser.get("/api/runs").json(), json!([]));
}

#[test]
fn a_page_beside_tls_asks_who_comes() {
    let folder = Folder::new("web-tls");
    let in_folder = |arguments: &[&str]| {
        let mut command = throng(arguments);
        command.env("XDG_STATE_HOME", folder.file("state"));
        command
    };
    let token = |role: &str| {
        let made = in_folder(&["token", "create", "--role", role]).output();
        let made = said(&made.unwrap());
        assert_eq!(made.code, 0, "{}", made.err);
        made.out.trim().to_owned()
    };
    let (operators, agents) = (token("operator"), token("agent"));
    let standing = Standing::start(in_folder(&[
        "controller",
        "--listen",
        "127.0.0.1:0",
        "--tls",
        "--no-token",
        "--web",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]));
    let mut browser = Browser::open(&standing, Some(&folder));
    let session = browser.refresh();
    assert_eq!(
        (&session["login"], &session["signed_in"]),
        (&json!(true), &json!(false))
    );
    assert!(browser.get("/").status == 200 && browser.get("/api/runs").status == 401);
    let wrong = browser.login(&agents);
    assert!(
        wrong.status == 401 && wrong.body.contains("is for an agent"),
        "{}",
        wrong.body
    );
    assert_eq!(browser.login(&operators).status, 200);
    assert!(
        browser.cookie.starts_with("__Host-throng_session="),
        "{}",
        browser.cookie
    );
    assert_eq!(browser.refresh()["who"], "ada");
    assert_eq!(browser.get("/api/runs").status, 200);
    let again = Browser::at(&format!("https://{}/", browser.host), Some(&folder)).login(&operators);
    assert!(
        again.status == 401 && again.body.contains("(1×)"),
        "a login is a use: {}",
        again.body
    );
    // An agent's certificate is asked for nowhere on the page; a revoked token ends its session.
    let list = said(&in_folder(&["token", "list"]).output().unwrap());
    let line = list
        .out
        .lines()
        .find(|line| line.contains("operator"))
        .unwrap();
    let id = line.split_whitespace().next().unwrap();
    let revoked = said(&in_folder(&["token", "revoke", id]).output().unwrap());
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert_eq!(browser.get("/api/runs").status, 401);
}

#[test]
fn a_single_run_has_a_page_while_it_lasts() {
    let demo = Demo::fast();
    let folder = Folder::new("web-run");
    let scenario = folder.write("long.yaml", LONG);
    let running = Standing::start(throng(&[
        "run",
        &scenario,
        "--base-url",
        &demo.url(),
        "--web",
        "127.0.0.1:0",
    ]));
    let url = running.until(|line| {
        Some(
            line.split_once("web page, until the run is over: ")?
                .1
                .to_owned(),
        )
    });
    let browser = Browser::at(&url, None);
    wait_for(|| browser.get("/api/runs").json()[0]["run"].is_string());
    let run = browser.get("/api/runs").json()[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut events = browser.watch(&run);
    events.until(|name, data| name == "state" && data["state"] == "load");
    // The end of the process cuts no stream before its run is over.
    running.interrupt();
    let over = events.until(|name, _| name == "over");
    assert_eq!(over["exit_code"], 105);
    assert_eq!(running.end().code, 105);
}

#[test]
fn a_page_may_stay_after_its_run() {
    let demo = Demo::fast();
    let running = Standing::start(throng(&[
        "run",
        &demo.url(),
        "-i",
        "3",
        "--web",
        "127.0.0.1:0",
        "--web-stay",
    ]));
    let url = running.until(|line| {
        Some(
            line.split_once("web page, until Ctrl-C after the report: ")?
                .1
                .to_owned(),
        )
    });
    let browser = Browser::at(&url, None);
    wait_for(|| browser.get("/api/runs").json()[0]["state"] == "over");
    let run = browser.get("/api/runs").json()[0]["run"].clone();
    let report = browser.get(&format!("/api/runs/{}/report.txt", run.as_str().unwrap()));
    assert!(
        report.status == 200 && report.body.contains("http_reqs"),
        "{}",
        report.body
    );
    running.interrupt();
    let ended = running.end();
    ended.ran();
    assert!(ended.out.contains("http_reqs"), "{}", ended.out);
}

#[test]
fn a_port_that_is_taken_is_an_error_only_if_it_was_asked_for() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let asked = run(&["controller", "--listen", "127.0.0.1:0", "--web", &address]);
    assert_eq!(asked.code, 104, "{}", asked.err);
    assert!(
        asked.err.contains("give --web another port"),
        "{}",
        asked.err
    );
    wait_for(|| {
        // This test's, or somebody else's, who may let go of it before the controller comes to it: then once more.
        let _usual = TcpListener::bind("127.0.0.1:7480");
        let mut command = throng(&[
            "controller",
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]);
        command.env_remove("THRONG_NO_WEB");
        let standing = Standing::start(command);
        let without = standing.until(|line| {
            let without = line.contains("no web page") && line.contains("--no-web");
            (without || line.contains("127.0.0.1:7480")).then_some(without)
        });
        standing.interrupt();
        assert_eq!(standing.end().code, 0);
        without
    });
}

#[test]
fn the_page_belongs_to_whoever_directs() {
    let refused = run(&[
        "run",
        "--demo",
        "--web",
        "127.0.0.1:0",
        "--controller",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(refused.code, 104);
    let refused = run(&[
        "run",
        "http://127.0.0.1:1/",
        "--web",
        "127.0.0.1:0",
        "--controller",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(refused.code, 104);
    assert!(
        refused.err.contains("that one serves a page itself"),
        "{}",
        refused.err
    );
}
