//! `throng watch`: somebody else's run, on a standing controller.

use crate::common::{Controller, Demo, Standing, run, throng};
use crate::{Stage, first, last};

/// A standing controller with one agent, and a run on it.
pub(crate) struct Fleet {
    controller: Option<Controller>,
    _agent: Standing,
    _demo: Demo,
    pub(crate) url: String,
    pub(crate) run: String,
}

impl Fleet {
    pub(crate) fn start(stage: &Stage) -> Self {
        let demo = Demo::fast();
        let controller = Controller::start();
        let agent = controller.agent("anna");
        let url = controller.url.clone();
        let scenario = stage.folder.file("browsing.yaml");
        let base = demo.url();
        let said = run(&[
            "run",
            "--controller",
            &url,
            "--detach",
            "--expect-agents",
            "1",
            "--base-url",
            &base,
            &scenario,
        ]);
        assert_eq!(said.code, 0, "{}", said.err);
        Self {
            controller: Some(controller),
            _agent: agent,
            _demo: demo,
            url,
            run: said.out.trim().to_owned(),
        }
    }

    /// Types `throng watch`.
    pub(crate) fn watch(&self, stage: &Stage, more: &str) {
        stage.throng(&format!("watch --controller {} {more}", self.url));
    }

    /// Kills the controller.
    pub(crate) fn end_controller(&mut self) {
        self.controller = None;
    }
}

#[test]
#[ignore = "needs tmux"]
fn a_run_is_watched_and_left_alone_in_tmux() {
    let stage = Stage::new("live-watch", 80, 24);
    let tmux = &stage.tmux;
    let fleet = Fleet::start(&stage);
    // The only run there is; then by name.
    for named in ["", &fleet.run] {
        fleet.watch(&stage, named);
        let screen = tmux.until("figures", |screen| {
            first(screen).contains("load  ")
                && screen.contains("10/10")
                && screen.contains("● anna")
        });
        assert!(first(&screen).contains(&fleet.run), "{screen}");
        assert!(last(&screen).contains("q leave"), "{screen}");
        tmux.key("q");
        let after = tmux.sees("code 0");
        assert!(
            after.contains(&format!("run {} goes on", fleet.run)),
            "{after}"
        );
        assert_eq!(stage.report(), "");
        tmux.is_as_before(&stage.before);
    }

    // Who watches may change it; when it ends, its report is printed, with its exit code.
    fleet.watch(&stage, "");
    tmux.sees("10/10");
    tmux.key("p");
    tmux.until("a pause", |screen| first(screen).contains("paused  "));
    tmux.key("C-c");
    tmux.sees("code 105");
    tmux.is_as_before(&stage.before);
    fleet.watch(&stage, "");
    tmux.until("a pause", |screen| first(screen).contains("paused  "));
    let stopped = throng(&["stop", "--controller", &fleet.url, &fleet.run])
        .output()
        .unwrap();
    assert!(stopped.status.success());
    tmux.sees("code 105");
    assert!(stage.report().contains("TOTAL RESULTS"));
    tmux.is_as_before(&stage.before);

    // Nothing to watch is said, with what to try.
    fleet.watch(&stage, "");
    tmux.sees("no run is in progress");
}
