//! What was to be made and what was made, second by second: where a gap is, a picture shows it. Pure.
//!
//! From the agents' running totals, so it lags by a heartbeat. Bounded: when it gets long, two seconds become one point, and so on.

use serde::{Deserialize, Serialize};

/// Most points.
pub const MOST: usize = 600;

/// How things stood at an instant: sums since T0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Run time, in nanoseconds.
    pub run: u64,
    /// Arrivals of open scenarios that were due.
    pub due: u64,
    /// Of them, begun.
    pub begun: u64,
    /// VUs that closed scenarios are to have now.
    pub vus: u64,
    /// VU time that closed scenarios held, in nanoseconds.
    pub vu_ns: u64,
    /// Agents that make load now.
    pub agents: u32,
}

/// One stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Where it begins, in run time in milliseconds.
    pub from_ms: f64,
    /// Where it ends.
    pub to_ms: f64,
    /// Arrivals a second that were due.
    pub due: f64,
    /// Arrivals a second that were begun.
    pub begun: f64,
    /// VUs that were to be.
    pub vus_planned: f64,
    /// VUs that were, on average.
    pub vus: f64,
    /// Agents that made load at its end.
    pub agents: u32,
}

/// A run's picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    last: Option<Look>,
    points: Vec<Point>,
    /// How many looks make one point; a power of two.
    step: u32,
    /// Looks since the last point.
    looks: u32,
}

impl Timeline {
    /// Takes a look; about once a second.
    pub fn look(&mut self, look: Look) {
        let Some(last) = self.last else {
            self.last = Some(look);
            return;
        };
        self.looks += 1;
        if self.looks < self.step.max(1) || look.run <= last.run {
            return;
        }
        self.looks = 0;
        self.last = Some(look);
        let seconds = (look.run - last.run) as f64 / 1e9;
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        self.points.push(Point {
            from_ms: last.run as f64 / 1e6,
            to_ms: look.run as f64 / 1e6,
            due: rate(look.due, last.due),
            begun: rate(look.begun, last.begun),
            vus_planned: (last.vus + look.vus) as f64 / 2.0,
            vus: rate(look.vu_ns, last.vu_ns) / 1e9,
            agents: look.agents,
        });
        if self.points.len() >= MOST {
            self.points = halved(&self.points, MOST / 2);
            self.step = self.step.max(1) * 2;
        }
    }

    /// The points so far.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

/// The same in so many points at most, each the mean of those in it.
#[must_use]
pub fn halved(points: &[Point], most: usize) -> Vec<Point> {
    let chunk = points.len().div_ceil(most.max(1)).max(1);
    points.chunks(chunk).filter_map(mean).collect()
}

fn mean(points: &[Point]) -> Option<Point> {
    let (first, last) = (points.first()?, points.last()?);
    let whole = last.to_ms - first.from_ms;
    let of = |value: fn(&Point) -> f64| {
        let sum: f64 = points
            .iter()
            .map(|point| value(point) * (point.to_ms - point.from_ms))
            .sum();
        if whole > 0.0 { sum / whole } else { 0.0 }
    };
    Some(Point {
        from_ms: first.from_ms,
        to_ms: last.to_ms,
        due: of(|point| point.due),
        begun: of(|point| point.begun),
        vus_planned: of(|point| point.vus_planned),
        vus: of(|point| point.vus),
        agents: last.agents,
    })
}

/// Two lines of at most `width` blocks: what was to be, and what was. Empty if nothing was to be.
#[must_use]
pub fn picture(points: &[Point], width: usize) -> Vec<String> {
    let points = halved(points, width);
    let most = |value: fn(&Point) -> f64| points.iter().map(value).fold(0.0, f64::max);
    let bars = |value: fn(&Point) -> f64, top: f64| -> String {
        points.iter().map(|point| bar(value(point) / top)).collect()
    };
    let mut lines = Vec::new();
    let due = most(|point| point.due);
    if due > 0.0 {
        lines.push(format!(
            "due    {}  at most {due:.1}/s",
            bars(|point| point.due, due)
        ));
        lines.push(format!("begun  {}", bars(|point| point.begun, due)));
    }
    let vus = most(|point| point.vus_planned);
    if vus > 0.0 {
        lines.push(format!(
            "VUs planned  {}  at most {vus:.0}",
            bars(|point| point.vus_planned, vus)
        ));
        lines.push(format!("VUs held     {}", bars(|point| point.vus, vus)));
    }
    lines
}

fn bar(share: f64) -> char {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BARS[(share * 8.0).round().clamp(0.0, 8.0) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(seconds: u64, gap: std::ops::Range<u64>) -> Timeline {
        let mut timeline = Timeline::default();
        let mut begun = 0;
        for second in 0..=seconds {
            timeline.look(Look {
                run: second * 1_000_000_000,
                due: second * 90,
                begun,
                agents: 3,
                ..Look::default()
            });
            begun += if gap.contains(&second) { 60 } else { 90 };
        }
        timeline
    }

    #[test]
    fn a_gap_shows_where_it_was() {
        let timeline = open(20, 5..11);
        insta::assert_snapshot!(picture(timeline.points(), 60).join("\n"), @r"
        due    ████████████████████  at most 90.0/s
        begun  █████▅▅▅▅▅▅█████████
        ");
        let gap: Vec<f64> = timeline.points()[4..12]
            .iter()
            .map(|point| point.due - point.begun)
            .collect();
        assert_eq!(gap, [0.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0, 0.0]);
    }

    #[test]
    fn however_long_it_takes_it_stays_small_and_the_sums_stay_right() {
        let timeline = open(5_000, 100..2_100);
        let points = timeline.points();
        assert!(points.len() < MOST, "{}", points.len());
        let missing: f64 = points
            .iter()
            .map(|point| (point.due - point.begun) * (point.to_ms - point.from_ms) / 1e3)
            .sum();
        assert!((missing - 60_000.0).abs() < 1.0, "{missing}");
    }
}
