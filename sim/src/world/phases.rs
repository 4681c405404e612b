//! Setup and teardown, simulated: some time on one agent, in which setup gives rows. What is theirs is the real link's.

use super::{Happening, MS, S, World};
use crate::crew;
use crate::target::Life;
use agent::link::core::{Event, PhaseJob, PhaseReport};
use metrics::{Metric, Series, Tags, Value};
use plan::PhaseKind;
use proto::v1::PhaseTrouble;
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests that a phase makes.
const REQUESTS: u64 = 3;

/// A phase being done by a process.
pub(super) struct Doing {
    job: PhaseJob,
    /// Reading of its clock.
    since: u64,
    /// It comes to no good end.
    fails: bool,
}

impl World {
    pub(super) fn phase(&mut self, number: usize, job: PhaseJob) {
        let now = self.schedule.now();
        let begun = self.phases.entry(job.kind.name()).or_default();
        *begun += 1;
        if *begun > 1 {
            self.target
                .broken(format!("{} was begun a second time", job.kind.name()));
        }
        let phase = match job.kind {
            PhaseKind::Setup => &job.plan.setup,
            PhaseKind::Teardown => &job.plan.teardown,
        };
        let longest = phase.as_ref().map_or(0, |phase| crew::nanos(phase.timeout));
        let host = &mut self.hosts[number];
        let takes = match host.random.between(0, 39) {
            // It hangs, or is too slow.
            0 => 3 * longest,
            1 => longest + 10 * MS,
            2..=9 => host.random.between(S, 5 * S),
            _ => host.random.between(MS, S),
        };
        let fails = host.random.chance(40);
        let Some(process) = &mut host.process else {
            return;
        };
        let since = host.clock.reads(now);
        let kind = job.kind;
        process.doing = Some(Doing { job, since, fails });
        let life = process.life;
        self.note(format_args!("a{number} begins {}", kind.name()));
        self.schedule
            .at(now + takes, Happening::Phased(life, kind, false));
    }

    /// It is to be cut: it looks up some 20 ms later.
    pub(super) fn cut_phase(&mut self, number: usize) {
        let now = self.schedule.now();
        if let Some(process) = &self.hosts[number].process
            && let Some(doing) = &process.doing
        {
            let happening = Happening::Phased(process.life, doing.job.kind, true);
            self.schedule.at(now + 20 * MS, happening);
        }
    }

    /// Its time has come.
    pub(super) fn phased(&mut self, life: Life, kind: PhaseKind, cut: bool) {
        if self.frozen(life.host, Happening::Phased(life, kind, cut)) || !self.is_here(life) {
            return;
        }
        let now = self.schedule.now();
        let host = &mut self.hosts[life.host];
        let reads = host.clock.reads(now);
        let Some(process) = &mut host.process else {
            return;
        };
        let Some(doing) = process.doing.take_if(|doing| doing.job.kind == kind) else {
            return;
        };
        let took = reads.saturating_sub(doing.since);
        let phase = match kind {
            PhaseKind::Setup => &doing.job.plan.setup,
            PhaseKind::Teardown => &doing.job.plan.teardown,
        };
        let longest = phase.as_ref().map_or(0, |phase| crew::nanos(phase.timeout));
        let problem = if cut || reads >= doing.job.fence.until() {
            Some((PhaseTrouble::PhaseCut, "it was cut".to_owned()))
        } else if took > longest {
            Some((PhaseTrouble::PhaseTimedOut, "it took too long".to_owned()))
        } else if doing.fails {
            Some((PhaseTrouble::PhaseFailed, "its own step".to_owned()))
        } else {
            None
        };
        let mut rows = BTreeMap::new();
        if kind == PhaseKind::Setup && problem.is_none() {
            for (id, set) in doing.job.plan.data.iter().enumerate() {
                if set.is_given() {
                    rows.insert(id, (0..crew::ROWS).map(crew::row).collect());
                }
            }
        }
        let series = Series {
            tags: Tags::default().with("group", kind.group()),
            values: vec![(Metric::HttpReqs, Value::counter(REQUESTS as f64))],
        };
        let report = PhaseReport {
            series: vec![series],
            problem,
            rows,
            took: Duration::from_nanos(took),
            requests: REQUESTS,
            ..PhaseReport::unable(String::new())
        };
        self.step(life.host, Event::PhaseOver(Some(report)));
    }
}
