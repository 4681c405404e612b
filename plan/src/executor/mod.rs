//! k6's executors: one file each reads its keys and gives its curve; this enum is closed, so the compiler lists what a new
//! one must answer.

mod constant_arrival_rate;
mod constant_vus;
mod per_vu_iterations;
mod ramping_arrival_rate;
mod ramping_vus;
mod shared_iterations;

use crate::curve::{ArrivalCurve, VuCurve};
use crate::diagnostics::suggestion;
use crate::draft::{Fields, Node};
use crate::duration::{self, LONGEST};
use serde::Serialize;
use std::time::Duration;

/// k6's cap on VUs.
pub(crate) const MOST_VUS: u64 = 100_000_000;

/// The names, as in `executor:`.
pub(crate) const NAMES: [&str; 6] = [
    "shared-iterations",
    "per-vu-iterations",
    "constant-vus",
    "ramping-vus",
    "constant-arrival-rate",
    "ramping-arrival-rate",
];

/// k6's executors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Executor {
    /// `shared-iterations`
    SharedIterations {
        /// VUs that share the work.
        vus: u64,
        /// Iterations in all.
        iterations: u64,
        /// After which no iteration begins.
        max_duration: Duration,
    },
    /// `per-vu-iterations`
    PerVuIterations {
        /// VUs.
        vus: u64,
        /// Iterations of each.
        iterations: u64,
        /// After which no iteration begins.
        max_duration: Duration,
    },
    /// `constant-vus`
    ConstantVus {
        /// VUs.
        vus: u64,
        /// How long iterations begin.
        duration: Duration,
    },
    /// `ramping-vus`
    RampingVus {
        /// VUs at the beginning.
        start_vus: u64,
        /// Not empty.
        stages: Vec<Stage>,
        /// How long a VU may finish its iteration when the ramp takes it away. k6: 30 s.
        graceful_ramp_down: Duration,
    },
    /// `constant-arrival-rate`
    ConstantArrivalRate {
        /// Iterations per `time_unit`.
        rate: u64,
        /// k6: 1 s.
        time_unit: Duration,
        /// How long arrivals are due.
        duration: Duration,
        /// VUs made at the start.
        pre_allocated_vus: u64,
        /// Most VUs.
        max_vus: u64,
    },
    /// `ramping-arrival-rate`
    RampingArrivalRate {
        /// Rate at the beginning.
        start_rate: u64,
        /// k6: 1 s.
        time_unit: Duration,
        /// Not empty; targets are rates per `time_unit`.
        stages: Vec<Stage>,
        /// VUs made at the start.
        pre_allocated_vus: u64,
        /// Most VUs.
        max_vus: u64,
    },
}

/// A stage of a ramp; a duration of zero is a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// How long.
    pub duration: Duration,
    /// VUs, or rate, at its end.
    pub target: u64,
}

