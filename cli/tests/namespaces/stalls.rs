//! A controller that is stopped for longer than the lease, and goes on: its agents have fenced themselves meanwhile, and all of them are
//! heard before anything is given away. The demo's ledger is the witness.

use crate::common::{Folder, Standing, wait_for};
use crate::network::Network;

const RATE: u64 = 100;
const OPEN: &str = "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 10m, preAllocatedVUs: 40, gracefulStop: 5s }
flows:
  default:
    - get: /
";
const SHOP: &str = "10.213.7.2:8080";
const CONTROLLER: &str = "http://10.213.7.1:7437";

/// What the target saw, when nothing more comes to it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn settled(requests: impl Fn() -> u64) -> u64 {
    let (mut seen, mut since) = (requests(), std::time::Instant::now());
    wait_for(|| {
        let now = requests();
        if std::mem::replace(&mut seen, now) != now {
            since = std::time::Instant::now();
        }
        since.elapsed().as_secs() >= 2
    });
    seen
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn a_controller_that_stood_still_beyond_the_lease_hears_its_agents_first_and_loses_none() {
    let mut network = Network::new();
    network.host("control", "10.213.7.1");
    network.host("shop", "10.213.7.2");
    network.host("red", "10.213.7.11");
    network.host("green", "10.213.7.12");
    let folder = Folder::new("stalls");
    let start = |host: &str, arguments: &[&str]| {
        let mut command = network.throng(host, arguments);
        command.args(["--log-format", "json"]);
        Standing::start(command)
    };
    let shop = start(
        "shop",
        &["demo", "--fast", "--workers", "1", "--listen", SHOP],
    );
    shop.address();
    let runs = folder.file("runs");
    let controller = start(
        "control",
        &[
            "controller",
            "--listen",
            "10.213.7.1:7437",
            "--insecure",
            "--runs",
            &runs,
        ],
    );
    controller.address();
    let _agents = ["red", "green"].map(|name| {
        let spool = folder.file(name);
        let flags = [
            "--insecure",
            "--workers",
            "1",
            "--allow-target",
            SHOP,
            "--spool",
            &spool,
        ];
        let named = ["agent", "--controller", CONTROLLER, "--name", name];
        start(name, &[&named[..], &flags].concat())
    });
    let (scenario, summary) = (folder.write("open.yaml", OPEN), folder.file("s.json"));
    let url = format!("http://{SHOP}");
    let run = Standing::start(network.throng(
        "shop",
        &[
            "run",
            &scenario,
            "--base-url",
            &url,
            "--controller",
            CONTROLLER,
            "--insecure",
            "--expect-agents",
            "2",
            "--summary",
            &summary,
        ],
    ));
    let requests = || {
        network.ask("shop", SHOP, "/ledger")["requests"]
            .as_u64()
            .expect("a number")
    };
    wait_for(|| requests() > 3 * RATE);
    controller.signal("-STOP");
    // By their own clocks: nobody tells them.
    let fenced = settled(requests);
    controller.signal("-CONT");
    // Everybody is back, on a new seat.
    wait_for(|| requests() > fenced + 5 * RATE);
    let (mut joined, mut seen) = (std::collections::BTreeSet::new(), Vec::new());
    run.until(|line| {
        seen.push(line.to_owned());
        assert!(seen.len() < 100, "only {joined:?}:\n{}", seen.join("\n"));
        let names = ["red joins at", "green joins at"];
        joined.extend(names.into_iter().filter(|name| line.contains(name)));
        (joined.len() == names.len()).then_some(())
    });
    let stopping = network.throng("shop", &["runs", "--controller", CONTROLLER, "--insecure"]);
    let listed = crate::common::said(&{ stopping }.output().expect("it runs")).out;
    let id = listed
        .split_whitespace()
        .find(|word| word.starts_with("r-2"));
    let id = id.expect("the run is listed");
    let stop = [
        "stop",
        id,
        "--graceful",
        "--controller",
        CONTROLLER,
        "--insecure",
    ];
    let stopped = crate::common::said(&network.throng("shop", &stop).output().expect("it runs"));
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let told = run.end();
    assert_eq!(told.code, 105, "{}\n{}", told.err, told.out);
    assert!(
        told.out.contains("controller stood still for"),
        "{}",
        told.out
    );
    let summary = folder.json("s.json");
    let fates = summary["agents"].as_array().expect("agents");
    assert!(
        fates.iter().all(|agent| agent["fate"] != "lost"),
        "all told what they had done: {fates:?}"
    );
    let line = &summary["conservation"]["scenarios"][0];
    assert_eq!(line["unaccounted"].as_f64(), Some(0.0), "{line}");
    let made = line["made"].as_f64().expect("a number") as u64;
    let cut = summary["conservation"]["iterations"]["interrupted"].as_u64();
    let truth = requests();
    assert!(
        truth <= made && made - cut.expect("a number") <= truth,
        "{truth} requests: {line}"
    );
}
