//! Who may come in, with real processes: tokens made before any controller runs, a fleet by certificate, and those who stay outside.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::common::{
    Controller, Demo, Folder, Said, Standing, repository, run, said, throng, wait_for,
};
use crate::counts::{ledger, reported};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A controller with TLS on the loopback, and a home for everybody's secrets.
struct House {
    folder: Folder,
    controller: Standing,
    url: String,
}

impl House {
    fn new(name: &str, cert_life: &str) -> Self {
        let folder = Folder::new(name);
        // Before any controller runs, so that a Kubernetes Secret can hold them.
        for (file, flags) in [
            ("agents", &["--uses", "2"][..]),
            ("operators", &["--role", "operator", "--uses", "unlimited"]),
        ] {
            let made = Self::in_folder(&folder, &["token", "create"])
                .args(flags)
                .output();
            let made = said(&made.unwrap());
            assert_eq!(made.code, 0, "{}", made.err);
            let path = folder.write(file, &made.out);
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let controller = Self::controller(&folder, cert_life, "127.0.0.1:0");
        let url = format!("https://{}", controller.address());
        Self {
            folder,
            controller,
            url,
        }
    }

    fn controller(folder: &Folder, cert_life: &str, listen: &str) -> Standing {
        let runs = folder.file("runs");
        Standing::start(Self::in_folder(
            folder,
            &[
                "controller",
                "--listen",
                listen,
                "--tls",
                "--no-token",
                "--cert-life",
                cert_life,
                // However long a busy machine takes to start one again.
                "--lease",
                "60s",
                "--runs",
                &runs,
                "--log-format",
                "json",
            ],
        ))
    }

    /// Nothing is read from, or left in, the home of whoever runs the tests.
    fn in_folder(folder: &Folder, arguments: &[&str]) -> Command {
        let mut command = throng(arguments);
        command
            .env("XDG_STATE_HOME", folder.file("state"))
            .env("XDG_CONFIG_HOME", folder.file("config"));
        command
    }

    fn throng(&self, arguments: &[&str]) -> Command {
        let mut command = Self::in_folder(&self.folder, arguments);
        if arguments.first() != Some(&"run") || !arguments.contains(&"--listen") {
            command.env("THRONG_CONTROLLER", &self.url);
        }
        command
    }

    fn ask(&self, arguments: &[&str]) -> Said {
        said(&self.throng(arguments).output().unwrap())
    }

    fn agent(&self, name: &str, token: &str) -> Command {
        self.throng(&[
            "agent",
            "--name",
            name,
            "--workers",
            "1",
            "--join-file",
            &self.folder.file(token),
            "--allow-target",
            "127.0.0.1",
            "--log-format",
            "json",
        ])
    }
}

#[test]
fn a_fleet_by_token_whose_certificates_are_renewed_while_it_runs() {
    let (demo, house) = (Demo::fast(), House::new("door", "12s"));
    let fleet = ["red", "green"].map(|name| Standing::start(house.agent(name, "agents")));
    for agent in &fleet {
        agent.until(|line| line.contains("joined the fleet").then_some(()));
    }
    let third = said(&house.agent("blue", "agents").output().unwrap());
    assert_eq!(third.code, 122, "{}", third.err);
    assert!(
        third.err.contains("used as often as it may be (2×)"),
        "{}",
        third.err
    );

    let ran = house.ask(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--expect-agents",
        "2",
        "--compat",
        "k6",
        "--join-file",
        &house.folder.file("operators"),
        "--summary",
        &house.folder.file("s.json"),
    ]);
    ran.ran();
    let summary = house.folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    assert_eq!(summary["agents"].as_array().unwrap().len(), 2);
    for agent in &fleet {
        // Their streams are older than the certificates they were opened with.
        agent.until(|line| line.contains("certificate renewed").then_some(()));
        agent.until(|line| line.contains("certificate renewed").then_some(()));
    }
    let agents = house.ask(&["agents", "--join-file", &house.folder.file("operators")]);
    assert!(
        agents.out.contains("red") && agents.out.contains("green"),
        "{} {}",
        agents.out,
        agents.err
    );
}

