//! A run's progress, once a second: from running totals, with quantiles from what is merged.

use crate::active::Active;
use crate::handover::{Handover, SeatChange, Standing, What};
use crate::member::Member;
use crate::outline::Outline;
use crate::plausible;
use crate::view::load::{Held, Look};
use metrics::Metric;
use proto::v1::{Progress, ScenarioTotals};

/// How the run stands.
#[must_use]
pub fn of(active: &Active, now: u64) -> Progress {
    let members = || active.members.values();
    let sum = |count: fn(&ScenarioTotals) -> u64| {
        plausible::sum(members().map(|member| member.total(count)))
    };
    let run_ns = active.run_time(now);
    let paused = active.outline.is_paused(run_ns);
    Progress {
        run_ns,
        length_ns: active.outline.end_at(run_ns),
        agents: active.run.running(),
        vus: members().map(|member| u64::from(member.vus)).sum(),
        vus_planned: active.outline.vus_at(run_ns),
        iterations: sum(|totals| totals.completed),
        interrupted: sum(|totals| totals.interrupted),
        requests: sum(|totals| totals.requests),
        failed: active.gather.passes(Metric::HttpReqFailed),
        rate: active.rates.requests(),
        p50_ns: active.gather.seconds.quantile(0.5),
        p95_ns: active.gather.seconds.quantile(0.95),
        annotations: fleet(active, run_ns)
            .into_iter()
            .chain(paused.then(|| "paused".to_owned()))
            .collect(),
    }
}

/// What was to be by a run time, for the picture.
#[must_use]
pub fn look(active: &Active, run: u64) -> Look {
    let last = active.gather.seconds.looked();
    Look {
        run,
        due: active.outline.due_by(run),
        vu_ns: (last.vu_ns).saturating_add(active.outline.vu_time(last.run, run)),
        agents: active.handover.as_ref().map_or(0, Handover::living),
    }
}

/// What a member made by a run time.
#[must_use]
pub fn held(outline: &Outline, member: &Member, run: u64) -> Held {
    let sum = |open: bool, number: fn(&ScenarioTotals) -> u64| -> u64 {
        let names = outline.named(open);
        plausible::sum(names.map(|name| member.of(name, number)))
    };
    Held {
        run,
        begun: sum(true, |totals| totals.begun),
        vu_ns: sum(false, |totals| totals.vu_ns_now.max(totals.vu_ns)),
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
