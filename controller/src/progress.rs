//! A run's progress, once a second: from running totals, with quantiles from what is merged.

use crate::active::Active;
use crate::run::Part;
use metrics::Metric;
use proto::v1::Progress;

/// What was told last, for the rate.
#[derive(Debug, Clone, Copy, Default)]
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
        let quantiles = active.gather.service_time(&[0.5, 0.95]).unwrap_or_default();
        let quantile = |index: usize| quantiles.get(index).map_or(0, |ns| *ns as u64);
        let run_ns = active.run_time(now);
        let lost = active
            .run
            .members
            .values()
            .filter(|member| member.part == Part::Lost);
        Progress {
            run_ns,
            length_ns: active.outline.end_at(run_ns),
            agents: active
                .run
                .members
                .values()
                .filter(|member| member.part == Part::Running)
                .count() as u32,
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
            p50_ns: quantile(0),
            p95_ns: quantile(1),
            annotations: lost
                .map(|member| format!("{} lost", member.name))
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

fn requests_since(now: u64, before: u64) -> f64 {
    now.saturating_sub(before) as f64
}
