//! What was changed while a run ran: pauses and scales, as pairs of run time in one versioned state.
//!
//! Run time never stops; stage time stands still in pauses. Everybody who reckons with stages (agents, the controller, the
//! report) does it through these functions, so that all agree. Nobody here knows how a change reaches an agent.

use crate::curve::{ScaledArrivals, ScaledVus};
use crate::duration::as_nanos;
use crate::executor::MOST_VUS;
use crate::{Executor, Plan, Scenario};
use serde::{Deserialize, Serialize};

/// What a factor is counted in: thousandths.
pub const FACTOR_ONE: u64 = 1000;
/// The largest factor, in thousandths.
pub const MOST_FACTOR: u64 = 1000 * FACTOR_ONE;
/// Most pauses, and most scales, of one run.
pub const MOST_CHANGES: usize = 1000;

/// A time in which the stage clock stands still; run time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// From here,
    pub from: u64,
    /// up to here; `None` while nobody has resumed.
    pub to: Option<u64>,
}

/// How a scenario's load is changed. The newest change counts; factors are of the plan's curve, not of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// So many thousandths of the plan's curve. VUs are rounded down, rates are exact.
    Factor(u64),
    /// So many VUs, of a constant number.
    Vus(u64),
    /// So many iterations per time unit, of a constant rate.
    Rate(u64),
}

/// A change of a scenario's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Which scenario of the plan.
    pub scenario: usize,
    /// Run time from which it holds, in nanoseconds.
    pub from: u64,
    /// What changes.
    pub change: Change,
}

/// Everything that was changed in a run so far. Version 0 is the plan as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    version: u64,
    pauses: Vec<Pause>,
    scales: Vec<Scale>,
}

/// Why a state cannot be one, or a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlError(pub String);

fn refuse<T>(text: impl Into<String>) -> Result<T, ControlError> {
    Err(ControlError(text.into()))
}

impl Control {
    /// A state as it was told.
    ///
    /// # Errors
    /// If pauses overlap or are out of order, an earlier one is open, or scales are out of order.
    pub fn new(version: u64, pauses: Vec<Pause>, scales: Vec<Scale>) -> Result<Self, ControlError> {
        if pauses.len() > MOST_CHANGES || scales.len() > MOST_CHANGES {
            return refuse(format!("more than {MOST_CHANGES} changes"));
        }
        let ordered = pauses
            .windows(2)
            .all(|pair| pair[0].to.is_some_and(|to| to <= pair[1].from));
        let forward = pauses.iter().all(|p| p.to.is_none_or(|to| p.from <= to));
        if !ordered || !forward {
            return refuse("pauses that overlap or run backwards");
        }
        if !scales.is_sorted_by_key(|scale| scale.from) {
            return refuse("scales that are out of order");
        }
        Ok(Self {
            version,
            pauses,
            scales,
        })
    }

    /// Grows with every change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// In order, apart from one another; only the last one may be open.
    #[must_use]
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// In order.
    #[must_use]
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Stage time at a run time: run time without the pauses before it.
    #[must_use]
    pub fn stage_time(&self, run: u64) -> u64 {
        let paused: u64 = self
            .pauses
            .iter()
            .filter(|pause| pause.from < run)
            .map(|pause| pause.to.map_or(run, |to| to.min(run)) - pause.from)
            .sum();
        run - paused
    }

    /// The run time at which the stage clock leaves `stage`; `None` if a pause without an end comes before that.
    ///
    /// `stage_time(run_time(s)) = s`; `run_time(stage_time(r)) >= r`, and equal outside of pauses.
    #[must_use]
    pub fn run_time(&self, stage: u64) -> Option<u64> {
        let mut run = stage;
        for pause in &self.pauses {
            if pause.from > run {
                break;
            }
            run = run.saturating_add(pause.to? - pause.from);
        }
        Some(run)
    }

    /// True if the stage clock stands still at a run time.
    #[must_use]
    pub fn is_paused(&self, run: u64) -> bool {
        let holds = |pause: &Pause| pause.from <= run && pause.to.is_none_or(|to| run < to);
        self.pauses.iter().any(holds)
    }

    /// When the next pause begins, at `run` or later.
    #[must_use]
    pub fn next_pause(&self, run: u64) -> Option<u64> {
        let ahead = |pause: &&Pause| pause.from >= run && pause.to != Some(pause.from);
        self.pauses.iter().find(ahead).map(|pause| pause.from)
    }

    /// The pause that has no end yet.
    #[must_use]
    pub fn open_pause(&self) -> Option<Pause> {
        self.pauses
            .last()
            .copied()
            .filter(|pause| pause.to.is_none())
    }