impl Executor {
    /// Reads the executor's own keys. What is common to all is the scenario's business.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Executor> {
        let Some(node) = fields.require("executor", "ramping-vus") else {
            fields.lenient();
            return None;
        };
        let name = fields.reader.text(node, "the name of an executor")?;
        match name.as_str() {
            "shared-iterations" => shared_iterations::read(fields),
            "per-vu-iterations" => per_vu_iterations::read(fields),
            "constant-vus" => constant_vus::read(fields),
            "ramping-vus" => ramping_vus::read(fields),
            "constant-arrival-rate" => constant_arrival_rate::read(fields),
            "ramping-arrival-rate" => ramping_arrival_rate::read(fields),
            other => {
                let (what, help) = refusal(other);
                fields.reader.error_help(&node.place, what, help);
                fields.lenient();
                None
            }
        }
    }

    /// k6's name of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Executor::SharedIterations { .. } => "shared-iterations",
            Executor::PerVuIterations { .. } => "per-vu-iterations",
            Executor::ConstantVus { .. } => "constant-vus",
            Executor::RampingVus { .. } => "ramping-vus",
            Executor::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Executor::RampingArrivalRate { .. } => "ramping-arrival-rate",
        }
    }

    /// True if iterations begin when they are due, whether or not earlier ones are done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Executor::ConstantArrivalRate { .. } | Executor::RampingArrivalRate { .. } => true,
            Executor::SharedIterations { .. }
            | Executor::PerVuIterations { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. } => false,
        }
    }

    /// True if its VUs go to others when agents go and come. Those of `per-vu-iterations` have each their own number of iterations,
    /// and nobody knows how many of them a lost agent did.
    #[must_use]
    pub fn vus_move(&self) -> bool {
        !matches!(self, Executor::PerVuIterations { .. })
    }

    /// How long iterations begin; graceful periods come after.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Executor::SharedIterations { max_duration, .. }
            | Executor::PerVuIterations { max_duration, .. } => *max_duration,
            Executor::ConstantVus { duration, .. }
            | Executor::ConstantArrivalRate { duration, .. } => *duration,
            Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } => {
                stages.iter().map(|stage| stage.duration).sum()
            }
        }
    }

    /// The VUs of a closed executor over time; those that count iterations hold all their VUs for `maxDuration`.
    #[must_use]
    pub fn vu_curve(&self, graceful_stop: Duration) -> Option<VuCurve> {
        match self {
            Executor::SharedIterations {
                vus, max_duration, ..
            }
            | Executor::PerVuIterations {
                vus, max_duration, ..
            } => Some(VuCurve::constant(*vus, *max_duration, graceful_stop)),
            Executor::ConstantVus { vus, duration } => {
                Some(VuCurve::constant(*vus, *duration, graceful_stop))
            }
            Executor::RampingVus {
                start_vus,
                stages,
                graceful_ramp_down,
            } => Some(VuCurve::ramping(
                *start_vus,
                stages,
                *graceful_ramp_down,
                graceful_stop,
            )),
            Executor::ConstantArrivalRate { .. } | Executor::RampingArrivalRate { .. } => None,
        }
    }

    /// The arrivals of an open executor over time.
    #[must_use]
    pub fn arrival_curve(&self) -> Option<ArrivalCurve> {
        match self {
            Executor::ConstantArrivalRate {
                rate,
                time_unit,
                duration,
                ..
            } => Some(ArrivalCurve::constant(*rate, *time_unit, *duration)),
            Executor::RampingArrivalRate {
                start_rate,
                time_unit,
                stages,
                ..
            } => Some(ArrivalCurve::ramping(*start_rate, *time_unit, stages)),
            Executor::SharedIterations { .. }
            | Executor::PerVuIterations { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. } => None,
        }
    }

    /// VUs to make before the start.
    #[must_use]
    pub fn vus_initialised(&self) -> u64 {
        match self {
            Executor::ConstantArrivalRate {
                pre_allocated_vus, ..
            }
            | Executor::RampingArrivalRate {
                pre_allocated_vus, ..
            } => *pre_allocated_vus,
            Executor::SharedIterations { .. }
            | Executor::PerVuIterations { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. } => self.max_vus(),
        }
    }

    /// The most VUs it may have.
    #[must_use]
    pub fn max_vus(&self) -> u64 {
        match self {
            Executor::ConstantArrivalRate { max_vus, .. }
            | Executor::RampingArrivalRate { max_vus, .. } => *max_vus,
            Executor::SharedIterations { .. }
            | Executor::PerVuIterations { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. } => {
                self.vu_curve(Duration::ZERO).map_or(0, |curve| curve.max())
            }
        }
    }

    /// Iterations planned, where the plan knows: open and counted executors.
    #[must_use]
    pub fn iterations(&self) -> Option<u64> {
        match self {
            Executor::SharedIterations { iterations, .. } => Some(*iterations),
            Executor::PerVuIterations {
                vus, iterations, ..
            } => Some(vus.saturating_mul(*iterations)),
            Executor::ConstantArrivalRate { .. } | Executor::RampingArrivalRate { .. } => {
                self.arrival_curve().map(|curve| curve.total())
            }
            Executor::ConstantVus { .. } | Executor::RampingVus { .. } => None,
        }
    }
}

fn refusal(name: &str) -> (String, String) {
    if name == "externally-controlled" {
        (
            "the executor `externally-controlled` is not supported; k6 removed it in version 2"
                .to_owned(),
            "use `constant-vus` or `constant-arrival-rate` with a long `duration`, and change it as it runs: `throng scale RUN --vus N` or `--rate N`, `throng pause RUN`, `throng resume RUN`"
                .to_owned(),
        )
    } else {
        (
            format!("there is no executor `{name}`"),
            suggestion(name, NAMES),
        )
    }
}

/// `vus`, `iterations` and the like: at least 1, with a default.
fn positive(fields: &mut Fields<'_>, key: &'static str, default: u64) -> Option<u64> {
    if fields.get(key).is_none() {
        return Some(default);
    }
    let value = fields.u64(key)?;
    if value == 0 {
        fields
            .reader
            .error(&fields.place(key), format!("`{key}` must be at least 1"));
        return None;
    }
    Some(value)
}

/// A number of VUs: at least 1, at most the cap.
fn vus(fields: &mut Fields<'_>, key: &'static str, default: u64) -> Option<u64> {
    let value = positive(fields, key, default)?;
    capped(fields, key, value)
}

fn capped(fields: &Fields<'_>, key: &'static str, value: u64) -> Option<u64> {
    if value > MOST_VUS {
        fields.reader.error(
            &fields.place(key),
            format!("`{key}` is {value}; at most {MOST_VUS} VUs are possible"),
        );
        return None;
    }
    Some(value)
}

