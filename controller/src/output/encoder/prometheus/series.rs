//! A series' labels and its native histogram.

use super::super::exponential::Exponential;
use super::wire::{BucketSpan, Histogram, Label, Sample, TimeSeries};
use crate::output::feed::Labels;
use metrics::{Tags, Trend};
use std::collections::BTreeMap;

/// A bucket is 2.2 % wide (k6's are 9 %), so a quantile is at most 1.1 % off.
const SCHEMA: i32 = 5;
/// Prometheus' own default: 2^−128.
const ZERO: f64 = 2.938_735_877_055_719e-39;

/// A series' labels, sorted, its name among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(BTreeMap<String, String>);

impl Key {
    pub(super) fn new(name: &str, labels: &Labels, tags: &Tags) -> Self {
        let mut all: BTreeMap<String, String> = labels
            .tags
            .iter()
            .chain(&tags.0)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (label(name), value.clone()))
            .collect();
        all.insert("run".to_owned(), labels.run.clone());
        all.insert("__name__".to_owned(), name.to_owned());
        Self(all)
    }

    fn labels(&self) -> Vec<Label> {
        let label = |(name, value): (&String, &String)| Label {
            name: name.clone(),
            value: value.clone(),
        };
        self.0.iter().map(label).collect()
    }

    pub(super) fn samples(&self, samples: Vec<Sample>) -> TimeSeries {
        TimeSeries {
            labels: self.labels(),
            samples,
            histograms: Vec::new(),
        }
    }

    pub(super) fn histograms(&self, histograms: Vec<Histogram>) -> TimeSeries {
        TimeSeries {
            labels: self.labels(),
            samples: Vec::new(),
            histograms,
        }
    }
}

/// A tag's name as a label's: letters, digits and `_`, no digit first.
fn label(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut label: String = name
        .chars()
        .map(|letter| if fits(letter) { letter } else { '_' })
        .collect();
    if label.starts_with(|letter: char| letter.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

/// A trend in seconds.
pub(super) fn native(trend: &Trend, timestamp: i64) -> Histogram {
    let buckets = Exponential::new(trend, SCHEMA, 1e9);
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut deltas = Vec::new();
    let (mut after, mut before) = (0, 0_i64);
    for (index, count) in &buckets.buckets {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        before = count;
        match spans.last_mut() {
            Some(span) if *index == after => span.length += 1,
            _ => spans.push(BucketSpan {
                offset: index - after,
                length: 1,
            }),
        }
        after = index + 1;
    }
    Histogram {
        count_int: Some(trend.count),
        sum: trend.sum as f64 / 1e9,
        schema: SCHEMA,
        zero_threshold: ZERO,
        zero_count_int: Some(buckets.zeros),
        positive_spans: spans,
        positive_deltas: deltas,
        timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Digits;

    #[test]
    fn gaps_are_spans_and_counts_are_differences() {
        let mut trend = Trend::new(Digits::Three);
        // 2^0, 2^0, 2^(1/32)…, 2^1 seconds.
        for ns in [1_000_000_000, 1_000_000_000, 1_015_000_000, 2_000_000_000] {
            trend.record(ns);
        }
        let native = native(&trend, 7);
        let spans: Vec<(i32, u32)> = native
            .positive_spans
            .iter()
            .map(|span| (span.offset, span.length))
            .collect();
        // The first value's bucket may be read as the one above by half an HDR bucket: within the exact ends it is not.
        assert_eq!(native.count_int, Some(4));
        assert_eq!(
            native
                .positive_deltas
                .iter()
                .scan(0, |sum, delta| {
                    *sum += delta;
                    Some(*sum)
                })
                .sum::<i64>(),
            4
        );
        assert_eq!(
            spans.iter().map(|(_, length)| length).sum::<u32>() as usize,
            native.positive_deltas.len()
        );
        assert_eq!(spans.first(), Some(&(1, 1)));
    }

    #[test]
    fn any_tag_makes_a_label() {
        for (tag, expected) in [
            ("status", "status"),
            ("my-tag", "my_tag"),
            ("9a", "_9a"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(label(tag), expected);
        }
    }
}
