//! Whoever started the run, and watches it: the command line's part.

use super::World;
use crate::sabotage::Sabotage;
use controller::Report;
use controller::director::Input;
use proto::v1::{RunEvent, run_event};
use tokio::sync::{broadcast, oneshot};

impl World {
    pub(super) fn watch(&mut self) {
        let controller = &mut self.controller;
        if let Some(answer) = &mut controller.started
            && let Ok(reply) = answer.try_recv()
        {
            controller.started = None;
            match reply {
                Ok(reply) => {
                    controller.run.clone_from(&reply.run);
                    let (reply_to, answer) = oneshot::channel();
                    controller.watched = Some(answer);
                    let run = controller.run.clone();
                    self.post(Input::Watch(run, reply_to));
                }
                Err(refusal) => self
                    .target
                    .broken(format!("the run was refused: {refusal:?}")),
            }
            return;
        }
        if let Some(answer) = &mut controller.watched
            && let Ok(answer) = answer.try_recv()
        {
            let Ok((so_far, follows)) = answer else {
                controller.watched = None;
                self.target
                    .broken("the controller does not know its run any more".to_owned());
                return;
            };
            controller.watched = None;
            controller.events = follows;
            for event in so_far {
                self.told(event);
            }
        }
        while let Some(events) = &mut self.controller.events {
            match events.try_recv() {
                Ok(event) => self.told(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return,
            }
        }
    }

    fn told(&mut self, event: RunEvent) {
        // A run's id is random, and the log is not.
        let run = self.controller.run.clone();
        let plain = |text: &str| text.replace(&run, "RUN");
        match event.event {
            Some(run_event::Event::State(state)) => {
                self.note(format_args!(
                    "the run is {:?}: {}",
                    state.state(),
                    plain(&state.text)
                ));
            }
            Some(run_event::Event::Log(line)) => {
                self.note(format_args!("note: {}", plain(&line.text)))
            }
            Some(run_event::Event::Over(mut over)) => {
                if self.sabotage == Some(Sabotage::GapsLeftOut) {
                    over.report = without_gaps(&over.report);
                }
                self.note(format_args!(
                    "over: {} {}",
                    over.exit_code,
                    plain(&over.text)
                ));
                self.over = Some(over);
                self.inside.over.get_or_insert(self.schedule.now());
            }
            Some(
                run_event::Event::Progress(_)
                | run_event::Event::View(_)
                | run_event::Event::Seconds(_),
            )
            | None => {}
        }
    }
}

/// A report that says nothing of what was lost.
fn without_gaps(report: &[u8]) -> Vec<u8> {
    let Ok(mut report) = serde_json::from_slice::<Report>(report) else {
        return Vec::new();
    };
    for line in &mut report.conservation.scenarios {
        line.planned -= std::mem::take(&mut line.lost);
    }
    serde_json::to_vec(&report).unwrap_or_default()
}
