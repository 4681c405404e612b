//! What a plan asks for at an instant, scenario by scenario: for whoever looks.

use super::{Load, Outline, Part};

/// How closely VU time is looked at, and at most how often in one stretch.
const MOMENT: u64 = 10_000_000;
const MOMENTS: u64 = 1_000;
/// Half of the time over which a rate is counted.
const AROUND: u64 = 500_000_000;

impl Outline {
    /// Stage time at a run time.
    #[must_use]
    pub fn stage_time(&self, run: u64) -> u64 {
        self.control.stage_time(run)
    }

    /// Run time of a stage time; in a pause that lies before it, if that ended at `run`.
    #[must_use]
    pub fn run_time(&self, stage: u64, run: u64) -> u64 {
        let ahead = || run + stage.saturating_sub(self.control.stage_time(run));
        self.control.run_time(stage).unwrap_or_else(ahead)
    }

    /// VUs that a closed scenario is to run at a run time; 0 for an open one.
    #[must_use]
    pub fn vus_of(&self, scenario: usize, run: i64) -> u64 {
        let Some((part, run)) = self.going(scenario, run) else {
            return 0;
        };
        match &part.load {
            Load::Closed(vus) | Load::Shared { vus } | Load::PerVu { vus, .. } => self
                .control
                .stage_time(run)
                .checked_sub(part.start)
                .map_or(0, |at| vus.vus_at(at)),
            Load::Open { .. } => 0,
        }
    }

    /// VU time that closed scenarios are to hold in a stretch of run time, in nanoseconds. A step in the middle of a moment counts from its
    /// begin or its end.
    #[must_use]
    pub fn vu_time(&self, from: u64, to: u64) -> u64 {
        let whole = to.saturating_sub(from);
        let moments = whole.div_ceil(MOMENT).min(MOMENTS);
        let edge =
            |nth: u64| from + (u128::from(whole) * u128::from(nth) / u128::from(moments)) as u64;
        let held = (0..moments).map(|nth| {
            let (begin, end) = (edge(nth), edge(nth + 1));
            let middle = i64::try_from(begin + (end - begin) / 2).unwrap_or(i64::MAX);
            self.vus_at(middle).saturating_mul(end - begin)
        });
        held.fold(0, u64::saturating_add)
    }

    /// Arrivals of an open scenario that are due in the second around a run time; 0 for a closed one.
    #[must_use]
    pub fn rate_of(&self, scenario: usize, run: i64) -> f64 {
        let Some((part, run)) = self.going(scenario, run) else {
            return 0.0;
        };
        let Load::Open { arrivals, .. } = &part.load else {
            return 0.0;
        };
        let (from, to) = (run.saturating_sub(AROUND), run.saturating_add(AROUND));
        let before = self.due_before(part, arrivals, from);
        let due = self.due_before(part, arrivals, to) - before;
        due as f64 * 1e9 / (to - from) as f64
    }

    /// A scenario, unless the load has not begun or stands still.
    fn going(&self, scenario: usize, run: i64) -> Option<(&Part, u64)> {
        let run = u64::try_from(run).ok()?;
        let part = self.parts.get(scenario)?;
        (!self.control.is_paused(run)).then_some((part, run))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn each_scenario_is_asked_for_by_itself() {
        let source = "
scenarios:
  ramp: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 10s, target: 10 }] }
  open: { executor: constant-arrival-rate, rate: 50, duration: 5s, preAllocatedVUs: 1, startTime: 2s }
flows: { default: [ { get: 'http://127.0.0.1:9/' } ] }
";
        let bundle = plan::Bundle {
            source: source.to_owned(),
            ..plan::Bundle::default()
        };
        let plan = plan::compile(&bundle).unwrap();
        let mut outline = Outline::new(&plan);
        let vus = |outline: &Outline, at: i64| [outline.vus_of(0, at), outline.vus_of(1, at)];
        assert_eq!(vus(&outline, 5 * S), [5, 0]);
        assert_eq!(vus(&outline, -S), [0, 0]);
        let rates = [S, 4 * S, 9 * S].map(|at| outline.rate_of(1, at));
        assert_eq!(rates, [0.0, 50.0, 0.0]);
        assert_eq!(outline.rate_of(0, 4 * S), 0.0);
        // Half of ten VUs times ten seconds, less half a VU: each comes when it is whole.
        let held = outline.vu_time(0, 20_000_000_000) as f64 / 1e9;
        assert!((held - 45.0).abs() < 0.1, "{held}");
        let second = outline.vu_time(8_000_000_000, 9_000_000_000);
        assert_eq!(second, 8_000_000_000, "up to the 9th");
        assert_eq!(outline.vu_time(7, 7), 0);
        let paused = plan::Control::default().pause(3_000_000_000).unwrap();
        outline.change(&plan, paused);
        assert_eq!(
            (vus(&outline, 5 * S), outline.rate_of(1, 4 * S)),
            ([0, 0], 0.0)
        );
        assert_eq!(
            outline.run_time(7_000_000_000, 5_000_000_000),
            9_000_000_000
        );
    }
}
