//! What charts mark of a run: when scenarios and their stages begin, what was changed and noted, who was lost, left and came. Each is
//! marked once. Pure.

use crate::change::Annotation;
use crate::handover::Standing;
use plan::{Control, Executor, Plan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Marks that are kept; beyond, the oldest go.
const KEPT: usize = 1_000;
/// Marks that are told to whoever looks.
const TOLD: usize = 200;

/// What is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A scenario's stage begins.
    Stage,
    /// Somebody changed the run.
    Change,
    /// An agent was lost.
    Lost,
    /// An agent handed its share over.
    Left,
    /// An agent came and got a share.
    Joined,
    /// Somebody noted something.
    Note,
}

impl Kind {
    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Change => "change",
            Self::Lost => "lost",
            Self::Left => "left",
            Self::Joined => "joined",
            Self::Note => "note",
        }
    }
}

/// One mark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Run time, in milliseconds.
    pub at_ms: f64,
    /// What it is.
    pub kind: Kind,
    /// For people.
    pub text: String,
    /// Who did it; empty if nobody did.
    pub who: String,
}

impl Mark {
    /// Run time in nanoseconds.
    #[must_use]
    pub fn run_ns(&self) -> i64 {
        (self.at_ms * 1e6) as i64
    }
}

/// All marks of a run, and what is yet to be marked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Marks {
    /// Stage times and texts of stages that did not begin yet, in order.
    stages: VecDeque<(u64, String)>,
    /// Annotations that were marked.
    annotations: usize,
    seats: BTreeMap<u32, Standing>,
    marks: VecDeque<Mark>,
    /// How many of the newest nobody took yet.
    fresh: usize,
}

