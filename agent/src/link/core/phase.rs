//! Setup or teardown as the link holds it: being done, or done and on its way to the controller in pieces.
//!
//! It is done once; whoever asks again is told again, from the first piece on. Also when the lease ran out meanwhile, and what it came to was
//! dropped: that it was begun is known for as long as the run lasts.

use super::{Action, Core};
use crate::fence::Fence;
use crate::phase::{PhaseJob, PhaseReport};
use crate::spool::Spool;
use plan::{PhaseKind, Plan};
use proto::v1::from_agent::Message;
use proto::v1::phase_piece::Piece;
use proto::v1::{self, LogLines, PhasePiece, PhaseTrouble, Rows};
use std::sync::Arc;

/// One phase of one run on this agent.
#[derive(Debug)]
pub(super) struct PhaseWork {
    run: String,
    kind: PhaseKind,
    /// Open while requests may be sent.
    pub(super) fence: Arc<Fence>,
    /// Until it is done.
    doing: bool,
    pieces: Vec<PhasePiece>,
    /// How many of the pieces were sent on this connection.
    sent: usize,
}

impl PhaseWork {
    fn is(&self, run: &str, kind: PhaseKind) -> bool {
        self.run == run && self.kind == kind
    }

    /// True if [`PhaseWork::next`] has something.
    pub(super) fn has_next(&self) -> bool {
        self.sent < self.pieces.len()
    }

    /// What is to be sent next of it.
    pub(super) fn next(&mut self) -> Option<Message> {
        let piece = self.pieces.get(self.sent)?.clone();
        self.sent += 1;
        Some(Message::Phase(piece))
    }

    /// It is done, or could not be.
    fn over(&mut self, report: PhaseReport, seat: u32, incarnation: u64) {
        self.doing = false;
        self.pieces = pieces(&self.run, self.kind, report, seat, incarnation);
        self.sent = 0;
    }
}

impl Core {
    /// The controller wants a phase done.
    pub(super) fn do_phase(&mut self, run: String, plan: Arc<Plan>, kind: PhaseKind) {
        if let Some(phase) = &mut self.phase
            && phase.is(&run, kind)
        {
            phase.sent = 0;
            return;
        }
        if self.was_begun(&run, kind) {
            return;
        }
        self.begun.retain(|(of, _)| *of == run);
        self.begun.push((run.clone(), kind));
        let fence = Arc::new(Fence::new(self.leased));
        let job = PhaseJob {
            plan: self.rows.complete(&run, plan),
            kind,
            fence: Arc::clone(&fence),
        };
        tracing::info!(run, "{} begins", kind.name());
        self.phase = Some(PhaseWork {
            run,
            kind,
            fence,
            doing: true,
            pieces: Vec::new(),
            sent: 0,
        });
        self.act(Action::Phase(job));
    }

    /// A phase that is wanted cannot be done in the state in which the agent is.
    pub(super) fn no_phase(&mut self, run: &str, kind: PhaseKind) {
        // What was done is told again, whatever the state.
        if let Some(phase) = self.phase.as_mut().filter(|phase| phase.is(run, kind)) {
            phase.sent = 0;
            return;
        }
        if !self.was_begun(run, kind) {
            let why = "the agent is not ready for it".to_owned();
            self.report_phase(run, kind, PhaseReport::unable(why));
        }
    }

    /// True if a phase was begun here and dropped since. Nobody is to begin it again, so that is answered.
    fn was_begun(&mut self, run: &str, kind: PhaseKind) -> bool {
        let begun = self.begun.iter().any(|(of, it)| of == run && *it == kind);
        if begun {
            let why = "the agent's lease ran out while it was done".to_owned();
            let problem = Some((PhaseTrouble::PhaseCut, why));
            let report = PhaseReport {
                problem,
                ..PhaseReport::unable(String::new())
            };
            self.report_phase(run, kind, report);
        }
        begun
    }

    fn report_phase(&mut self, run: &str, kind: PhaseKind, report: PhaseReport) {
        for piece in pieces(run, kind, report, 0, 0) {
            self.answer(Message::Phase(piece));
        }
    }