    /// This, paused from a run time on.
    ///
    /// # Errors
    /// If there is an open pause, or one that ends later.
    pub fn pause(&self, from: u64) -> Result<Self, ControlError> {
        let mut next = self.next_version();
        next.pauses.push(Pause { from, to: None });
        Self::new(next.version, next.pauses, next.scales)
    }

    /// This, going on from a run time on; at once if the pause has not begun by then.
    ///
    /// # Errors
    /// If it is not paused.
    pub fn resume(&self, to: u64) -> Result<Self, ControlError> {
        let mut next = self.next_version();
        match next.pauses.last_mut() {
            Some(pause) if pause.to.is_none() => pause.to = Some(to.max(pause.from)),
            _ => return refuse("it is not paused"),
        }
        Ok(next)
    }

    /// This, with one more change of a scenario.
    ///
    /// # Errors
    /// If there are too many, or a later one.
    pub fn scale(&self, scale: Scale) -> Result<Self, ControlError> {
        let mut next = self.next_version();
        next.scales.push(scale);
        Self::new(next.version, next.pauses, next.scales)
    }

    fn next_version(&self) -> Self {
        let version = self.version + 1;
        Self {
            version,
            ..self.clone()
        }
    }

    /// A scenario's changes, in its own time.
    fn changes(&self, index: usize, start: u64) -> Vec<(u64, Change)> {
        let ours = self.scales.iter().filter(|scale| scale.scenario == index);
        ours.map(|scale| {
            let at = self.stage_time(scale.from).saturating_sub(start);
            (at, scale.change)
        })
        .collect()
    }

    /// Where in a scenario's own time somebody's run times are; those that pass in a pause are nowhere.
    #[must_use]
    pub fn windows(&self, scenario: &Scenario, windows: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let start = as_nanos(scenario.start_time);
        let place = |run: u64| match run {
            u64::MAX => u64::MAX,
            run => self.stage_time(run).saturating_sub(start),
        };
        let placed = windows.iter().map(|(from, to)| (place(*from), place(*to)));
        placed.filter(|(from, to)| from < to).collect()
    }

    /// The VUs of a closed scenario over its own time, as changed.
    #[must_use]
    pub fn vus(&self, index: usize, scenario: &Scenario) -> Option<ScaledVus> {
        let base = scenario.executor.vu_curve(scenario.graceful_stop)?;
        let grace = match &scenario.executor {
            Executor::RampingVus {
                graceful_ramp_down, ..
            } => *graceful_ramp_down,
            // A constant number of VUs has no ramp; what may finish at its end may finish when it shrinks.
            _ => scenario.graceful_stop,
        };
        let start = as_nanos(scenario.start_time);
        Some(ScaledVus::new(
            base,
            as_nanos(grace),
            self.changes(index, start),
        ))
    }

    /// The arrivals of an open scenario over its own time, as changed. `seed` is the run's.
    #[must_use]
    pub fn arrivals(&self, index: usize, scenario: &Scenario, seed: u64) -> Option<ScaledArrivals> {
        let base = scenario.arrival_curve(seed)?;
        let unit = match &scenario.executor {
            Executor::ConstantArrivalRate { time_unit, .. }
            | Executor::RampingArrivalRate { time_unit, .. } => as_nanos(*time_unit),
            _ => 1,
        };
        let start = as_nanos(scenario.start_time);
        Some(ScaledArrivals::new(base, unit, &self.changes(index, start)))
    }
}

impl Plan {
    /// Which scenarios a change is for: the one that is named, or all.
    ///
    /// # Errors
    /// With a remedy: if there is no such scenario, or one of them cannot be changed so.
    pub fn scaled_by(&self, name: &str, change: Change) -> Result<Vec<usize>, ControlError> {
        let names = || self.scenarios.iter().map(|s| s.name.as_str());
        let one = !name.is_empty();
        let found: Vec<usize> = (0..self.scenarios.len())
            .filter(|i| !one || self.scenarios[*i].name == name)
            .collect();
        if found.is_empty() {
            let help = crate::diagnostics::suggestion(name, names());
            return refuse(format!("there is no scenario `{name}`; {help}"));
        }
        if found.len() > 1 && !matches!(change, Change::Factor(_)) {
            let names: Vec<&str> = names().collect();
            return refuse(format!(
                "there are {} scenarios; say which one with `--scenario`: {}",
                names.len(),
                names.join(", ")
            ));
        }
        for i in &found {
            fits(&self.scenarios[*i], change)?;
            self.has_rows(*i, change)?;
        }
        Ok(found)
    }
}

