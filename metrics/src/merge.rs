//! Merging intervals: exact, never an average. Whoever calls it has made sure that each interval comes once
//! ([`crate::Delivery`]); here is only addition, which gives the same whatever the order.

use crate::value::KindMismatch;
use crate::{GaugeBook, Histogram, Interval, Kind, Metric, Series, Tags, Trend, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How much a store may hold, so that a hostile or broken agent costs a counter, not the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Sets of tags.
    pub series: usize,
    /// Bytes of all values, reckoned as if every histogram held its whole range.
    pub bytes: usize,
}

impl Default for Limits {
    /// 10,000 series, 2 GiB (some 4,000 series of requests with all their phases).
    fn default() -> Self {
        Self {
            series: 10_000,
            bytes: 2 << 30,
        }
    }
}

/// What one set of tags has.
type Row = BTreeMap<Metric, Value>;

/// Every series of a run so far, merged over its agents. A clone shares what neither changes afterwards: it is cheap, and what is merged
/// later copies each series once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Store {
    limits: Limits,
    /// Everything but gauges.
    #[serde(with = "shared")]
    rows: BTreeMap<Arc<Tags>, Arc<Row>>,
    /// Gauges by metric: the total over all series, and each series' own.
    gauges: BTreeMap<Metric, Gauges>,
    bytes: usize,
    /// Values beyond the limits, merged into the overflow series.
    overflow: u64,
    /// Values that were of the wrong kind, and were not merged.
    refused: u64,
    /// Intervals merged.
    intervals: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Gauges {
    total: GaugeBook,
    by_tags: HashMap<Tags, (u64, GaugeBook)>,
}

impl Store {
    /// An empty one, of default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds an interval. Whoever received it has called [`Interval::check`]; a value of a wrong kind is counted in
    /// [`Store::refused`] and left out.
    pub fn merge_interval(&mut self, interval: &Interval) {
        self.intervals += 1;
        for series in &interval.series {
            let Some(row) = self.rows.get_mut(&series.tags) else {
                self.merge_values(interval, series, &mut series.values.iter());
                continue;
            };
            // Tags are long to compare: looked for once, and not for each metric.
            let row = Arc::make_mut(row);
            let new = |(metric, value): &&(Metric, Value)| {
                let cell = row.get_mut(metric);
                cell.is_none_or(|cell| cell.merge(value).is_err())
            };
            let new: Vec<&(Metric, Value)> = series.values.iter().filter(new).collect();
            self.merge_values(interval, series, &mut new.into_iter());
        }
    }

    /// Adds values of a series one by one.
    fn merge_values(
        &mut self,
        interval: &Interval,
        series: &Series,
        values: &mut dyn Iterator<Item = &(Metric, Value)>,
    ) {
        for (metric, value) in values {
            match value {
                Value::Gauge { last, .. } if metric.kind() == Kind::Gauge => {
                    if let Some(seconds) = interval.seconds() {
                        self.merge_gauge(interval.agent, seconds, &series.tags, *metric, *last);
                    }
                }
                _ => {
                    if self.merge_series(&series.tags, *metric, value).is_err() {
                        self.refused += 1;
                    }
                }
            }
        }
    }

    /// Adds to one series. Not for gauges, which need to know whose they are and when: [`Store::merge_gauge`].
    ///
    /// # Errors
    /// If the value is not of the metric's kind, or both are gauges; then nothing was added.
    pub fn merge_series(
        &mut self,
        tags: &Tags,
        metric: Metric,
        value: &Value,
    ) -> Result<(), KindMismatch> {
        let mismatch = KindMismatch {
            expected: metric.kind(),
            found: value.kind(),
        };
        if value.kind() != metric.kind() || metric.kind() == Kind::Gauge {
            return Err(mismatch);
        }
        self.cell(tags, metric).merge(value)
    }

    /// Notes an agent's level over run seconds (first and last).
    pub fn merge_gauge(
        &mut self,
        agent: u32,
        seconds: (i64, i64),
        tags: &Tags,
        metric: Metric,
        level: f64,
    ) {
        let gauges = self.gauges.entry(metric).or_default();
        let number = gauges.by_tags.len() as u64;
        if number >= self.limits.series as u64 && !gauges.by_tags.contains_key(tags) {
            self.overflow += 1;
            return;
        }
        let (series, book) = gauges
            .by_tags
            .entry(tags.clone())
            .or_insert_with(|| (number, GaugeBook::new()));
        let source = u64::from(agent) << 32 | *series;
        // What is older than the window would only be ignored, second by second.
        let first = seconds
            .0
            .max(seconds.1.saturating_sub(GaugeBook::WINDOW as i64));
        for second in first..=seconds.1 {
            book.record(u64::from(agent), second, level);
            gauges.total.record(source, second, level);
        }
    }

