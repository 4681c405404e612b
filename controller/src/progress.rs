//! A run's progress, once a second: from running totals, with quantiles from what is merged.

use crate::active::Active;
use crate::handover::{Handover, SeatChange, Standing, What};
use crate::member::Member;
use crate::outline::Outline;
use crate::view::load::{Held, Look};
use metrics::Metric;
use proto::v1::{Progress, ScenarioTotals};
use serde::{Deserialize, Serialize};

/// What was told last, for the rate.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Pace {
    last: Option<(u64, u64)>,
}

impl Pace {
    /// Notes what was told.
    pub fn seen(&mut self, now: u64, requests: u64) {
        self.last = Some((now, requests));
    }

    /// How the run stands.
    #[must_use]
    pub fn progress(&self, active: &Active, now: u64) -> Progress {
        let members = || active.members.values();
        let requests = members()
            .map(|member| member.total(|totals| totals.requests))
            .sum();
        let rate = self
            .last
            .filter(|(then, _)| now > *then)
            .map_or(0.0, |(then, before)| {
                requests_since(requests, before) / ((now - then) as f64 / 1e9)
            });
        let run_ns = active.run_time(now);
        Progress {
            run_ns,
            length_ns: active.outline.end_at(run_ns),
            agents: active.run.running(),
            vus: members().map(|member| u64::from(member.vus)).sum(),
            vus_planned: active.outline.vus_at(run_ns),
            iterations: members()
                .map(|member| member.total(|totals| totals.completed))
                .sum(),
            interrupted: members()
                .map(|member| member.total(|totals| totals.interrupted))
                .sum(),
            requests,
            failed: active.gather.passes(Metric::HttpReqFailed),
            rate,
            p50_ns: active.gather.seconds.quantile(0.5),
            p95_ns: active.gather.seconds.quantile(0.95),
            annotations: fleet(active, run_ns)
                .into_iter()
                .chain(
                    active
                        .outline
                        .is_paused(run_ns)
                        .then(|| "paused".to_owned()),
                )
                .collect(),
        }
    }
}

/// What is to be now, for the picture.
#[must_use]
pub fn look(active: &Active, now: u64) -> Look {
    let run = u64::try_from(active.run_time(now)).unwrap_or(0);
    Look {
        run,
        due: active.outline.due_by(run),
        vus: active.outline.vus_at(active.run_time(now)),
        agents: active.handover.as_ref().map_or(0, Handover::living),
    }
}

/// What a member made by a run time.
#[must_use]
pub fn held(outline: &Outline, member: &Member, run: u64) -> Held {
    let sum = |open: bool, number: fn(&ScenarioTotals) -> u64| -> u64 {
        let names = outline.named(open);
        names.map(|name| member.of(name, number)).sum()
    };
    Held {
        run,
        begun: sum(true, |totals| totals.begun),
        vu_ns: sum(false, |totals| totals.vu_ns),
        busy: sum(true, |totals| totals.in_flight),
    }
}

/// Who goes and who comes, in a word each.
fn fleet(active: &Active, run_ns: i64) -> Vec<String> {
    let Some(handover) = &active.handover else {
        return Vec::new();
    };
    let handed = |number: u32| {
        let gone = |change: &&SeatChange| change.what == What::Gone(number);
        let from = handover.changes.iter().find(gone)?.from;
        (i64::try_from(from).is_ok_and(|from| from <= run_ns)).then_some(())
    };
    let back = |name: &str| {
        let seats = handover.seats.iter();
        let mut present = seats.filter(|seat| seat.standing == Standing::Present);
        present.any(|seat| seat.name == name)
    };
    let mut words: Vec<String> = (0..)
        .zip(&handover.seats)
        .filter(|(_, seat)| matches!(seat.standing, Standing::Lost | Standing::Leaving))
        .filter(|(_, seat)| !back(&seat.name))
        .filter_map(|(number, seat)| match seat.standing {
            Standing::Lost if handed(number).is_some() => {
                Some(format!("{} lost, its share handed on", seat.name))
            }
            Standing::Lost => Some(format!("{} lost", seat.name)),
            Standing::Leaving => Some(format!("{} hands its share over", seat.name)),
            _ => None,
        })
        .collect();
    words.extend(
        handover
            .newcomers()
            .map(|(_, name)| format!("{name} is to join")),
    );
    words
}

fn requests_since(now: u64, before: u64) -> f64 {
    now.saturating_sub(before) as f64
}