impl Plan {
    /// Rows of one's own were counted and handed out for the plan's VUs and iterations.
    fn has_rows(&self, index: usize, change: Change) -> Result<(), ControlError> {
        let scenario = &self.scenarios[index];
        let more = match (&scenario.executor, change) {
            (_, Change::Factor(factor)) => factor > FACTOR_ONE,
            (Executor::ConstantVus { vus, .. }, Change::Vus(wanted)) => wanted > *vus,
            (Executor::ConstantArrivalRate { rate, .. }, Change::Rate(wanted)) => wanted > *rate,
            _ => false,
        };
        let taken = (0..self.data.len()).find(|data| {
            let needs = self.rows_needed(*data);
            needs.iter().any(|need| need.scenario == index)
        });
        match taken {
            Some(data) if more => refuse(format!(
                "scenario `{}` cannot make more load than planned: each of its VUs or iterations takes a row of `{}` of its own, \
                 and those were handed out when the run began; scale down, or plan for more",
                scenario.name, self.data[data].name
            )),
            _ => Ok(()),
        }
    }
}

fn fits(scenario: &Scenario, change: Change) -> Result<(), ControlError> {
    let (name, executor) = (&scenario.name, &scenario.executor);
    let is = format!("scenario `{name}` is a {} one", executor.name());
    match (executor, change) {
        (Executor::SharedIterations { .. } | Executor::PerVuIterations { .. }, _) => {
            refuse(format!(
                "{is}: it has a number of iterations to do, which no scale changes; `throng pause` and `throng stop` do work"
            ))
        }
        (_, Change::Factor(factor)) if factor > MOST_FACTOR => refuse(format!(
            "a factor above {} is not possible",
            MOST_FACTOR / FACTOR_ONE
        )),
        (Executor::ConstantVus { .. } | Executor::RampingVus { .. }, Change::Factor(factor)) => {
            let most = u128::from(executor.max_vus()) * u128::from(factor) / u128::from(FACTOR_ONE);
            vus_fit(name, most)
        }
        (Executor::ConstantVus { .. }, Change::Vus(0)) => refuse(
            "0 VUs: `--factor 0` takes all VUs away while the stages go on, `throng pause` stops the stages too",
        ),
        (Executor::ConstantVus { .. }, Change::Vus(vus)) => vus_fit(name, u128::from(vus)),
        (Executor::RampingVus { .. }, Change::Vus(_)) => refuse(format!(
            "{is}: its VUs follow its stages; multiply them with `--factor` instead of `--vus`"
        )),
        (Executor::ConstantVus { .. } | Executor::RampingVus { .. }, Change::Rate(_)) => {
            refuse(format!(
                "{is}: it has VUs and no rate; use `--factor`{}",
                match executor {
                    Executor::ConstantVus { .. } => " or `--vus`",
                    _ => "",
                }
            ))
        }
        (Executor::ConstantArrivalRate { .. }, Change::Rate(0)) => refuse(
            "a rate of 0: `--factor 0` lets nothing arrive while the stages go on, `throng pause` stops the stages too",
        ),
        (Executor::ConstantArrivalRate { time_unit, .. }, Change::Rate(rate)) => {
            rate_fits(name, u128::from(rate), as_nanos(*time_unit))
        }
        (Executor::RampingArrivalRate { .. }, Change::Rate(_)) => refuse(format!(
            "{is}: its rate follows its stages; multiply it with `--factor` instead of `--rate`"
        )),
        (
            Executor::ConstantArrivalRate {
                rate: peak,
                time_unit,
                ..
            },
            Change::Factor(factor),
        ) => scaled_rate_fits(name, *peak, factor, as_nanos(*time_unit)),
        (
            Executor::RampingArrivalRate {
                start_rate,
                stages,
                time_unit,
                ..
            },
            Change::Factor(factor),
        ) => {
            let peak = stages.iter().map(|s| s.target).fold(*start_rate, u64::max);
            scaled_rate_fits(name, peak, factor, as_nanos(*time_unit))
        }
        (
            Executor::ConstantArrivalRate { .. } | Executor::RampingArrivalRate { .. },
            Change::Vus(_),
        ) => refuse(format!(
            "{is}: its VUs serve its rate; change that with `--factor`{}",
            match executor {
                Executor::ConstantArrivalRate { .. } => " or `--rate`",
                _ => "",
            }
        )),
    }
}

fn vus_fit(name: &str, most: u128) -> Result<(), ControlError> {
    if most > u128::from(MOST_VUS) {
        return refuse(format!(
            "scenario `{name}` would have {most} VUs; at most {MOST_VUS} are possible"
        ));
    }
    Ok(())
}

fn scaled_rate_fits(name: &str, peak: u64, factor: u64, unit: u64) -> Result<(), ControlError> {
    let most = u128::from(peak) * u128::from(factor) / u128::from(FACTOR_ONE);
    rate_fits(name, most, unit)
}

fn rate_fits(name: &str, rate: u128, unit: u64) -> Result<(), ControlError> {
    if rate > u128::from(unit) {
        return refuse(format!(
            "scenario `{name}` would begin more than one iteration per nanosecond"
        ));
    }
    Ok(())
}
