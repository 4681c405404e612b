//! What hosts may be like, and what may become of the ways between them: IPv6 alone, ways that lose one direction, too few ports, a
//! target whose packets vanish.

use crate::common::{Folder, Said, Standing, wait_for};
use crate::network::Network;
use serde_json::Value;
use std::time::Duration;

/// The fleet's hosts, each with its process, and the run that somebody on the shop's host started.
struct Hosts {
    network: Network,
    shop: String,
    control: String,
    folder: Folder,
    processes: Vec<Standing>,
}

impl Hosts {
    /// Addresses begin with `net`: `10.213.7.` or `fd00:7::`.
    fn new(name: &str, net: &str) -> Self {
        let mut network = Network::new();
        let at = |host: u32, port: u16| {
            if net.contains(':') {
                format!("[{net}{host}]:{port}")
            } else {
                format!("{net}{host}:{port}")
            }
        };
        let (control, shop) = (at(1, 7437), at(2, 8080));
        network.host("control", &format!("{net}1"));
        network.host("shop", &format!("{net}2"));
        let demo = ["demo", "--fast", "--workers", "1", "--listen", &shop];
        let controller = [
            "controller",
            "--insecure",
            "--no-runs",
            "--listen",
            &control,
        ];
        let mut processes = Vec::new();
        for (host, arguments) in [("shop", &demo[..]), ("control", &controller[..])] {
            let mut command = network.throng(host, arguments);
            command.args(["--log-format", "json"]);
            let process = Standing::start(command);
            process.address();
            processes.push(process);
        }
        Self {
            network,
            shop,
            control,
            folder: Folder::new(name),
            processes,
        }
    }

    /// A host with an agent.
    fn agent(&mut self, name: &str, address: &str) {
        self.network.host(name, address);
        self.start(name);
    }

    fn start(&mut self, name: &str) {
        let command = self.network.throng(
            name,
            &[
                "agent",
                "--controller",
                &format!("http://{}", self.control),
                "--insecure",
                "--name",
                name,
                "--workers",
                "1",
                "--spool",
                "none",
                "--allow-target",
                &self.shop,
                "--log-format",
                "json",
            ],
        );
        self.processes.push(Standing::start(command));
    }

    fn run(&self, agents: u32, scenario: &str) -> Standing {
        Standing::start(self.network.throng(
            "shop",
            &[
                "run",
                &self.folder.write("s.yaml", scenario),
                "--base-url",
                &format!("http://{}", self.shop),
                "--controller",
                &format!("http://{}", self.control),
                "--insecure",
                "--expect-agents",
                &agents.to_string(),
                "--summary",
                &self.folder.file("s.json"),
            ],
        ))
    }

    fn seen(&self) -> u64 {
        let ledger = self.network.ask("shop", &self.shop, "/ledger");
        ledger["requests"].as_u64().expect("a number")
    }

    /// The report of a run that went to its end.
    fn summary(&self, said: &Said) -> Value {
        said.ran();
        println!("{}", said.out);
        self.folder.json("s.json")
    }
}

fn number(value: &Value) -> u64 {
    value.as_f64().expect("a number") as u64
}

