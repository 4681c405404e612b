//! Hosts for tests: network namespaces on one bridge, each with an address of its own.

use crate::common::said;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Networks made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Namespaces on one bridge, which has a namespace itself, so that the host's network is not touched.
pub(crate) struct Network {
    prefix: String,
    names: Vec<String>,
}

impl Network {
    pub(crate) fn new() -> Self {
        let mut network = Self {
            prefix: format!(
                "throng{}-{}",
                std::process::id(),
                MADE.fetch_add(1, Ordering::Relaxed)
            ),
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
    pub(crate) fn host(&mut self, name: &str, address: &str) {
        self.namespace(name);
        let (inside, switch) = (self.full(name), self.full("switch"));
        self.ip(&[
            "-n", &switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns",
            &inside,
        ]);
        self.ip(&["-n", &switch, "link", "set", name, "master", "bridge", "up"]);
        // An address of IPv6 can be used at once only if nobody else is asked whether he has it.
        let (length, more) = if address.contains(':') {
            (64, &["nodad"][..])
        } else {
            (24, &[][..])
        };
        let address = format!("{address}/{length}");
        let mut add = vec!["-n", &inside, "address", "add", &address, "dev", "eth0"];
        add.extend(more);
        self.ip(&add);
        self.ip(&["-n", &inside, "link", "set", "eth0", "up"]);
    }

    /// Takes a host off the network, or puts it back.
    pub(crate) fn cut(&self, name: &str, down: bool) {
        let state = if down { "down" } else { "up" };
        self.ip(&["-n", &self.full("switch"), "link", "set", name, state]);
    }

    /// Whatever this host sends to that address is lost on the way, or arrives again; the other direction is as it was.
    pub(crate) fn lose(&self, name: &str, to: &str, lost: bool) {
        let inside = self.full(name);
        let mut neighbour = vec!["-n", &inside, "neighbour"];
        if lost {
            // Nobody has this hardware address.
            neighbour.extend(["replace", to, "lladdr", "02:00:00:00:00:01"]);
            neighbour.extend(["nud", "permanent"]);
        } else {
            neighbour.extend(["delete", to]);
        }
        neighbour.extend(["dev", "eth0"]);
        self.ip(&neighbour);
    }

    /// What `http://address path` says to somebody on that host.
    pub(crate) fn ask(&self, name: &str, address: &str, path: &str) -> serde_json::Value {
        let (host, port) = address.rsplit_once(':').expect("a port");
        let host = host.trim_matches(['[', ']']);
        // bash speaks TCP, and is there wherever CI is.
        let ask = format!(
            "exec 3<>/dev/tcp/{host}/{port}; printf 'GET {path} HTTP/1.1\\r\\nHost: it\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        let answer = said(
            &self
                .on(name, &["bash", "-c", &ask])
                .output()
                .expect("bash is there"),
        );
        let (_, body) = answer.out.split_once("\r\n\r\n").expect("an answer");
        serde_json::from_str(body).expect("a JSON document")
    }

    /// A command on that host.
    pub(crate) fn on(&self, name: &str, command: &[&str]) -> Command {
        let mut outer = Command::new("ip");
        outer
            .args(["netns", "exec", &self.full(name)])
            .args(command);
        outer
    }

    pub(crate) fn throng(&self, name: &str, arguments: &[&str]) -> Command {
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
