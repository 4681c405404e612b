//! Everything at once: agents killed, frozen, told to end and cut off, the controller killed and started again or its disk filled up, at
//! moments that a seed chooses, in the middle of a run. The demo's ledger is the witness.
//!
//! Whatever happens: the load is never above the plan, every arrival is in the books once, what the target saw is what the report has,
//! apart from a lost agent's last words, and the whole rate is there again at the end.

use crate::common::{Folder, Standing};
use crate::deck::{AGENTS, AWAY, Fault, SEEDS, Todo, faults, fills_disk};
use crate::network::Network;
use crate::witness::{Hit, Look, judge};
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// Arrivals a second.
pub(crate) const RATE: u64 = 100;
/// Seconds of load.
pub(crate) const LENGTH: u64 = 36;
/// VUs, all in all: so many requests may be on their way.
pub(crate) const VUS: u64 = 40;
const OPEN: &str = "
scenarios:
  load: { executor: constant-arrival-rate, rate: 100, duration: 36s, preAllocatedVUs: 40, gracefulStop: 5s }
flows:
  default:
    - get: /
";
const SHOP: &str = "10.213.7.2:8080";
const CONTROLLER: &str = "http://10.213.7.1:7437";

struct World<'a> {
    disk: Disk,
    network: &'a Network,
    folder: &'a Folder,
    controller: Option<Standing>,
    agents: Vec<Option<Standing>>,
    lives: u32,
    /// What the agents of today are called.
    names: [String; AGENTS.len()],
    /// What was done to whom.
    hits: Vec<Hit>,
    /// When the controller was killed.
    killed: Option<f64>,
    /// What is still to be done, at which second.
    due: Vec<(f64, Todo)>,
    /// Agents that were told to end.
    ended: Vec<Standing>,
}

/// The controller's disk: a small one.
struct Disk(String);

impl Disk {
    fn mount(place: String) -> Self {
        std::fs::create_dir_all(&place).expect("a folder of the test's own");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "throng-test", &place])
            .status();
        assert!(
            status.expect("mount is there").success(),
            "cannot mount at {place}"
        );
        Self(place)
    }

    fn fill(&self) {
        let mut file = File::create(format!("{}/filler", self.0)).expect("room for a name");
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}

impl World<'_> {
    fn start_controller(&mut self) {
        let runs = format!("{}/runs", self.disk.0);
        let command = self.network.throng(
            "control",
            &[
                "controller",
                "--listen",
                "10.213.7.1:7437",
                "--insecure",
                "--runs",
                &runs,
                "--log-format",
                "json",
            ],
        );
        let controller = Standing::start(command);
        controller.address();
        self.controller = Some(controller);
    }

    fn start_agent(&mut self, number: usize) {
        self.lives += 1;
        let name = format!("{}{}", AGENTS[number], self.lives);
        let spool = self.folder.file(&name);
        let command = self.network.throng(
            AGENTS[number],
            &[
                "agent",
                "--controller",
                CONTROLLER,
                "--insecure",
                "--name",
                &name,
                "--workers",
                "1",
                "--allow-target",
                SHOP,
                "--spool",
                &spool,
                "--log-format",
                "json",
            ],
        );
        self.agents[number] = Some(Standing::start(command));
        self.names[number] = name;
    }

    fn act(&mut self, now: f64) {
        while let Some(next) = self.due.iter().position(|(at, _)| *at <= now) {
            let (_, todo) = self.due.remove(next);
            println!("{now:5.1} s: {todo:?}");
            if let Todo::Hit(number, fault) = todo {
                let name = self.names[number].clone();
                self.hits.push(Hit {
                    at: now,
                    fault,
                    name,
                });
            }
            let agent = |number: usize| self.agents[number].as_ref().expect("it is there");
            match todo {
                Todo::Hit(number, Fault::Kill) => {
                    agent(number).signal("-KILL");
                    self.due.push((now + 2.0, Todo::Another(number)));
                }
                Todo::Hit(number, Fault::Freeze(seconds)) => {
                    agent(number).signal("-STOP");
                    self.due
                        .push((now + f64::from(seconds), Todo::Thaw(number)));
                }
                Todo::Hit(number, Fault::End) => {
                    agent(number).signal("-TERM");
                    self.ended.extend(self.agents[number].take());
                    self.due.push((now + 4.0, Todo::Another(number)));
                }
                Todo::Hit(number, Fault::Cut(seconds)) => {
                    self.network.cut(AGENTS[number], true);
                    self.due
                        .push((now + f64::from(seconds), Todo::Mend(number)));
                }
                Todo::Thaw(number) => agent(number).signal("-CONT"),
                Todo::Mend(number) => self.network.cut(AGENTS[number], false),
                Todo::Another(number) => self.start_agent(number),
                Todo::KillController => {
                    if let Some(controller) = self.controller.take() {
                        controller.signal("-KILL");
                        controller.end();
                    }
                    self.killed = Some(now);
                    self.due.push((now + AWAY, Todo::StartController));
                }
                Todo::StartController => self.start_controller(),
                Todo::FillDisk => self.disk.fill(),
            }
        }
    }
}