#[test]
fn a_controller_that_is_killed_comes_back_and_everybody_comes_in_again_by_certificate() {
    let (demo, mut house) = (Demo::fast(), House::new("again", "1h"));
    // Their tokens are used up by then: the certificates must do.
    let fleet = ["red", "green"].map(|name| Standing::start(house.agent(name, "agents")));
    let watcher = Standing::start(house.throng(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--compat",
        "k6",
        "--expect-agents",
        "2",
        "-s",
        "500ms:20",
        "-s",
        "10m:20",
        "--join-file",
        &house.folder.file("operators"),
        "--summary",
        &house.folder.file("s.json"),
    ]));
    let goes_on = |more: u64| {
        let seen = || demo.ledger()["requests"].as_u64().unwrap();
        let before = seen();
        wait_for(|| seen() > before + more);
    };
    goes_on(300);
    let listen = house.url.trim_start_matches("https://").to_owned();
    // SIGKILL: nothing is said, nothing is flushed.
    house.controller = {
        drop(house.controller);
        goes_on(200);
        House::controller(&house.folder, "1h", &listen)
    };
    let operator = ["--join-file", &house.folder.file("operators")];
    // The new one answers when it has read what the old one left.
    let mut listed = String::new();
    let id = |listed: &str| {
        let mut words = listed.split_whitespace();
        words
            .find(|word| word.starts_with("r-2"))
            .map(str::to_owned)
    };
    wait_for(|| {
        listed = house.ask(&[&["runs"][..], &operator].concat()).out;
        id(&listed).is_some()
    });
    let id = id(&listed).unwrap();
    let stopped = house.ask(&[&["stop", &id, "--graceful"][..], &operator].concat());
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let said = watcher.end();
    assert_eq!(said.code, 105, "{}", said.err);
    let summary = house.folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    // The same two: nobody was taken for somebody new.
    assert_eq!(summary["agents"].as_array().unwrap().len(), 2);
    drop(fleet);
}

#[test]
fn a_run_that_lets_agents_join_by_token_beside_its_own() {
    let (demo, house) = (Demo::fast(), House::new("joined", "1h"));
    let run = Standing::start(house.throng(&[
        "run",
        &repository("cli/tests/scenarios/rush.yaml"),
        "--base-url",
        &demo.url(),
        "--listen",
        "127.0.0.1:0",
        "--tls",
        "--no-token",
        "--agents",
        "1",
        "--expect-agents",
        "2",
        "--compat",
        "k6",
        "--summary",
        &house.folder.file("s.json"),
        "--log-format",
        "json",
    ]));
    let url = format!("https://{}", run.address());
    let stranger = house.ask(&["agents", "--controller", &url]);
    assert_eq!(stranger.code, 123, "{}", stranger.err);
    let mut agent = house.agent("red", "agents");
    let agent = Standing::start({
        agent.args(["--controller", &url]);
        agent
    });
    let ran = run.end();
    ran.ran();
    assert_eq!(agent.end().code, 0);
    let summary = house.folder.json("s.json");
    assert_eq!(reported(&summary), ledger(&demo.ledger()));
    assert_eq!(summary["agents"].as_array().unwrap().len(), 2);
}

#[test]
fn a_login_is_kept_and_a_token_that_was_taken_back_opens_nothing() {
    let house = House::new("login", "1h");
    let operators = house.folder.file("operators");
    let without = house.ask(&["agents"]);
    assert_eq!(without.code, 123, "{}", without.err);
    assert!(
        without.err.contains("not let in") && without.err.contains("throng login"),
        "{}",
        without.err
    );
    let as_agent = house.ask(&["agents", "--join-file", &house.folder.file("agents")]);
    assert_eq!(as_agent.code, 123);
    assert!(
        as_agent.err.contains("this join token is for an agent"),
        "{}",
        as_agent.err
    );
    let agent = said(&house.agent("red", "operators").output().unwrap());
    assert_eq!(agent.code, 122, "{}", agent.err);
    assert!(
        agent.err.contains("this join token is for an operator"),
        "{}",
        agent.err
    );

    let login = house.ask(&["login", "--join-file", &operators]);
    assert_eq!(login.code, 0, "{}", login.err);
    assert_eq!(house.ask(&["agents"]).code, 0);
    let listed = house.ask(&["token", "list"]);
    let line = listed
        .out
        .lines()
        .find(|line| line.contains("operator"))
        .unwrap();
    assert!(line.contains("1 of any") && line.contains("good"), "{line}");
    let id = line.split_whitespace().next().unwrap();
    assert_eq!(house.ask(&["token", "revoke", id]).code, 0);
    let after = house.ask(&["agents"]);
    assert_eq!(after.code, 123);
    assert!(after.err.contains("was revoked"), "{}", after.err);

    // A token of another controller, and one that is too old: said once, and not tried again.
    let elsewhere = house.folder.file("elsewhere");
    for (flags, wanted) in [
        (&["--state", &elsewhere][..], "signed by another CA"),
        (&["--expires", "0s"], "has expired"),
    ] {
        let mut create = vec!["token", "create"];
        create.extend(flags);
        house.folder.write("useless", &house.ask(&create).out);
        let told = said(&house.agent("green", "useless").output().unwrap());
        assert_eq!(told.code, 122, "{}", told.err);
        assert!(told.err.contains(wanted), "{}", told.err);
    }

    // In clear text, nothing.
    let clear = house.url.replace("https", "http");
    let told = house.ask(&["agents", "--controller", &clear]);
    assert_eq!(told.code, 123);
    assert!(
        told.err.contains("speaks TLS: dial it as https://"),
        "{}",
        told.err
    );
    let told = house.ask(&["agent", "--controller", &clear, "--give-up", "10s"]);
    assert_eq!(told.code, 122, "{}", told.err);
    assert!(
        told.err.contains("speaks TLS: dial it as https://"),
        "{}",
        told.err
    );
    // And in TLS, nothing of a controller in clear text.
    let open = Controller::start();
    let told = house.ask(&[
        "login",
        "--join-file",
        &operators,
        "--controller",
        &open.url.replace("http", "https"),
    ]);
    assert_eq!(told.code, 123);
    assert!(told.err.contains("does not speak TLS"), "{}", told.err);
}