    /// The value of a series, made if the limits allow, else that of the overflow series.
    fn cell(&mut self, tags: &Tags, metric: Metric) -> &mut Value {
        let known = self
            .rows
            .get(tags)
            .is_some_and(|row| row.contains_key(&metric));
        let tags = if known {
            Cow::Borrowed(tags)
        } else {
            let bytes = match metric.kind() {
                Kind::Trend => size_of::<Trend>() + Histogram::footprint(metric.resolution()),
                _ => size_of::<Value>(),
            };
            let series = self.rows.len() + usize::from(!self.rows.contains_key(tags));
            // The overflow series itself is one per metric, beyond the limits.
            if tags.is_overflow()
                || (series <= self.limits.series && self.bytes + bytes <= self.limits.bytes)
            {
                self.bytes += bytes;
                Cow::Borrowed(tags)
            } else {
                self.overflow += 1;
                Cow::Owned(Tags::overflow())
            }
        };
        let row = self.rows.entry(Arc::new(tags.into_owned())).or_default();
        Arc::make_mut(row)
            .entry(metric)
            .or_insert_with(|| Value::empty(metric))
    }

    /// The sum over every series of the metric that the filter matches; `None` without any.
    #[must_use]
    pub fn aggregate(&self, metric: Metric, filter: &Tags) -> Option<Value> {
        if metric.kind() == Kind::Gauge {
            return self.aggregate_gauge(metric, filter);
        }
        let mut found: Option<Value> = None;
        for (tags, row) in &self.rows {
            if let Some(value) = row.get(&metric)
                && tags.matches(filter)
            {
                let sum = found.get_or_insert_with(|| Value::empty(metric));
                // Every value in a row is of its metric's kind.
                let _ = sum.merge(value);
            }
        }
        found
    }

    fn aggregate_gauge(&self, metric: Metric, filter: &Tags) -> Option<Value> {
        let gauges = self.gauges.get(&metric)?;
        if filter.is_empty() {
            return gauges.total.value();
        }
        let mut matching = gauges
            .by_tags
            .iter()
            .filter(|(tags, _)| tags.matches(filter));
        let (_, (_, first)) = matching.next()?;
        let mut sum = first.clone();
        for (_, (_, book)) in matching {
            sum.merge(book);
        }
        sum.value()
    }

    /// The fleet's levels of a gauge, over all its series.
    #[must_use]
    pub fn gauge(&self, metric: Metric) -> Option<&GaugeBook> {
        self.gauges.get(&metric).map(|gauges| &gauges.total)
    }

    /// Every series: the metric, its tags and its value. Gauges come last, and in no order of tags.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &Tags, Cow<'_, Value>)> {
        let plain = self.rows.iter().flat_map(|(tags, row)| {
            row.iter()
                .map(move |(&metric, value)| (metric, &**tags, Cow::Borrowed(value)))
        });
        let gauges = self.gauges.iter().flat_map(|(&metric, gauges)| {
            gauges.by_tags.iter().filter_map(move |(tags, (_, book))| {
                Some((metric, tags, Cow::Owned(book.value()?)))
            })
        });
        plain.chain(gauges)
    }

    /// Every set of tags with what it has, gauges left out.
    pub fn rows(&self) -> impl Iterator<Item = (&Tags, &BTreeMap<Metric, Value>)> {
        self.rows.iter().map(|(tags, row)| (&**tags, &**row))
    }

    /// The metrics that have a series, in the order of the report.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<Metric> {
        let rows = self.rows.values().flat_map(|row| row.keys());
        rows.chain(self.gauges.keys()).copied().collect()
    }

    /// The values of a tag on the series of a metric: `distinct(Metric::Checks, "check")`.
    #[must_use]
    pub fn distinct(&self, metric: Metric, tag: &str) -> BTreeSet<&str> {
        let having = self
            .rows
            .iter()
            .filter(|(_, row)| row.contains_key(&metric));
        having.filter_map(|(tags, _)| tags.get(tag)).collect()
    }

    /// True if some series, of any metric, has a tag of that name.
    #[must_use]
    pub fn knows_tag(&self, tag: &str) -> bool {
        self.rows.keys().any(|tags| tags.get(tag).is_some())
    }

    /// True if samples went to an overflow series, at an agent or here: a threshold on tags can then not be judged.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        let counted = |row: &Row| {
            let samples = row.get(&Metric::OverflowSamples);
            samples.is_some_and(|value| matches!(value, Value::Counter(sum) if *sum > 0.0))
        };
        let mut rows = self.rows.iter();
        self.overflow > 0 || rows.any(|(tags, row)| tags.is_overflow() || counted(row))
    }

    /// Values that this store (not an agent) put into the overflow series.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Values beyond [`Histogram::HIGHEST`], which count as that.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        let of = |value: &Value| match value {
            Value::Trend(trend) => trend.clamped,
            _ => 0,
        };
        self.iter()
            .map(|(_, _, value)| of(&value))
            .fold(0, u64::saturating_add)
    }

    /// Values of the wrong kind, left out.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Intervals merged.
    #[must_use]
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Sets of tags held.
    #[must_use]
    pub fn series(&self) -> usize {
        self.rows.len()
    }

    /// Bytes reckoned for the values, see [`Limits::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Rows as the map that they are.
mod shared {
    use super::{Arc, BTreeMap, Row, Tags};
    use serde::{Deserialize, Deserializer, Serializer};

    type Rows = BTreeMap<Arc<Tags>, Arc<Row>>;

    pub(super) fn serialize<S: Serializer>(rows: &Rows, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(rows.iter().map(|(tags, row)| (&**tags, &**row)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rows, D::Error> {
        let rows = BTreeMap::<Tags, Row>::deserialize(from)?;
        let shared = |(tags, row)| (Arc::new(tags), Arc::new(row));
        Ok(rows.into_iter().map(shared).collect())
    }
}
