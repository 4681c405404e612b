//! A controller that is reached through something in between: a translator of addresses, a balancer with an idle time-out, a slow and
//! lossy link. What loss is to a stream: now and then nothing comes for a while, and then all of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{Controller, Demo, Folder, Standing, repository, run, throng};
use crate::counts::{ledger, reported};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Both ways pass through here.
#[derive(Clone, Copy)]
struct Between {
    /// What passes is that late.
    delay: Duration,
    /// Every so many pieces, the next ones are later by this: one was lost, and sent again.
    lost: Option<(usize, Duration)>,
    /// Without a byte for so long, a connection is cut.
    idle: Duration,
    came: &'static AtomicUsize,
    cut: &'static AtomicUsize,
}

impl Between {
    fn new(delay: Duration, lost: Option<(usize, Duration)>, idle: Duration) -> Self {
        let counter = || -> &'static AtomicUsize { Box::leak(Box::default()) };
        Self {
            delay,
            lost,
            idle,
            came: counter(),
            cut: counter(),
        }
    }

    /// Where it listens for those who want to go to `to`.
    fn start(self, to: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for one in listener.incoming().map_while(Result::ok) {
                self.came.fetch_add(1, Ordering::SeqCst);
                let other = TcpStream::connect(to).unwrap();
                let (back, forth) = (other.try_clone().unwrap(), one.try_clone().unwrap());
                std::thread::spawn(move || self.pass(one, other));
                std::thread::spawn(move || self.pass(back, forth));
            }
        });
        address
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real processes waits in real time"
    )]
    fn pass(self, mut from: TcpStream, mut to: TcpStream) {
        from.set_read_timeout(Some(self.idle)).unwrap();
        let (send, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
        std::thread::spawn(move || {
            for (due, bytes) in pieces {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            // The other end is told that there is no more.
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let mut piece = [0; 16 << 10];
        for number in 1.. {
            let read = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    if error.kind() == std::io::ErrorKind::WouldBlock {
                        self.cut.fetch_add(1, Ordering::SeqCst);
                    }
                    break;
                }
            };
            let mut due = Instant::now() + self.delay;
            if let Some((every, later)) = self.lost
                && number % every == 0
            {
                due += later;
            }
            if send.send((due, piece[..read].to_vec())).is_err() {
                break;
            }
        }
        let _ = from.shutdown(std::net::Shutdown::Both);
    }
}

fn beyond(controller: &Controller, between: Between) -> String {
    let address = controller.url.trim_start_matches("http://");
    format!("http://{}", between.start(address.parse().unwrap()))
}

fn agent(url: &str, name: &str) -> Standing {
    Standing::start(throng(&[
        "agent",
        "--controller",
        url,
        "--name",
        name,
        "--workers",
        "1",
        "--log-format",
        "json",
    ]))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn through_a_balancer_an_idle_agent_stays_connected() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("balancer"));
    // As long as a lease: an agent that says nothing for that long is lost anyway. Real balancers wait for a minute.
    let idle = Duration::from_secs(5);
    let between = Between::new(Duration::ZERO, None, idle);
    let url = beyond(&controller, between);
    let _agent = agent(&url, "a");
    crate::common::wait_for(|| between.came.load(Ordering::SeqCst) == 1);
    // Nothing to do for longer than the time-out.
    std::thread::sleep(idle + Duration::from_secs(2));
    let said = run(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "1",
        "--compat",
        "k6",
        "--summary",
        &folder.file("s.json"),
    ]);
    said.ran();
    assert_eq!(reported(&folder.json("s.json")), ledger(&demo.ledger()));
    let seen = [between.came, between.cut].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(seen, [1, 0], "connections, and those that were cut");
}

#[test]
fn over_200_ms_and_losses_nobody_is_taken_for_lost_and_all_adds_up() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("far"));
    let lossy = Between::new(
        Duration::from_millis(100),
        Some((20, Duration::from_millis(600))),
        Duration::from_secs(60),
    );
    let url = beyond(&controller, lossy);
    let _agents = [agent(&url, "a"), controller.agent("near")];
    let said = run(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "2",
        "--compat",
        "k6",
        "--summary",
        &folder.file("s.json"),
    ]);
    said.ran();
    let summary = folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    assert_eq!(summary["conservation"]["completeness"]["share"], 1.0);
    let rtt = summary["agents"][0]["rtt_ms"].as_f64().unwrap();
    assert!(rtt >= 200.0, "{rtt}");
    let changes = summary["fleet"].as_array();
    let lost = |change: &serde_json::Value| change["event"] == "lost";
    assert!(!changes.is_some_and(|all| all.iter().any(lost)));
    assert_eq!(lossy.came.load(Ordering::SeqCst), 1, "one connection");
}