#[test]
fn what_is_refused_before_anything_is_dialed() {
    let folder = Folder::new("refused");
    let token = folder.write("token", "throng_AAAA\n");
    for (arguments, wanted) in [
        (
            &["agents", "--controller", "http://192.0.2.1:7437"][..],
            "clear text",
        ),
        (
            &["agent", "--controller", "http://192.0.2.1:7437"],
            "--insecure",
        ),
        (
            &["agent", "--controller", "https://192.0.2.1:7437"],
            "--allow-target",
        ),
        (
            &["agent", "--allow-target", "http://shop.test"],
            "a target is no URL",
        ),
        (&["agents", "--join", "secret"], "one begins with `throng_`"),
        (&["agents", "--join-file", &token], "is of version 0"),
        (&["agents", "--join-file", "nowhere"], "No such file"),
        (&["login"], "asks for no login"),
        (&["controller", "--tls", "--insecure"], "--insecure"),
        (&["controller", "--tls-cert", "a.pem"], "--tls-key"),
        (&["token", "create", "--uses", "0"], "unlimited"),
        (&["token", "revoke", "a"], "at least 4 digits"),
    ] {
        let mut arguments = arguments.to_vec();
        if arguments.contains(&"--join") || arguments.contains(&"--join-file") {
            arguments.extend(["--controller", "https://127.0.0.1:9"]);
        }
        let said = run(&arguments);
        assert_eq!(said.code, 104, "{arguments:?}: {}", said.err);
        assert!(said.err.contains(wanted), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn an_agent_does_not_aim_where_it_must_not_and_its_ceiling_holds() {
    let (demo, controller, folder) = (Demo::fast(), Controller::start(), Folder::new("bounds"));
    let agent = |name: &str, bound: [&str; 2]| {
        let mut command = throng(&[
            "agent",
            "--controller",
            &controller.url,
            "--name",
            name,
            "--workers",
            "1",
        ]);
        command.args(bound);
        Standing::start(command)
    };
    let url = format!("{}/api/concerts", demo.url());
    let summary = folder.file("s.json");
    let ask = |more: &[&str]| {
        let mut arguments = vec![
            "run",
            &url,
            "-u",
            "2",
            "-i",
            "12",
            "--controller",
            &controller.url,
            "--expect-agents",
            "1",
        ];
        arguments.extend(more);
        run(&arguments)
    };
    let mut careful = agent("careful", ["--allow-target", "10.0.0.0/8"]);
    for more in [&[][..], &["--no-preflight"]] {
        let refused = ask(more);
        assert_eq!(refused.code, 122, "{}", refused.err);
        assert!(
            refused.err.contains("--allow-target 10.0.0.0/8"),
            "{}",
            refused.err
        );
    }
    assert_eq!(demo.ledger()["requests"], 0);
    careful.interrupt();
    wait_for(|| careful.ended());

    let _slow = agent("slow", ["--max-rate", "10"]);
    let ran = ask(&["--summary", &summary]);
    ran.ran();
    let report = folder.json("s.json");
    let notes = report["run"]["notes"].to_string();
    assert!(
        notes.contains("slow held back") && notes.contains("--max-rate"),
        "{notes}"
    );
    // Twelve turns of 100 ms, the first at once and the last at most 50 ms early.
    assert!(
        report["run"]["load_ms"].as_f64().unwrap() >= 1000.0,
        "{}",
        report["run"]
    );
}