/// `duration` or `maxDuration`: at least a second, as in k6.
fn long_enough(fields: &mut Fields<'_>, key: &'static str, node: &Node) -> Option<Duration> {
    let value = fields.reader.duration(node)?;
    if value < Duration::from_secs(1) {
        fields.reader.error(
            &node.place,
            format!(
                "`{key}` is {}; it must be at least 1s",
                duration::format(value)
            ),
        );
        return None;
    }
    Some(value)
}

fn max_duration(fields: &mut Fields<'_>) -> Option<Duration> {
    match fields.get("maxDuration") {
        None => Some(Duration::from_secs(600)),
        Some(node) => long_enough(fields, "maxDuration", node),
    }
}

fn required_duration(fields: &mut Fields<'_>) -> Option<Duration> {
    let node = fields.require("duration", "30s")?;
    long_enough(fields, "duration", node)
}

/// `timeUnit`: 1 s unless given, above zero.
fn time_unit(fields: &mut Fields<'_>) -> Option<Duration> {
    let Some(node) = fields.get("timeUnit") else {
        return Some(Duration::from_secs(1));
    };
    let value = fields.reader.duration(node)?;
    if value.is_zero() {
        fields
            .reader
            .error(&node.place, "`timeUnit` must be more than 0");
        return None;
    }
    Some(value)
}

/// Rates above one arrival per nanosecond have no due times.
fn rate_fits(fields: &Fields<'_>, node: &Node, rate: u64, time_unit: Duration) -> bool {
    let fits = u128::from(rate) <= time_unit.as_nanos();
    if !fits {
        fields.reader.error(
            &node.place,
            format!(
                "{rate} per {} is more than one iteration per nanosecond",
                duration::format(time_unit)
            ),
        );
    }
    fits
}

/// `preAllocatedVUs` and `maxVUs` of the open executors.
fn pool(fields: &mut Fields<'_>) -> Option<(u64, u64)> {
    let pre_allocated = fields
        .require("preAllocatedVUs", "50")
        .and_then(|_| fields.u64("preAllocatedVUs"))
        .and_then(|value| capped(fields, "preAllocatedVUs", value));
    let max = match fields.get("maxVUs") {
        None => pre_allocated,
        Some(_) => fields
            .u64("maxVUs")
            .and_then(|value| capped(fields, "maxVUs", value)),
    };
    let (pre_allocated, max) = (pre_allocated?, max?);
    if max < pre_allocated {
        fields.reader.error_help(
            &fields.place("maxVUs"),
            format!("`maxVUs` is {max}, less than the {pre_allocated} of `preAllocatedVUs`"),
            format!("set it to at least {pre_allocated}, or leave it out"),
        );
        return None;
    }
    if max == 0 {
        fields.reader.error(
            &fields.place("preAllocatedVUs"),
            "no VU could ever run an iteration: `preAllocatedVUs` and `maxVUs` are 0",
        );
        return None;
    }
    Some((pre_allocated, max))
}

/// `stages`, each with its target's node for further checks.
fn stages<'a>(fields: &mut Fields<'a>) -> Option<Vec<(Stage, &'a Node)>> {
    let reader = fields.reader;
    let node = fields.require("stages", "[{ duration: 10s, target: 20 }]")?;
    let items = reader.list(
        node,
        "a list of stages such as `[{ duration: 10s, target: 20 }]`",
    )?;
    if items.is_empty() {
        reader.error(
            &node.place,
            "`stages` is empty; at least one stage is needed",
        );
        return None;
    }
    let mut stages = Some(Vec::new());
    for item in items {
        let stage = stage(fields, item);
        match (&mut stages, stage) {
            (Some(stages), Some(stage)) => stages.push(stage),
            (stages, _) => *stages = None,
        }
    }
    let stages = stages?;
    let total = stages
        .iter()
        .try_fold(Duration::ZERO, |sum, (stage, _)| {
            sum.checked_add(stage.duration)
        })
        .unwrap_or(Duration::MAX);
    if total.is_zero() {
        reader.error(&node.place, "the stages take no time at all");
        return None;
    }
    if total > LONGEST {
        reader.error(&node.place, "the stages take longer than ten years");
        return None;
    }
    Some(stages)
}

fn stage<'a>(fields: &Fields<'a>, node: &'a Node) -> Option<(Stage, &'a Node)> {
    let reader = fields.reader;
    let mut stage = reader.fields(node, &node.place, "a stage")?;
    let duration = stage
        .require("duration", "10s")
        .and_then(|node| reader.duration(node));
    let target_node = stage.require("target", "20");
    let target = target_node.and_then(|node| reader.u64(node));
    stage.finish(&[]);
    Some((
        Stage {
            duration: duration?,
            target: target?,
        },
        target_node?,
    ))
}
