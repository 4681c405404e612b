//! Up to a second of every series on one agent: what is sent, journaled and merged.

use crate::value::KindMismatch;
use crate::{Metric, Tags, Value};

/// The metrics that share one set of tags.
#[derive(Debug, Clone)]
pub struct Series {
    /// The tags.
    pub tags: Tags,
    /// One value per metric.
    pub values: Vec<(Metric, Value)>,
}

/// What one agent saw between two run times. Frozen once sent.
#[derive(Debug, Clone)]
pub struct Interval {
    /// Which agent of the run (its seat), from 0.
    pub agent: u32,
    /// Which life of that agent.
    pub incarnation: u64,
    /// Its number in that life, from 0 without gaps.
    pub sequence: u64,
    /// Begin, in run time nanoseconds; negative before T0 (setup).
    pub from: i64,
    /// End, in run time nanoseconds.
    pub to: i64,
    /// The series.
    pub series: Vec<Series>,
}

impl Interval {
    /// Checks that every value is of its metric's kind.
    ///
    /// # Errors
    /// The first metric whose value is not.
    pub fn check(&self) -> Result<(), (Metric, KindMismatch)> {
        for (metric, value) in self.series.iter().flat_map(|series| &series.values) {
            if value.kind() != metric.kind() {
                return Err((
                    *metric,
                    KindMismatch {
                        expected: metric.kind(),
                        found: value.kind(),
                    },
                ));
            }
        }
        Ok(())
    }

    /// The run seconds it touches, the first and the last; `None` if it is empty or inverted.
    #[must_use]
    pub fn seconds(&self) -> Option<(i64, i64)> {
        const SECOND: i64 = 1_000_000_000;
        (self.from < self.to).then(|| {
            (
                self.from.div_euclid(SECOND),
                (self.to - 1).div_euclid(SECOND),
            )
        })
    }
}
