//! Series and their values over a short time: what one agent delivered for a second, or the whole fleet.

use metrics::{Kind, Metric, Tags, Value};
use std::collections::BTreeMap;

/// Sets of tags told apart in one second; more go to the overflow series.
const SERIES: usize = 10_000;

/// Values by tags and metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    rows: BTreeMap<Tags, BTreeMap<Metric, Value>>,
    limit: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Self::with_limit(SERIES)
    }
}

impl Rows {
    /// None, and at most so many sets of tags.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            rows: BTreeMap::new(),
            limit,
        }
    }

    /// Adds a value; one of another kind than its metric's is left out.
    pub fn add(&mut self, tags: &Tags, metric: Metric, value: &Value) {
        if value.kind() == metric.kind() {
            // Of one kind, so they add up.
            let _ = self.cell(tags, metric).merge(value);
        }
    }

    /// Adds a value that is given away; saves the copy of a histogram where it is the first of its series.
    pub fn take(&mut self, tags: &Tags, metric: Metric, value: Value) {
        if value.kind() != metric.kind() {
            return;
        }
        let cell = self.cell(tags, metric);
        if cell.is_empty() {
            *cell = value;
        } else {
            // Of one kind, so they add up.
            let _ = cell.merge(&value);
        }
    }

    /// Puts a level in the place of what was there.
    pub fn set(&mut self, tags: &Tags, metric: Metric, level: f64) {
        if metric.kind() == Kind::Gauge {
            *self.cell(tags, metric) = Value::gauge(level);
        }
    }

    fn cell(&mut self, tags: &Tags, metric: Metric) -> &mut Value {
        let fits = self.rows.len() < self.limit || self.rows.contains_key(tags);
        let row = if fits {
            self.rows.entry(tags.clone()).or_default()
        } else {
            self.rows.entry(Tags::overflow()).or_default()
        };
        row.entry(metric).or_insert_with(|| Value::empty(metric))
    }

    /// Every series: metric, tags, value.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &Tags, &Value)> {
        let rows = self.rows.iter();
        rows.flat_map(|(tags, row)| {
            row.iter()
                .map(move |(metric, value)| (*metric, tags, value))
        })
    }

    /// Everything but gauges, added to another's.
    pub fn pour_into(&self, sum: &mut Rows) {
        for (metric, tags, value) in self.iter() {
            if metric.kind() != Kind::Gauge {
                sum.add(tags, metric, value);
            }
        }
    }

    /// Every metric over all its series; gauges of one agent add up, too.
    #[must_use]
    pub fn by_metric(&self) -> BTreeMap<Metric, Value> {
        self.fold(|_, _| Some(Tags::default()))
            .rows
            .remove(&Tags::default())
            .unwrap_or_default()
    }

    /// The same values under other tags; those for which `key` gives nothing are left out. Levels that meet add up.
    #[must_use]
    pub fn fold(&self, key: impl Fn(Metric, &Tags) -> Option<Tags>) -> Rows {
        let mut folded = Rows::default();
        for (metric, tags, value) in self.iter() {
            let Some(tags) = key(metric, tags) else {
                continue;
            };
            match value {
                Value::Gauge { last, .. } => {
                    let before = match folded.rows.get(&tags).and_then(|row| row.get(&metric)) {
                        Some(Value::Gauge { last, .. }) => *last,
                        _ => 0.0,
                    };
                    folded.set(&tags, metric, before + last);
                }
                _ => folded.add(&tags, metric, value),
            }
        }
        folded
    }

    /// True without a series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
