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

#[path = "namespaces/chaos.rs"]
mod chaos;
#[path = "namespaces/deck.rs"]
mod deck;
#[path = "namespaces/hosts.rs"]
mod hosts;
#[path = "namespaces/network.rs"]
mod network;
#[path = "namespaces/stalls.rs"]
mod stalls;
#[path = "namespaces/witness.rs"]
mod witness;

use common::{Folder, Standing, repository, said};
use network::Network;
use std::process::Command;

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
    let folder = Folder::new("namespaces");
    let secrets = |mut command: Command| {
        command
            .env("XDG_STATE_HOME", folder.file("state"))
            .env("XDG_CONFIG_HOME", folder.file("config"));
        command
    };
    let token = |flags: &[&str]| {
        let mut command = secrets(network.throng("control", &["token", "create"]));
        let made = said(&command.args(flags).output().unwrap());
        assert_eq!(made.code, 0, "{}", made.err);
        made.out.trim().to_owned()
    };
    let agents_token = token(&["--uses", "3"]);
    let operators_token = token(&["--role", "operator"]);
    let control = Standing::start(secrets(network.throng(
        "control",
        &[
            "controller",
            "--listen",
            "10.213.7.1:7437",
            "--no-token",
            "--no-runs",
            "--log-format",
            "json",
        ],
    )));
    control.address();
    let controller = "https://10.213.7.1:7437";
    // Whoever reaches the address gets no further.
    for (url, flags, code, wanted) in [
        (controller, &[][..], 123, "join token"),
        ("http://10.213.7.1:7437", &["--insecure"], 123, "speaks TLS"),
        ("http://10.213.7.1:7437", &[], 104, "--insecure"),
    ] {
        let mut stranger = secrets(network.throng("shop", &["agents", "--controller", url]));
        let told = said(&stranger.args(flags).output().unwrap());
        assert_eq!(told.code, code, "{}", told.err);
        assert!(told.err.contains(wanted), "{}", told.err);
    }
    let fleet = agents.map(|(name, _)| {
        let mut agent = secrets(network.throng(
            name,
            &[
                "agent",
                "--controller",
                controller,
                "--name",
                name,
                "--workers",
                "1",
                "--allow-target",
                "10.213.7.2:8080",
            ],
        ));
        agent.env("THRONG_JOIN", &agents_token);
        Standing::start(agent)
    });

    let scenario = repository("cli/tests/scenarios/rush.yaml");
    let summary = folder.file("s.json");
    let mut run = secrets(network.throng(
        "shop",
        &[
            "run",
            &scenario,
            "--base-url",
            "http://10.213.7.2:8080",
            "--controller",
            controller,
        ],
    ));
    run.env("THRONG_JOIN", &operators_token);
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

    let truth = network.ask("shop", "10.213.7.2:8080", "/ledger");
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

#[test]
#[ignore = "needs root and util-linux; CI runs it"]
fn agents_whose_clocks_are_weeks_apart_begin_together() {
    let demo = common::Demo::fast();
    let controller = common::Controller::start();
    let folder = Folder::new("clocks");
    // Seconds ahead of this host's: time namespaces, as on machines that were started long before.
    let _agents = [("young", "0"), ("old", "86400"), ("older", "2592000")].map(|(name, ahead)| {
        let mut command = Command::new("unshare");
        command
            .args(["--time", "--boottime", ahead, "--monotonic", ahead])
            .args(["--fork", "--kill-child", "--"])
            .arg(env!("CARGO_BIN_EXE_throng"))
            .args(["agent", "--controller", &controller.url, "--name", name])
            .args(["--workers", "1", "--spool", "none"]);
        Standing::start(command)
    });
    let summary = folder.file("s.json");
    let ran = common::run(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--controller",
        &controller.url,
        "--expect-agents",
        "3",
        "--compat",
        "k6",
        "--summary",
        &summary,
    ]);
    ran.ran();
    let summary = folder.json("s.json");
    assert_eq!(counts::reported(&summary), counts::ledger(&demo.ledger()));
    let skew = summary["run"]["start_skew_ms"].as_f64().unwrap();
    assert!(skew < 1_000.0, "they began {skew} ms apart");
    let mut offsets: Vec<f64> = summary["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["offset_ms"].as_f64().unwrap() / 1e3)
        .collect();
    offsets.sort_by(f64::total_cmp);
    for (offset, ahead) in offsets.iter().zip([-2_592_000.0, -86_400.0, 0.0]) {
        assert!((offset - ahead).abs() < 1.0, "{offsets:?}");
    }
}