impl Marks {
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
            ..Self::default()
        }
    }

    /// Marks the stages that have begun by a run time.
    pub fn stages(&mut self, run_ns: u64, control: &Control) {
        while let Some((stage, _)) = self.stages.front()
            && let Some(at) = control.run_time(*stage)
            && at <= run_ns
            && let Some((_, text)) = self.stages.pop_front()
        {
            self.mark(at as f64 / 1e6, Kind::Stage, text, "");
        }
    }

    /// Marks what was changed and noted since the last time.
    pub fn annotations(&mut self, all: &[Annotation]) {
        for annotation in all.iter().skip(self.annotations) {
            let (kind, at) = match annotation.note {
                true => (Kind::Note, annotation.asked_ms),
                false => (Kind::Change, annotation.from_ms),
            };
            self.mark(at, kind, annotation.what.clone(), &annotation.who);
        }
        self.annotations = all.len();
    }

    /// Marks that a seat came after T0, or that it stands otherwise than it did. `at_ms` is the run time of that.
    pub fn seat(&mut self, seat: u32, name: &str, standing: Standing, came_ms: f64, at_ms: f64) {
        let before = self.seats.insert(seat, standing);
        if before.is_none() && came_ms > 0.0 {
            self.mark(came_ms, Kind::Joined, format!("{name} joined"), "");
        }
        if before == Some(standing) {
            return;
        }
        match standing {
            Standing::Lost => self.mark(at_ms, Kind::Lost, format!("{name} lost"), ""),
            Standing::Left => self.mark(at_ms, Kind::Left, format!("{name} left"), ""),
            Standing::Present | Standing::Leaving | Standing::Finished => {}
        }
    }

    fn mark(&mut self, at_ms: f64, kind: Kind, text: String, who: &str) {
        let who = who.to_owned();
        self.marks.push_back(Mark {
            at_ms,
            kind,
            text,
            who,
        });
        self.fresh += 1;
        while self.marks.len() > KEPT {
            self.marks.pop_front();
        }
    }

    /// Those that nobody took yet, in the order in which they became known.
    pub fn fresh(&mut self) -> Vec<Mark> {
        let fresh = std::mem::take(&mut self.fresh).min(self.marks.len());
        self.marks
            .range(self.marks.len() - fresh..)
            .cloned()
            .collect()
    }

    /// All that are kept, by run time.
    #[must_use]
    pub fn all(&self) -> Vec<Mark> {
        let mut all: Vec<Mark> = self.marks.iter().cloned().collect();
        all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        all
    }

    /// The newest, by run time, for whoever looks.
    #[must_use]
    pub fn newest(&self) -> Vec<proto::v1::Mark> {
        let all = self.all();
        let newest = all.iter().skip(all.len().saturating_sub(TOLD));
        newest
            .map(|mark| proto::v1::Mark {
                run_ns: mark.run_ns(),
                kind: mark.kind.word().to_owned(),
                text: mark.text.clone(),
                who: mark.who.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn texts(marks: &mut Marks) -> Vec<(f64, String)> {
        let fresh = marks.fresh();
        fresh
            .into_iter()
            .map(|mark| (mark.at_ms, mark.text))
            .collect()
    }

    fn of(at_ms: f64, text: &str) -> (f64, String) {
        (at_ms, text.to_owned())
    }

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
        let mut marks = Marks::new(&plan::compile(&bundle).unwrap());
        let control = Control::default();
        marks.stages(0, &control);
        assert_eq!(texts(&mut marks), [of(0.0, "a: stage 1, to 5")]);
        marks.stages(SECOND, &control);
        assert_eq!(texts(&mut marks), [of(1e3, "b: constant-vus")]);
        let paused = control.pause(SECOND).unwrap().resume(4 * SECOND).unwrap();
        marks.stages(4 * SECOND, &paused);
        assert_eq!(texts(&mut marks), []);
        marks.stages(9 * SECOND, &paused);
        assert_eq!(texts(&mut marks), [of(5e3, "a: stage 2, to 0")]);
    }

    #[test]
    fn who_goes_and_comes_is_marked_once() {
        let mut marks = Marks::default();
        for _ in 0..2 {
            marks.seat(0, "a", Standing::Present, 0.0, 1e3);
            marks.seat(1, "b", Standing::Leaving, 0.0, 1e3);
            marks.seat(2, "c", Standing::Present, 5e3, 6e3);
        }
        assert_eq!(texts(&mut marks), [of(5e3, "c joined")]);
        for _ in 0..2 {
            marks.seat(0, "a", Standing::Lost, 0.0, 2e3);
            marks.seat(1, "b", Standing::Left, 0.0, 7e3);
        }
        assert_eq!(texts(&mut marks), [of(2e3, "a lost"), of(7e3, "b left")]);
        let all: Vec<f64> = marks.all().iter().map(|mark| mark.at_ms).collect();
        assert_eq!(all, [2e3, 5e3, 7e3], "by run time");
    }

    #[test]
    fn what_was_changed_and_noted_is_marked_where_it_holds() {
        let annotation = |note, what: &str| Annotation {
            from_ms: 2e3,
            asked_ms: 1e3,
            asked_unix_ms: 0,
            who: "ann".to_owned(),
            what: what.to_owned(),
            note,
        };
        let mut marks = Marks::default();
        let mut all = vec![annotation(false, "paused")];
        marks.annotations(&all);
        all.push(annotation(true, "cache flushed"));
        marks.annotations(&all);
        let kinds: Vec<Kind> = marks.all().iter().map(|mark| mark.kind).collect();
        assert_eq!(kinds, [Kind::Note, Kind::Change]);
        assert_eq!(marks.all()[0].who, "ann");
        assert_eq!(
            texts(&mut marks),
            [of(2e3, "paused"), of(1e3, "cache flushed")]
        );
        marks.annotations(&all);
        assert_eq!(texts(&mut marks), []);
    }

    #[test]
    fn marks_are_bounded() {
        let mut marks = Marks::default();
        for seat in 0..3_000 {
            marks.seat(seat, "x", Standing::Lost, 0.0, f64::from(seat));
        }
        assert_eq!(marks.all().len(), KEPT);
        assert_eq!(marks.newest().len(), TOLD);
        assert_eq!(marks.fresh().len(), KEPT);
        assert_eq!(marks.fresh().len(), 0);
    }
}
