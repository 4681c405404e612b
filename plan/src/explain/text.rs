//! The explanation for people: totals, a picture of each load, every agent's share, memory, rows.

use super::memory::{Cycled, Data, MOST_OUTCOMES, PROGRAM_BYTES, ROW_BYTES, VU_BYTES, peak_vus};
use super::{Curve, Explanation, Load, Of, chart, erlang};
use crate::scenario::Arrivals;
use crate::{Executor, OnAgentLoss, duration};
use std::fmt::Write as _;
use std::time::Duration;

/// Agents beyond this many are not shown one by one.
const SHOWN: usize = 20;

impl Explanation<'_> {
    /// What a person reads, at most 80 columns wide but for long names.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        for load in &self.scenarios {
            out.push('\n');
            self.one(load, &mut out);
        }
        out.push('\n');
        self.needs(&mut out);
        out.push_str("\nNothing was sent.\n");
        out
    }

    fn head(&self, out: &mut String) {
        let agents = self.stripe.agents();
        let length = self.plan.scenarios.iter().map(crate::Scenario::end).max();
        line(
            out,
            &format!(
                "{} over {}, for {} (at most {} with graceful periods)",
                count(self.scenarios.len() as u64, "scenario"),
                count(agents as u64, "agent"),
                duration::format(length.unwrap_or_default()),
                duration::format(self.plan.load_end()),
            ),
        );
        line(
            out,
            &format!(
                "{} at most at one time · seed {}",
                vus(self.plan.max_vus()),
                self.plan.seed
            ),
        );
    }

    fn one(&self, load: &Load<'_>, out: &mut String) {
        let scenario = load.scenario;
        let name = scenario.executor.name();
        let poisson = match scenario.arrivals {
            Arrivals::Poisson => ", poisson",
            Arrivals::Regular => "",
        };
        line(
            out,
            &format!(
                "{} · {name}{poisson} · {} to {}, over by {}",
                scenario.name,
                duration::format(scenario.start_time),
                duration::format(scenario.end()),
                duration::format(scenario.cut_end()),
            ),
        );
        line(out, &format!("  {}", self.total(load)));
        let unit = match load.curve {
            Curve::Closed { .. } => "VUs",
            Curve::Open { .. } => "arrivals/s",
        };
        line(out, &format!("{unit:>8}"));
        out.push_str(&chart::draw(load));
        self.shares(load, out);
        self.pool(load, out);
    }

    fn total(&self, load: &Load<'_>) -> String {
        let most = vus(load.max_vus(&self.stripe, Of::Whole));
        let iterations = load.iterations(&self.stripe, Of::Whole);
        match &load.curve {
            Curve::Open { arrivals, .. } => {
                let seconds = load.scenario.executor.duration().as_secs_f64();
                format!(
                    "{} in all, {}/s on average, up to {most}",
                    count(arrivals.total(), "arrival"),
                    chart::number(arrivals.total() as f64 / seconds),
                )
            }
            Curve::Closed { .. } => match iterations {
                Some(iterations) => format!(
                    "{} in all by {most}, within {}",
                    count(iterations, "iteration"),
                    duration::format(load.scenario.executor.duration()),
                ),
                None => format!(
                    "{} VU-seconds, up to {most}; iterations as the target allows",
                    seconds(load.vu_nanos(&self.stripe, Of::Whole)),
                ),
            },
        }
    }

    fn shares(&self, load: &Load<'_>, out: &mut String) {
        let open = load.scenario.executor.is_open();
        let mut rows = vec![if open {
            [
                "agent",
                "VUs at start",
                "VUs at most",
                "arrivals",
                "first due",
            ]
            .map(str::to_owned)
        } else {
            ["agent", "VUs at most", "VU-seconds", "iterations", ""].map(str::to_owned)
        }];
        for agent in self.agents().take(SHOWN) {
            let of = Of::Agent(agent);
            let most = load.max_vus(&self.stripe, of).to_string();
            rows.push(if open {
                let made = Load::share(&self.stripe, of, load.scenario.executor.vus_initialised());
                let first = load.first(of, 1);
                let first = first.first().map_or_else(
                    || "none".to_owned(),
                    |(_, t)| duration::format(rounded(Duration::from_nanos(*t))),
                );
                [
                    agent.to_string(),
                    made.to_string(),
                    most,
                    load.arrivals(of).to_string(),
                    first,
                ]
            } else {
                let iterations = match (&load.scenario.executor, load.iterations(&self.stripe, of))
                {
                    (_, Some(iterations)) => iterations.to_string(),
                    (Executor::SharedIterations { .. }, None) => "as it leases".to_owned(),
                    (_, None) => "as time allows".to_owned(),
                };
                let held = seconds(load.vu_nanos(&self.stripe, of));
                [agent.to_string(), most, held, iterations, String::new()]
            });
        }
        for row in &rows {
            let [a, b, c, d, e] = row;
            line(
                out,
                &format!("  {a:>6}  {b:>13}  {c:>13}  {d:>14}  {e:>12}"),
            );
        }
        let more = self.stripe.agents().saturating_sub(SHOWN);
        if more > 0 {
            line(out, &format!("  … and {more} more; --json lists all"));
        }
    }

    /// What splitting the pool over agents costs.
    fn pool(&self, load: &Load<'_>, out: &mut String) {
        let Curve::Open { arrivals, .. } = &load.curve else {
            let idle = self
                .agents()
                .filter(|agent| load.max_vus(&self.stripe, Of::Agent(*agent)) == 0)
                .count();
            if idle > 0 {
                line(
                    out,
                    &format!("  {} without a VU: idle here", count(idle as u64, "agent")),
                );
            }
            return;
        };
        let total = arrivals.total().max(1) as f64;
        let pools: Vec<(u64, f64)> = self
            .agents()
            .map(|agent| {
                let of = Of::Agent(agent);
                let share = load.arrivals(of) as f64 / total;
                (load.max_vus(&self.stripe, of), share)
            })
            .collect();
        let without = pools.iter().filter(|(vus, _)| *vus == 0).count();
        if without > 0 {
            line(
                out,
                &format!(
                    "  {} without a VU of {}: no arrivals there, the others take them",
                    count(without as u64, "agent"),
                    load.max_vus(&self.stripe, Of::Whole),
                ),
            );
        }
        if pools.len() - without < 2 {
            return;
        }
        let sizes = pools.iter().map(|(vus, _)| *vus).filter(|vus| *vus > 0);
        let (least, most) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        let sizes = if least == most {
            vus(most)
        } else {
            format!("{least} to {most} VUs")
        };
        line(
            out,
            &format!("  split pool: an agent has {sizes} and cannot lend them to another;"),
        );
        let cost = match erlang::dropped_by(&pools) {
            Some(dropped) => format!(
                "  random arrivals of which one pool dropped 1 % would lose {:.1} % this way",
                dropped * 100.0
            ),
            None => "  with pools of this size that costs next to nothing".to_owned(),
        };
        line(out, &cost);
    }

    fn needs(&self, out: &mut String) {
        line(
            out,
            "memory of an agent with one worker (it does not grow with requests)",
        );
        line(
            out,
            &format!(
                "  program {} + VUs x {} + rows{}",
                bytes(PROGRAM_BYTES),
                bytes(VU_BYTES),
                if self.memory.data.iter().any(|data| data.given) {
                    format!(" (setup's x {})", bytes(ROW_BYTES))
                } else {
                    String::new()
                }
            ),
        );
        line(
            out,
            &format!(
                "  + workers x (scenarios {} + outcomes x {})",
                bytes(self.memory.scenarios),
                bytes(self.memory.outcome),
            ),
        );
        line(
            out,
            &format!(
                "  outcomes: {} if each request always ends alike, {MOST_OUTCOMES} at most",
                self.memory.outcomes
            ),
        );
        for agent in self.agents().take(SHOWN) {
            let given = self.given_rows(agent);
            let (least, most) = self
                .memory
                .of(&self.scenarios, &self.stripe, (agent, given));
            let vus = peak_vus(&self.scenarios, &self.stripe, agent);
            let rows = match given {
                0 => String::new(),
                _ => format!(" and {} of setup's", count(given, "row")),
            };
            line(
                out,
                &format!(
                    "  {agent:>6}  {vus:>8} VUs{rows}  {} to {}",
                    bytes(least),
                    bytes(most)
                ),
            );
        }
        self.loss(out);
        if self.memory.data.is_empty() {
            line(out, "rows of data: none");
        } else {
            line(out, "rows of data (every agent holds all)");
        }
        for data in &self.memory.data {
            line(out, &format!("  {}", rows(data)));
        }
    }
}

