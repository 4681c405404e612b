//! What setup and teardown came to: their pieces put together, the rows that setup gave, and whose they are.
//!
//! A phase counts as a whole, with its end, or not at all; so it is merged once, however often it is told.

use crate::run::{AgentId, PhaseProblem};
use metrics::Interval;
use plan::{PhaseKind, Plan, Shares};
use proto::v1::phase_piece::Piece;
use proto::v1::{self, PhasePiece, PhaseTrouble};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most intervals of one phase; one holds a thousand series.
const INTERVALS: usize = 64;

/// One of the two in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseFacts {
    /// `setup` or `teardown`.
    pub phase: String,
    /// The agent that did it.
    pub agent: String,
    /// How long it took there, in milliseconds.
    pub took_ms: f64,
    /// Requests by the agent's count; they are in `http_reqs`, tagged with the phase's group.
    pub requests: u64,
    /// Requests in what was merged of it: the same number, unless throng counts wrongly.
    pub requests_merged: u64,
    /// Requests in flight when it was cut: in neither of the above.
    pub requests_cut: u64,
    /// Rows given, by data set.
    pub rows: BTreeMap<String, u64>,
    /// Why it did not come to its end; empty if it did.
    pub problem: String,
}

/// A phase that is being told.
#[derive(Debug)]
struct Telling {
    from: AgentId,
    phase: PhaseKind,
    next: u32,
    rows: BTreeMap<u32, Vec<Vec<u8>>>,
    bytes: usize,
    count: u64,
    intervals: Vec<Interval>,
}

/// A phase that was told whole.
#[derive(Debug)]
pub struct Told {
    /// Which.
    pub phase: PhaseKind,
    /// What it measured.
    pub intervals: Vec<Interval>,
    /// How it ended.
    pub end: v1::PhaseEnd,
    /// Rows by data set.
    rows: BTreeMap<u32, Vec<Vec<u8>>>,
}

/// Setup and teardown of one run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Phases {
    // Told again, from its beginning, on the next connection.
    #[serde(skip)]
    telling: Option<Telling>,
    /// Rows that setup gave, by data set, as JSON.
    rows: BTreeMap<u32, Vec<Vec<u8>>>,
    /// What is known of those that are over, for the report.
    pub facts: Vec<PhaseFacts>,
    /// Their time in all, in nanoseconds.
    pub took_ns: u64,
}

/// Which phase a message is about.
#[must_use]
pub fn kind(phase: v1::PhaseKind) -> PhaseKind {
    match phase {
        v1::PhaseKind::PhaseSetup => PhaseKind::Setup,
        v1::PhaseKind::PhaseTeardown => PhaseKind::Teardown,
    }
}

/// The same on the wire.
#[must_use]
pub fn wire(kind: PhaseKind) -> v1::PhaseKind {
    match kind {
        PhaseKind::Setup => v1::PhaseKind::PhaseSetup,
        PhaseKind::Teardown => v1::PhaseKind::PhaseTeardown,
    }
}