fn metric(summary: &Value, name: &str, value: &str) -> f64 {
    let value = &summary["metrics"][name]["values"][value];
    value.as_f64().expect("a number")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn a_fleet_whose_hosts_have_only_ipv6_adds_up() {
    let mut hosts = Hosts::new("ipv6", "fd00:7::");
    hosts.agent("red", "fd00:7::11");
    hosts.agent("green", "fd00:7::12");
    let run = hosts.run(
        2,
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 3s, preAllocatedVUs: 50 }
flows:
  default: [{ get: / }]
",
    );
    let summary = hosts.summary(&run.end());
    let seen = hosts.seen();
    assert!(seen > 0);
    assert_eq!(
        number(&summary["conservation"]["scenarios"][0]["planned"]),
        300
    );
    assert_eq!(metric(&summary, "http_reqs", "count") as u64, seen);
    assert_eq!(number(&summary["conservation"]["requests"]["merged"]), seen);
    assert_eq!(summary["agents"].as_array().expect("agents").len(), 2);
    assert_eq!(metric(&summary, "http_req_failed", "passes"), 0.0);
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn a_way_that_loses_one_direction_is_no_lease_whichever_it_is() {
    const RATE: u64 = 100;
    const LENGTH: u64 = 24;
    let mut hosts = Hosts::new("one-way", "10.213.7.");
    for (name, address) in [
        ("blue", "10.213.7.11"),
        ("green", "10.213.7.12"),
        ("red", "10.213.7.13"),
    ] {
        hosts.agent(name, address);
    }
    let run = hosts.run(
        3,
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 24s, preAllocatedVUs: 60, gracefulStop: 5s }
flows:
  default: [{ get: / }]
",
    );
    wait_for(|| hosts.seen() > 0);
    wait(3);
    // What green says is heard, and no answer comes to it; what is said to red is heard, and nothing that it says.
    hosts.network.lose("control", "10.213.7.12", true);
    hosts.network.lose("red", "10.213.7.1", true);
    wait(9);
    hosts.network.lose("control", "10.213.7.12", false);
    hosts.network.lose("red", "10.213.7.1", false);
    let summary = hosts.summary(&run.end());
    let changes = summary["fleet"].as_array().expect("changes");
    let mut lost: Vec<&str> = changes
        .iter()
        .filter(|change| change["event"] == "lost")
        .filter_map(|change| change["agent"].as_str())
        .collect();
    lost.sort_unstable();
    assert_eq!(lost, ["green", "red"], "{changes:?}");
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| number(&line[name]);
    assert_eq!(of("planned"), RATE * LENGTH);
    assert_eq!(
        of("made") + of("dropped") + of("expired") + of("lost") + of("unaccounted"),
        RATE * LENGTH,
        "{line}"
    );
    let cut = number(&summary["conservation"]["iterations"]["interrupted"]);
    let truth = hosts.seen();
    assert!(truth <= RATE * LENGTH, "{truth}: more than the plan");
    assert!(
        of("made") - cut <= truth && truth <= of("made") + of("silent"),
        "{truth} requests, {cut} iterations cut: {line}"
    );
    assert_eq!(summary["conservation"]["requests"]["unaccounted"], 0);
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn ports_that_run_out_are_the_agents_fault_and_not_the_targets() {
    let mut hosts = Hosts::new("ports", "10.213.7.");
    hosts.network.host("small", "10.213.7.11");
    let few = hosts
        .network
        .on(
            "small",
            &[
                "sh",
                "-c",
                "echo 40000 40029 > /proc/sys/net/ipv4/ip_local_port_range",
            ],
        )
        .status()
        .expect("a shell");
    assert!(few.success());
    hosts.start("small");
    let run = hosts.run(
        1,
        "
scenarios:
  crowd: { executor: constant-vus, vus: 80, duration: 3s, gracefulStop: 10s }
flows:
  default: [{ get: / }, { sleep: 500ms }]
",
    );
    let summary = hosts.summary(&run.end());
    let facets = summary["verdict"]["facets"].as_array().expect("facets");
    let facet = facets
        .iter()
        .find(|facet| facet["name"] == "requests that an agent's host had no means for")
        .expect("ports ran out");
    let local = number(&facet["value"]);
    assert!(local >= 50, "{local}");
    assert_eq!(
        metric(&summary, "http_reqs", "count") as u64,
        hosts.seen() + local
    );
    let kind = &summary["errors"][0];
    assert_eq!(
        (&kind["kind"], number(&kind["count"])),
        (&Value::from("out of local resources"), local)
    );
    assert!(
        kind["samples"][0]
            .as_str()
            .is_some_and(|text| text.contains("Cannot assign requested address")),
        "{kind}"
    );
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn a_target_whose_packets_vanish_gets_all_arrivals_and_each_timeout_its_time() {
    let mut hosts = Hosts::new("vanish", "10.213.7.");
    hosts.agent("red", "10.213.7.11");
    let run = hosts.run(
        1,
        "
scenarios:
  load: { executor: constant-arrival-rate, rate: 20, duration: 9s, preAllocatedVUs: 150, gracefulStop: 10s }
flows:
  default: [{ get: /, timeout: 2s }]
",
    );
    wait_for(|| hosts.seen() > 0);
    wait(1);
    hosts.network.lose("shop", "10.213.7.11", true);
    wait(4);
    hosts.network.lose("shop", "10.213.7.11", false);
    let summary = hosts.summary(&run.end());
    let line = &summary["conservation"]["scenarios"][0];
    // Nobody waited for the target to come back.
    assert_eq!(
        number(&line["made"]) + number(&line["expired"]),
        180,
        "{line}"
    );
    let failed = metric(&summary, "http_req_failed", "passes");
    // What was sent in its first second has not been answered by the end of the third.
    assert!(failed >= 20.0, "{failed}");
    assert!(metric(&summary, "http_req_duration", "max") >= 2_000.0);
    let kinds: Vec<&str> = summary["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|kind| kind["kind"].as_str())
        .collect();
    assert!(
        kinds.iter().all(|kind| kind.contains("timeout")),
        "{kinds:?}"
    );
}