    /// The phase's thread is done, or broke.
    pub(super) fn phase_over(&mut self, report: Option<PhaseReport>) {
        let Some(work) = self.phase.as_mut().filter(|work| work.doing) else {
            return;
        };
        let mut report = report.unwrap_or_else(|| {
            let mut report = PhaseReport::unable(String::new());
            report.problem = Some((PhaseTrouble::PhaseFailed, "its thread broke".to_owned()));
            report
        });
        let run = work.run.clone();
        tracing::info!(run, problem = ?report.problem, "{} is over", work.kind.name());
        let lines = std::mem::take(&mut report.lines);
        let suppressed = report.suppressed;
        work.over(report, 0, self.settings.hello.incarnation);
        for piece in work.pieces.clone() {
            self.said(&run, Message::Phase(piece));
        }
        if !lines.is_empty() || suppressed > 0 {
            let log = Message::Log(LogLines {
                run: run.clone(),
                lines,
                suppressed,
            });
            self.said(&run, log.clone());
            self.answer(log);
        }
    }

    /// Cuts a phase that is being done.
    pub(super) fn cut_phase(&mut self, run: &str) {
        if self
            .phase
            .as_ref()
            .is_some_and(|phase| phase.doing && phase.run == run)
        {
            self.act(Action::CutPhase);
        }
    }

    /// Drops a phase, done or not.
    pub(super) fn drop_phase(&mut self) {
        if self.phase.take().is_some_and(|phase| phase.doing) {
            self.act(Action::DropPhase);
        }
    }

    /// Rows that setup gave.
    pub(super) fn take_rows(&mut self, rows: Rows) {
        // They come before the assignment that gives what takes them, which may be what tells of the run.
        if self.orders.run().is_some_and(|run| run != rows.run) {
            return;
        }
        if let Err(what) = self.rows.take(rows) {
            // The controller checks what it hands out; ours would be of another kind.
            self.lost(&format!(
                "the rows that the controller hands out are damaged: {what}"
            ));
        }
    }
}

/// A report as it goes over the wire.
fn pieces(
    run: &str,
    kind: PhaseKind,
    report: PhaseReport,
    seat: u32,
    incarnation: u64,
) -> Vec<PhasePiece> {
    let mut pieces = Vec::new();
    for (data, rows) in report.rows {
        let data = u32::try_from(data).unwrap_or(u32::MAX);
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let size = row.len() + proto::ROW_FRAME;
            if bytes > 0 && bytes + size > proto::CHUNK {
                let rows = std::mem::take(&mut chunk);
                pieces.push(Piece::Rows(v1::GivenRows { data, rows }));
                bytes = 0;
            }
            bytes += size;
            chunk.push(row);
        }
        if !chunk.is_empty() {
            pieces.push(Piece::Rows(v1::GivenRows { data, rows: chunk }));
        }
    }
    let took = i64::try_from(report.took.as_nanos()).unwrap_or(i64::MAX);
    if !report.series.is_empty() {
        // Run time is not theirs: setup is before it, and how long teardown comes after it only the controller knows.
        let mut spool = Spool::new(run, seat, incarnation);
        spool.push(-took, 0, report.series);
        while let Some(interval) = spool.take() {
            pieces.push(Piece::Interval(interval));
        }
    }
    let (trouble, problem) = report
        .problem
        .unwrap_or((PhaseTrouble::PhaseFine, String::new()));
    pieces.push(Piece::End(v1::PhaseEnd {
        trouble: trouble.into(),
        problem,
        took_ns: took.unsigned_abs(),
        requests: report.requests,
        requests_cut: report.requests_cut,
    }));
    (0..)
        .zip(pieces)
        .map(|(index, piece)| PhasePiece {
            run: run.to_owned(),
            phase: wire(kind).into(),
            index,
            piece: Some(piece),
        })
        .collect()
}

fn wire(kind: PhaseKind) -> v1::PhaseKind {
    match kind {
        PhaseKind::Setup => v1::PhaseKind::PhaseSetup,
        PhaseKind::Teardown => v1::PhaseKind::PhaseTeardown,
    }
}

/// Which phase a message is about.
pub(super) fn kind(phase: v1::PhaseKind) -> PhaseKind {
    match phase {
        v1::PhaseKind::PhaseSetup => PhaseKind::Setup,
        v1::PhaseKind::PhaseTeardown => PhaseKind::Teardown,
    }
}