impl Explanation<'_> {
    /// What the loss of an agent would cost the others.
    fn loss(&self, out: &mut String) {
        if self.stripe.agents() < 2 {
            return;
        }
        let what = match self.plan.options.on_agent_loss {
            OnAgentLoss::Redistribute => format!(
                "the others take over: up to {} on one of them",
                vus(self.vus_after_loss())
            ),
            OnAgentLoss::Continue => "its share is missing from then on".to_owned(),
            OnAgentLoss::Abort => "the run is stopped".to_owned(),
        };
        line(out, &format!("if the first agent is lost, {what}"));
    }
}

fn rows(data: &Data) -> String {
    if data.given {
        return format!(
            "{}: given by setup, {} needed; an agent holds only its own",
            data.name,
            count(data.taken, "row")
        );
    }
    let mut text = format!(
        "{}: {}, {}",
        data.name,
        count(data.rows, "row"),
        bytes(data.bytes)
    );
    if data.random {
        text.push_str(", drawn at random");
    }
    match data.cycled {
        Some(Cycled::Times(times)) if times <= data.rows => {
            let _ = write!(text, ", the first {times} used one after the other");
        }
        Some(Cycled::Times(times)) => {
            let _ = write!(text, ", in turn for {times} iterations: rows come again");
        }
        Some(Cycled::Unknown) => text.push_str(", in turn for as many iterations as time allows"),
        None if data.taken > 0 => {
            let _ = write!(text, ", {} taken one each", data.taken);
        }
        None if !data.random => text.push_str(", not used"),
        None => {}
    }
    text
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn vus(n: u64) -> String {
    format!("{n} VU{}", if n == 1 { "" } else { "s" })
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// VU-seconds, to a thousandth.
fn seconds(nanos: u128) -> String {
    let millis = nanos / 1_000_000;
    match millis % 1_000 {
        0 => (millis / 1_000).to_string(),
        rest => format!("{}.{rest:03}", millis / 1_000),
    }
}

/// To the microsecond, as people read it.
fn rounded(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn bytes(n: u64) -> String {
    match n {
        0..1_024 => format!("{n} B"),
        1_024..1_048_576 => format!("{} KiB", n.div_ceil(1_024)),
        _ => format!("{:.1} MiB", n as f64 / 1_048_576.0),
    }
}
