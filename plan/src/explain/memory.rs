//! What an agent's memory will be, and which rows it needs: bounds, each with its formula.

use super::{Load, Of};
use crate::step::Expression;
use crate::{Plan, Rows, Step, Stripe};
use metrics::{Histogram, Metric};

/// Bytes of one VU at work: its task, its connection with both buffers, its variables. Measured on x86-64 Linux: between 100 and
/// 2,000 VUs, each with a plain HTTP/1.1 connection, an agent's resident memory grew by 20.6 KiB for each; rounded up. TLS and large
/// bodies add their own.
pub(super) const VU_BYTES: u64 = 24 * 1024;

/// Bytes of the program before any VU: what an agent's resident memory was at 100 VUs, less those and their recording.
pub(super) const PROGRAM_BYTES: u64 = 12 * 1024 * 1024;

/// Bytes of one row that setup gives, as an agent holds it: as it came, and in its plan. Measured with objects of two short fields
/// (1,660 bytes); a plain text or number takes about 200. How long rows will be nobody knows before setup.
pub(super) const ROW_BYTES: u64 = 1_700;

/// Kinds of request outcome (by scenario, request, status, …) that one agent keeps apart at most; further ones go to the
/// counted `overflow` series.
pub(super) const MOST_OUTCOMES: u64 = 100;

/// What recording takes.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// Bytes of the distributions of one kind of request outcome.
    pub(super) outcome: u64,
    /// Kinds of outcome if every request has only one.
    pub(super) outcomes: u64,
    /// Bytes of the distributions of all scenarios: iterations, lateness, groups.
    pub(super) scenarios: u64,
    /// Data sets, as they are used.
    pub(super) data: Vec<Data>,
}

/// A data set.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) name: String,
    pub(super) rows: u64,
    /// Bytes of its rows as text; a range has none.
    pub(super) bytes: u64,
    /// Rows that `cycle` reads one after the other, if it is used so.
    pub(super) cycled: Option<Cycled>,
    pub(super) random: bool,
    /// Rows that are taken one by one, each VU or iteration its own; 0 if it is not used so.
    pub(super) taken: u64,
    /// True if setup gives its rows.
    pub(super) given: bool,
}

/// How far a cycle goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cycled {
    /// So many iterations.
    Times(u64),
    /// As many as time allows.
    Unknown,
}

impl Memory {
    pub(super) fn new(plan: &Plan) -> Self {
        const PHASES: [Metric; 6] = [
            Metric::HttpReqBlocked,
            Metric::HttpReqConnecting,
            Metric::HttpReqTlsHandshaking,
            Metric::HttpReqSending,
            Metric::HttpReqWaiting,
            Metric::HttpReqReceiving,
        ];
        const OF_SCENARIO: [Metric; 3] = [
            Metric::IterationDuration,
            Metric::IterationLateness,
            Metric::IterationCorrected,
        ];
        let open = plan.scenarios.iter().any(|s| s.executor.is_open());
        let corrected = if open {
            bytes(Metric::HttpReqCorrected)
        } else {
            0
        };
        let outcome =
            bytes(Metric::HttpReqDuration) + PHASES.map(bytes).iter().sum::<u64>() + corrected;
        let mut outcomes = 0;
        let mut scenarios = 0;
        for scenario in &plan.scenarios {
            let (mut requests, mut groups) = (0, 0);
            count(&plan.flows[scenario.exec].steps, &mut requests, &mut groups);
            outcomes += requests;
            scenarios +=
                OF_SCENARIO.map(bytes).iter().sum::<u64>() + groups * bytes(Metric::GroupDuration);
        }
        Self {
            outcome,
            outcomes: outcomes.min(MOST_OUTCOMES),
            scenarios,
            data: data(plan),
        }
    }

    /// Bytes of an agent with one worker that holds so many rows of setup's: at least (one outcome of each request), and at most.
    pub(super) fn of(
        &self,
        loads: &[Load<'_>],
        stripe: &Stripe,
        (agent, given): (usize, u64),
    ) -> (u64, u64) {
        let vus = peak_vus(loads, stripe, agent);
        let data: u64 = self.data.iter().map(|data| data.bytes).sum();
        let rest = PROGRAM_BYTES + vus * VU_BYTES + given * ROW_BYTES + self.scenarios + data;
        (
            rest + self.outcomes * self.outcome,
            rest + MOST_OUTCOMES * self.outcome,
        )
    }
}

/// The most VUs of an agent at one time: scenarios that follow one another do not add up.
pub(super) fn peak_vus(loads: &[Load<'_>], stripe: &Stripe, agent: usize) -> u64 {
    peak(loads, |load| load.max_vus(stripe, Of::Agent(agent)))
}

/// The same of any part of each scenario's.
pub(super) fn peak(loads: &[Load<'_>], part: impl Fn(&Load<'_>) -> u64) -> u64 {
    // The sum can only rise where a scenario begins.
    let at = |load: &Load<'_>| load.scenario.start_time;
    loads
        .iter()
        .map(|beginning| {
            loads
                .iter()
                .filter(|load| at(load) <= at(beginning) && at(beginning) < load.scenario.cut_end())
                .map(&part)
                .sum()
        })
        .max()
        .unwrap_or(0)
}

/// A trend's histogram.
fn bytes(metric: Metric) -> u64 {
    Histogram::footprint(metric.resolution()) as u64
}

fn count(steps: &[Step], requests: &mut u64, groups: &mut u64) {
    for step in steps {
        match step {
            Step::Request(_) => *requests += 1,
            Step::Group { steps, .. } => {
                *groups += 1;
                count(steps, requests, groups);
            }
            Step::Each { steps, .. } => count(steps, requests, groups),
            Step::Let(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
        }
    }
}

fn data(plan: &Plan) -> Vec<Data> {
    let mut list: Vec<Data> = plan
        .data
        .iter()
        .enumerate()
        .map(|(id, set)| Data {
            name: set.name.clone(),
            rows: set.rows.count(),
            bytes: match &set.rows {
                // What setup gives is counted for each agent.
                Rows::Range(..) | Rows::Given { .. } => 0,
                Rows::List(rows) => rows.iter().map(|row| row.to_string().len() as u64).sum(),
            },
            cycled: None,
            random: false,
            taken: plan
                .rows_needed(id)
                .iter()
                .map(|need| need.rows)
                .max()
                .unwrap_or(0),
            given: set.is_given(),
        })
        .collect();
    for scenario in &plan.scenarios {
        let times = match scenario.executor.iterations() {
            Some(times) => Cycled::Times(times),
            None => Cycled::Unknown,
        };
        uses(&plan.flows[scenario.exec].steps, times, &mut list);
    }
    list
}

fn uses(steps: &[Step], times: Cycled, list: &mut [Data]) {
    for step in steps {
        match step {
            Step::Let(values) => {
                for (_, expression) in values {
                    match expression {
                        Expression::Random(id) => list[*id].random = true,
                        Expression::Cycle(id) => {
                            list[*id].cycled = Some(match (list[*id].cycled, times) {
                                (Some(Cycled::Unknown), _) | (_, Cycled::Unknown) => {
                                    Cycled::Unknown
                                }
                                (Some(Cycled::Times(a)), Cycled::Times(b)) => {
                                    Cycled::Times(a.max(b))
                                }
                                (None, times) => times,
                            });
                        }
                        // Counted as `taken`.
                        Expression::Own(_) | Expression::PerIteration(_) => {}
                        Expression::Json(_) => {}
                    }
                }
            }
            Step::Group { steps, .. } | Step::Each { steps, .. } => uses(steps, times, list),
            Step::Request(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
        }
    }
}
