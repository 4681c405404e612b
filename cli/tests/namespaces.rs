//! A controller, three agents, the demo and the command line as processes in network namespaces of their own, as on separate hosts.
//!
//! Needs root and iproute2, so it is ignored unless asked for; CI asks: `cargo test -p throng --test namespaces -- --ignored`.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "only a part is used here")]
#[path = "whole/common.rs"]
mod common;
#[expect(dead_code, reason = "only a part is used here")]
#[path = "whole/counts.rs"]
mod counts;

use common::{Folder, Standing, repository, said};
use std::process::Command;

/// Namespaces on one bridge, which has a namespace itself, so that the host's network is not touched.
struct Network {
    prefix: String,
    names: Vec<String>,
}

impl Network {
    fn new() -> Self {
        let mut network = Self {
            prefix: format!("throng{}", std::process::id()),
            names: Vec::new(),
        };
        network.namespace("switch");
        network.ip(&[
            "-n",
            &network.full("switch"),
            "link",
            "add",
            "bridge",
            "type",
            "bridge",
        ]);
        network.ip(&["-n", &network.full("switch"), "link", "set", "bridge", "up"]);
        network
    }

    fn full(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    #[track_caller]
    fn ip(&self, arguments: &[&str]) {
        let said = said(
            &Command::new("ip")
                .args(arguments)
                .output()
                .expect("iproute2 is installed"),
        );
        assert_eq!(said.code, 0, "ip {}: {}", arguments.join(" "), said.err);
    }

    fn namespace(&mut self, name: &str) {
        self.ip(&["netns", "add", &self.full(name)]);
        self.names.push(name.to_owned());
        self.ip(&["-n", &self.full(name), "link", "set", "lo", "up"]);
    }

    /// A host with an address of its own, and nothing but the bridge between it and the others.
    fn host(&mut self, name: &str, address: &str) {
        self.namespace(name);
        let (inside, switch) = (self.full(name), self.full("switch"));
        self.ip(&[
            "-n", &switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns",
            &inside,
        ]);
        self.ip(&["-n", &switch, "link", "set", name, "master", "bridge", "up"]);
        self.ip(&[
            "-n",
            &inside,
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth0",
        ]);
        self.ip(&["-n", &inside, "link", "set", "eth0", "up"]);
    }

    /// A command on that host.
    fn on(&self, name: &str, command: &[&str]) -> Command {
        let mut outer = Command::new("ip");
        outer
            .args(["netns", "exec", &self.full(name)])
            .args(command);
        outer
    }

    fn throng(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.on(name, &[env!("CARGO_BIN_EXE_throng")]);
        command.args(arguments).env("TERM", "dumb");
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            // Takes its links with it.
            let _ = Command::new("ip")
                .args(["netns", "delete", &self.full(name)])
                .status();
        }
    }
}

#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn a_controller_and_three_agents_on_separate_hosts() {
    let mut network = Network::new();
    network.host("control", "10.213.7.1");
    network.host("shop", "10.213.7.2");
    let agents = [
        ("red", "10.213.7.11"),
        ("green", "10.213.7.12"),
        ("blue", "10.213.7.13"),
    ];
    for (name, address) in agents {
        network.host(name, address);
    }
    let shop = Standing::start(network.throng(
        "shop",
        &[
            "demo",
            "--fast",
            "--workers",
            "1",
            "--listen",
            "10.213.7.2:8080",
            "--log-format",
            "json",
        ],
    ));
    shop.address();
    let control = Standing::start(network.throng(
        "control",
        &[
            "controller",
            "--listen",
            "10.213.7.1:7437",
            "--log-format",
            "json",
        ],
    ));
    control.address();
    let controller = "http://10.213.7.1:7437";
    let fleet = agents.map(|(name, _)| {
        Standing::start(network.throng(
            name,
            &[
                "agent",
                "--controller",
                controller,
                "--name",
                name,
                "--workers",
                "1",
            ],
        ))
    });

    let folder = Folder::new("namespaces");
    let scenario = repository("cli/tests/scenarios/rush.yaml");
    let summary = folder.file("s.json");
    let mut run = network.throng(
        "control",
        &[
            "run",
            &scenario,
            "--base-url",
            "http://10.213.7.2:8080",
            "--controller",
            controller,
        ],
    );
    run.args([
        "--expect-agents",
        "3",
        "--compat",
        "k6",
        "--summary",
        &summary,
    ]);
    let ran = said(&run.output().unwrap());
    ran.ran();

    // Only the shop's own host is asked: bash speaks TCP, and is there wherever CI is.
    let ask = "exec 3<>/dev/tcp/10.213.7.2/8080; printf 'GET /ledger HTTP/1.1\\r\\nHost: shop\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let answer = said(&network.on("shop", &["bash", "-c", ask]).output().unwrap());
    let truth: serde_json::Value =
        serde_json::from_str(answer.out.split_once("\r\n\r\n").unwrap().1).unwrap();
    let summary = folder.json("s.json");
    assert_eq!(counts::reported(&summary), counts::ledger(&truth));
    assert_eq!(
        counts::count(&summary, "http_reqs"),
        truth["requests"].as_u64().unwrap()
    );
    let names: Vec<&str> = summary["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 3);
    for (name, _) in agents {
        assert!(names.contains(&name), "{names:?}");
    }

    // The controller's end sends everybody home.
    control.interrupt();
    assert_eq!(control.end().code, 0);
    for agent in fleet {
        let ended = agent.end();
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
}