impl Phases {
    /// Takes a piece. `Some` with the last one; an error if what was told cannot be used.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn take(&mut self, from: AgentId, piece: PhasePiece) -> Result<Option<Told>, String> {
        let phase = kind(piece.phase());
        if piece.index == 0 {
            self.telling = Some(Telling {
                from,
                phase,
                next: 0,
                rows: BTreeMap::new(),
                bytes: 0,
                count: 0,
                intervals: Vec::new(),
            });
        }
        let Some(telling) = self.telling.as_mut() else {
            return Ok(None);
        };
        // The rest of what was told on a connection that broke: it is told again from the start.
        if (telling.from, telling.phase, telling.next) != (from, phase, piece.index) {
            return Ok(None);
        }
        telling.next += 1;
        let result = match piece.piece {
            Some(Piece::Rows(rows)) => telling.rows(rows),
            Some(Piece::Interval(interval)) => telling.interval(&interval),
            Some(Piece::End(end)) => {
                return Ok(self.telling.take().map(|telling| Told {
                    phase: telling.phase,
                    intervals: telling.intervals,
                    end,
                    rows: telling.rows,
                }));
            }
            // A piece of a later version.
            None => Ok(()),
        };
        if result.is_err() {
            self.telling = None;
        }
        result.map(|()| None)
    }

    /// Books a phase that was told whole. The problem, if it did not come to its end or its rows do not do.
    ///
    /// # Errors
    /// Why the run cannot go on.
    pub fn book(
        &mut self,
        told: Told,
        agent: &str,
        plan: &Plan,
        requests_merged: u64,
    ) -> Result<(), PhaseProblem> {
        let Told {
            phase, end, rows, ..
        } = told;
        let trouble = end.trouble();
        let mut result = match trouble {
            PhaseTrouble::PhaseFine => Ok(()),
            _ => Err(PhaseProblem {
                trouble,
                text: crate::names::printable(&end.problem),
            }),
        };
        if phase == PhaseKind::Setup {
            self.rows = rows;
            if result.is_ok()
                && let Some(text) = self.too_few(plan)
            {
                let trouble = PhaseTrouble::PhaseFailed;
                result = Err(PhaseProblem { trouble, text });
            }
        }
        if trouble == PhaseTrouble::PhaseUnable {
            return result;
        }
        self.took_ns = self.took_ns.saturating_add(end.took_ns);
        self.facts.push(PhaseFacts {
            phase: phase.name().to_owned(),
            agent: agent.to_owned(),
            took_ms: end.took_ns as f64 / 1e6,
            requests: end.requests,
            requests_merged,
            requests_cut: end.requests_cut,
            rows: if phase == PhaseKind::Setup {
                self.counts(plan)
            } else {
                BTreeMap::new()
            },
            problem: result
                .as_ref()
                .err()
                .map(|problem| problem.text.clone())
                .unwrap_or_default(),
        });
        result
    }

    fn too_few(&self, plan: &Plan) -> Option<String> {
        let given = plan
            .data
            .iter()
            .enumerate()
            .filter(|(_, set)| set.is_given());
        let short = given
            .filter_map(|(id, _)| plan.too_few_rows(id, self.count(id)))
            .next()?;
        Some(format!(
            "{short}. Give more rows, begin fewer, or let rows be used again with `recycle: true` beside `setup: true`"
        ))
    }

    fn count(&self, data: usize) -> u64 {
        u32::try_from(data)
            .ok()
            .and_then(|data| self.rows.get(&data))
            .map_or(0, |rows| rows.len() as u64)
    }

    fn counts(&self, plan: &Plan) -> BTreeMap<String, u64> {
        let given = plan
            .data
            .iter()
            .enumerate()
            .filter(|(_, set)| set.is_given());
        given
            .map(|(id, set)| (set.name.clone(), self.count(id)))
            .collect()
    }

    /// The rows that a seat needs from the moment on at which the first so many changes of these shares hold, without those that it had
    /// under `before`; in messages of at most about 1 MiB.
    #[must_use]
    pub fn of_seat(
        &self,
        run: &str,
        plan: &Plan,
        shares: &Shares,
        (changes, before): (usize, Option<&Shares>),
        seat: usize,
    ) -> Vec<v1::Rows> {
        self.messages(run, plan, |data, count| {
            let mut rows = plan.rows_since(data, shares, seat, count, changes);
            if let Some(before) = before {
                let had = plan.rows_of(data, before, seat, count);
                rows.retain(|row| !had.contains(row));
            }
            rows.into_iter().collect()
        })
    }

    /// All rows, for teardown, if it goes over any.
    #[must_use]
    pub fn for_teardown(&self, run: &str, plan: &Plan) -> Vec<v1::Rows> {
        let Some(teardown) = &plan.teardown else {
            return Vec::new();
        };
        let steps = &plan.flows[teardown.flow].steps;
        let used = |data: usize| {
            steps
                .iter()
                .any(|step| matches!(step, plan::Step::Each { data: over, .. } if *over == data))
        };
        self.messages(run, plan, |data, count| {
            if used(data) {
                (0..count).collect()
            } else {
                Vec::new()
            }
        })
    }

    fn messages(
        &self,
        run: &str,
        plan: &Plan,
        whose: impl Fn(usize, u64) -> Vec<u64>,
    ) -> Vec<v1::Rows> {
        let mut messages = Vec::new();
        for (id, _) in plan
            .data
            .iter()
            .enumerate()
            .filter(|(_, set)| set.is_given())
        {
            let Ok(data) = u32::try_from(id) else {
                continue;
            };
            let none = Vec::new();
            let given = self.rows.get(&data).unwrap_or(&none);
            let count = given.len() as u64;
            let message = |rows| v1::Rows {
                run: run.to_owned(),
                data,
                count,
                rows,
            };
            let mut rows = Vec::new();
            let mut bytes = 0;
            for index in whose(id, count) {
                let Some(json) = usize::try_from(index).ok().and_then(|i| given.get(i)) else {
                    continue;
                };
                let size = json.len() + proto::ROW_FRAME;
                if bytes > 0 && bytes + size > proto::CHUNK {
                    messages.push(message(std::mem::take(&mut rows)));
                    bytes = 0;
                }
                bytes += size;
                rows.push(v1::Row {
                    index,
                    json: json.clone(),
                });
            }
            // Also where there are none: that is known then.
            messages.push(message(rows));
        }
        messages
    }
}

impl Telling {
    fn rows(&mut self, rows: v1::GivenRows) -> Result<(), String> {
        for row in rows.rows {
            self.bytes += row.len();
            self.count += 1;
            if self.bytes > proto::MAX_ROWS || self.count > proto::MAX_ROW_COUNT {
                return Err(format!(
                    "it gave more than {} rows or {} MiB of them",
                    proto::MAX_ROW_COUNT,
                    proto::MAX_ROWS >> 20
                ));
            }
            if row.len() > proto::MAX_ROW {
                return Err(format!("it gave a row of {} bytes", row.len()));
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(&row).is_err() {
                return Err("it gave a row that is not JSON".to_owned());
            }
            self.rows.entry(rows.data).or_default().push(row);
        }
        Ok(())
    }

    fn interval(&mut self, interval: &v1::Interval) -> Result<(), String> {
        if self.intervals.len() >= INTERVALS {
            return Err(format!("it measured more than {INTERVALS} intervals"));
        }
        let interval = proto::convert::from_wire(interval)
            .map_err(|rejected| format!("what it measured is damaged: {rejected}"))?;
        self.intervals.push(interval);
        Ok(())
    }
}
