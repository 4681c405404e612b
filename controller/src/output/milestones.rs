//! What charts mark of a run: when scenarios and their stages begin, what was changed, who was lost. Pure.

use plan::{Control, Executor, Plan};
use std::collections::{BTreeSet, VecDeque};

/// What is yet to be marked, and what was.
#[derive(Debug, Default)]
pub struct Milestones {
    /// Stage times and texts, in order.
    stages: VecDeque<(u64, String)>,
    /// Changes that were marked.
    pub changes: usize,
    lost: BTreeSet<u32>,
}

impl Milestones {
    /// Of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut stages: Vec<(u64, String)> = Vec::new();
        for scenario in &plan.scenarios {
            let begin = crate::clock::ns(scenario.start_time);
            let name = &scenario.name;
            match &scenario.executor {
                Executor::RampingVus { stages: all, .. }
                | Executor::RampingArrivalRate { stages: all, .. } => {
                    let mut at = begin;
                    for (number, stage) in (1..).zip(all) {
                        let to = stage.target;
                        stages.push((at, format!("{name}: stage {number}, to {to}")));
                        at = at.saturating_add(crate::clock::ns(stage.duration));
                    }
                }
                executor => stages.push((begin, format!("{name}: {}", executor.name()))),
            }
        }
        stages.sort_by_key(|(at, _)| *at);
        Self {
            stages: stages.into(),
            changes: 0,
            lost: BTreeSet::new(),
        }
    }

    /// Stages that have begun since the last time, by run time.
    pub fn begun(&mut self, run_ns: u64, control: &Control) -> Vec<(u64, String)> {
        let mut begun = Vec::new();
        while let Some((stage, _)) = self.stages.front()
            && let Some(at) = control.run_time(*stage)
            && at <= run_ns
            && let Some((_, text)) = self.stages.pop_front()
        {
            begun.push((at, text));
        }
        begun
    }

    /// True the first time that a seat is lost.
    pub fn lost(&mut self, seat: u32) -> bool {
        self.lost.insert(seat)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn stages_begin_when_pauses_let_them() {
        let source = "
scenarios:
  a: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 2s, target: 5 }, { duration: 3s, target: 0 }] }
  b: { executor: constant-vus, vus: 1, duration: 1s, startTime: 1s }
flows: { default: [ { get: 'http://127.0.0.1:9/' } ] }
";
        let bundle = plan::Bundle {
            name: "t.yaml".to_owned(),
            source: source.to_owned(),
            ..plan::Bundle::default()
        };
        let plan = plan::compile(&bundle).unwrap();
        let mut milestones = Milestones::new(&plan);
        const SECOND: u64 = 1_000_000_000;
        let control = Control::default();
        let begun = milestones.begun(0, &control);
        assert_eq!(begun, [(0, "a: stage 1, to 5".to_owned())]);
        let begun = milestones.begun(SECOND, &control);
        assert_eq!(begun, [(SECOND, "b: constant-vus".to_owned())]);
        let paused = control.pause(SECOND).unwrap().resume(4 * SECOND).unwrap();
        assert_eq!(milestones.begun(4 * SECOND, &paused), []);
        let begun = milestones.begun(9 * SECOND, &paused);
        assert_eq!(begun, [(5 * SECOND, "a: stage 2, to 0".to_owned())]);
    }
}