fn whatever_happens(seed: u64) {
    let mut network = Network::new();
    network.host("control", "10.213.7.1");
    network.host("shop", "10.213.7.2");
    for (number, name) in AGENTS.iter().enumerate() {
        network.host(name, &format!("10.213.7.{}", 11 + number));
    }
    let folder = Folder::new(&format!("chaos-{seed}"));
    let shop = Standing::start(network.throng(
        "shop",
        &[
            "demo",
            "--fast",
            "--workers",
            "1",
            "--listen",
            SHOP,
            "--log-format",
            "json",
        ],
    ));
    shop.address();
    let mut world = World {
        disk: Disk::mount(folder.file("disk")),
        network: &network,
        folder: &folder,
        controller: None,
        agents: AGENTS.iter().map(|_| None).collect(),
        lives: 0,
        names: Default::default(),
        hits: Vec::new(),
        killed: None,
        due: faults(seed),
        ended: Vec::new(),
    };
    world.start_controller();
    for number in 0..AGENTS.len() {
        world.start_agent(number);
    }
    let scenario = folder.write("open.yaml", OPEN);
    let summary = folder.file("s.json");
    let run = Standing::start(network.throng(
        "shop",
        &[
            "run",
            &scenario,
            "--base-url",
            &format!("http://{SHOP}"),
            "--controller",
            CONTROLLER,
            "--insecure",
            "--expect-agents",
            "4",
            "--summary",
            &summary,
        ],
    ));
    let looks = watch(&network, &mut world);
    let told = run.end();
    println!("{}\n{}", told.err, told.out);
    for agent in std::mem::take(&mut world.ended) {
        let left = agent.end();
        assert_eq!(left.code, 0, "{}", left.err);
    }
    let summary = folder.json("s.json");
    assert!(world.due.is_empty(), "not done yet: {:?}", world.due);
    let truth = seen(&network);
    judge(&looks, truth, &summary, &told);
    for hit in &world.hits {
        hit.took_effect(&summary, world.killed);
    }
    crate::witness::only_last_words_are_missing(truth, &summary, &world.hits, world.killed);
    let away = summary["run"]["away"].as_array().map_or(0, Vec::len);
    assert_eq!(away, usize::from(world.killed.is_some()), "{}", told.out);
    if fills_disk(seed) {
        assert!(told.out.contains("the journal ended"), "{}", told.out);
        assert_ne!(summary["verdict"]["grade"], "VALID");
    }
}

fn seen(network: &Network) -> u64 {
    let ledger = network.ask("shop", SHOP, "/ledger");
    ledger["requests"].as_u64().expect("a number")
}

/// Acts, and looks at the ledger, until the load must be over.
#[expect(
    clippy::disallowed_methods,
    reason = "a test of real processes waits in real time"
)]
fn watch(network: &Network, world: &mut World<'_>) -> Vec<Look> {
    let requests = || seen(network);
    // Surely not after the first request: when nothing had come yet was asked then.
    let (mut begun, mut asked) = (Instant::now(), Instant::now());
    crate::common::wait_for(|| {
        begun = std::mem::replace(&mut asked, Instant::now());
        requests() > 0
    });
    let mut looks = Vec::new();
    while begun.elapsed() < Duration::from_secs(LENGTH + 1) {
        world.act(begun.elapsed().as_secs_f64());
        let asked = begun.elapsed().as_secs_f64();
        let requests = requests();
        // However long a busy machine takes to look.
        let answered = begun.elapsed().as_secs_f64();
        looks.push(Look {
            asked,
            answered,
            requests,
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    looks
}

/// Two seeds, or those that are asked for: `CHAOS_SEEDS=3..9`.
#[test]
#[ignore = "needs root and iproute2; CI runs it"]
fn whatever_happens_to_a_fleet_the_books_agree_with_the_target() {
    let seeds = std::env::var("CHAOS_SEEDS").map_or(SEEDS, |asked| {
        let (first, last) = asked
            .split_once("..")
            .expect("CHAOS_SEEDS is a range: 3..9");
        first.parse().expect("a number")..last.parse().expect("a number")
    });
    for seed in seeds {
        println!("seed {seed}");
        whatever_happens(seed);
    }
}
