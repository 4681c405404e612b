//! Between the wire's intervals and those of `metrics`. Checks everything a hostile or broken peer could get wrong.
//!
//! An interval is taken whole or not at all: the error names the series, the metric and what is wrong.

use crate::v1;
use metrics::trend::TrendParts;
use metrics::{Interval, Kind, Metric, Series, Tags, Trend, Value};
use std::collections::{BTreeMap, HashSet};

pub use crate::bundle::sha256;

/// Most sets of tags in one interval; an agent keeps 1,000 and sends the rest as overflow.
pub const MAX_SERIES: usize = 4096;
/// Most tags of one series.
pub const MAX_TAGS: usize = 64;
/// Longest tag name, in bytes.
pub const MAX_TAG_NAME: usize = 256;
/// Longest tag value, in bytes.
pub const MAX_TAG_VALUE: usize = 8 << 10;
/// Largest count in one interval: a million a second for nine years.
pub const MAX_COUNT: u64 = 1 << 48;
/// Largest encoded histogram, in bytes; a full one of three digits stays below half of it.
pub const MAX_HISTOGRAM: usize = 1 << 20;

/// Why an interval was not taken: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct Rejected {
    /// Which part, e.g. `series 3, http_req_duration`.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

fn reject<T>(at: impl Into<String>, what: impl Into<String>) -> Result<T, Rejected> {
    Err(Rejected {
        at: at.into(),
        what: what.into(),
    })
}

/// The wire's form of an interval of a run.
#[must_use]
pub fn to_wire(run: &str, interval: &Interval) -> v1::Interval {
    v1::Interval {
        run: run.to_owned(),
        agent: interval.agent,
        incarnation: interval.incarnation,
        sequence: interval.sequence,
        from_ns: interval.from,
        to_ns: interval.to,
        series: interval.series.iter().map(series_to_wire).collect(),
    }
}

fn series_to_wire(series: &Series) -> v1::Series {
    v1::Series {
        tags: series.tags.0.clone().into_iter().collect(),
        values: series
            .values
            .iter()
            .map(|(metric, value)| v1::Sample {
                metric: metric.name().to_owned(),
                value: Some(value_to_wire(value)),
            })
            .collect(),
    }
}

fn value_to_wire(value: &Value) -> v1::sample::Value {
    match value {
        Value::Counter(sum) => v1::sample::Value::Counter(*sum),
        Value::Gauge { last, min, max } => v1::sample::Value::Gauge(v1::Gauge {
            last: *last,
            min: *min,
            max: *max,
        }),
        Value::Rate { passes, total } => v1::sample::Value::Rate(v1::Rate {
            passes: *passes,
            total: *total,
        }),
        Value::Trend(trend) => {
            let mut histogram = Vec::new();
            trend.histogram.to_v2(&mut histogram);
            v1::sample::Value::Trend(v1::Trend {
                count: trend.count,
                sum_lo: trend.sum as u64,
                sum_hi: (trend.sum >> 64) as u64,
                min: trend.min,
                max: trend.max,
                clamped: trend.clamped,
                histogram,
            })
        }
    }
}

/// The interval of a message.
///
/// # Errors
/// When anything in it could not have come from a sound agent.
pub fn from_wire(wire: &v1::Interval) -> Result<Interval, Rejected> {
    if wire.from_ns > wire.to_ns {
        return reject(
            "interval",
            format!(
                "it ends ({} ns) before it begins ({} ns)",
                wire.to_ns, wire.from_ns
            ),
        );
    }
    if wire.series.len() > MAX_SERIES {
        return reject(
            "interval",
            format!(
                "{} series, more than the {MAX_SERIES} allowed",
                wire.series.len()
            ),
        );
    }
    let mut seen = HashSet::with_capacity(wire.series.len());
    let mut series = Vec::with_capacity(wire.series.len());
    for (index, one) in wire.series.iter().enumerate() {
        let tags = tags(index, one)?;
        let values = values(index, one)?;
        if !seen.insert(tags.clone()) {
            return reject(
                format!("series {index}"),
                "the same tags as an earlier series",
            );
        }
        series.push(Series { tags, values });
    }
    Ok(Interval {
        agent: wire.agent,
        incarnation: wire.incarnation,
        sequence: wire.sequence,
        from: wire.from_ns,
        to: wire.to_ns,
        series,
    })
}

fn tags(index: usize, series: &v1::Series) -> Result<Tags, Rejected> {
    let at = || format!("series {index}");
    if series.tags.len() > MAX_TAGS {
        return reject(
            at(),
            format!(
                "{} tags, more than the {MAX_TAGS} allowed",
                series.tags.len()
            ),
        );
    }
    let mut tags = BTreeMap::new();
    for (name, value) in &series.tags {
        if name.is_empty() || name.len() > MAX_TAG_NAME {
            return reject(
                at(),
                format!(
                    "a tag name of {} bytes; 1 to {MAX_TAG_NAME} are allowed",
                    name.len()
                ),
            );
        }
        if value.is_empty() || value.len() > MAX_TAG_VALUE {
            return reject(
                at(),
                format!(
                    "tag {name:?} has a value of {} bytes; 1 to {MAX_TAG_VALUE} are allowed",
                    value.len()
                ),
            );
        }
        tags.insert(name.clone(), value.clone());
    }
    Ok(Tags(tags))
}

fn values(index: usize, series: &v1::Series) -> Result<Vec<(Metric, Value)>, Rejected> {
    let mut values: Vec<(Metric, Value)> =
        Vec::with_capacity(series.values.len().min(Metric::ALL.len()));
    for sample in &series.values {
        let at = || format!("series {index}, {}", shorten(&sample.metric));
        let Some(metric) = Metric::from_name(&sample.metric) else {
            return reject(at(), "no metric of this name is known");
        };
        if values.iter().any(|(earlier, _)| *earlier == metric) {
            return reject(at(), "there twice");
        }
        let Some(value) = &sample.value else {
            return reject(at(), "without a value");
        };
        let value = self::value(metric, value).or_else(|what| reject(at(), what))?;
        values.push((metric, value));
    }
    Ok(values)
}

/// A name from a stranger, short enough to print.
fn shorten(name: &str) -> String {
    if name.chars().count() <= 64 {
        return name.escape_debug().to_string();
    }
    let head: String = name.chars().take(64).collect();
    format!("{}…", head.escape_debug())
}

fn value(metric: Metric, value: &v1::sample::Value) -> Result<Value, String> {
    use v1::sample::Value as Wire;
    match (metric.kind(), value) {
        (Kind::Counter, Wire::Counter(sum)) if (0.0..=MAX_COUNT as f64).contains(sum) => {
            Ok(Value::Counter(*sum))
        }
        (Kind::Counter, Wire::Counter(sum)) => Err(format!("a counter of {sum:?}")),
        (Kind::Gauge, Wire::Gauge(gauge)) => self::gauge(gauge),
        (Kind::Rate, Wire::Rate(v1::Rate { passes, total }))
            if passes <= total && *total <= MAX_COUNT =>
        {
            Ok(Value::Rate {
                passes: *passes,
                total: *total,
            })
        }
        (Kind::Rate, Wire::Rate(rate)) => Err(format!("{} of {} passed", rate.passes, rate.total)),
        (Kind::Trend, Wire::Trend(trend)) => self::trend(metric, trend),
        (kind, _) => Err(format!(
            "its value is not a {}",
            match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Rate => "rate",
                Kind::Trend => "trend",
            }
        )),
    }
}

fn gauge(gauge: &v1::Gauge) -> Result<Value, String> {
    let v1::Gauge { last, min, max } = *gauge;
    let most = MAX_COUNT as f64;
    if -most <= min && min <= last && last <= max && max <= most {
        Ok(Value::Gauge { last, min, max })
    } else {
        Err(format!(
            "a gauge with last {last:?}, min {min:?}, max {max:?}"
        ))
    }
}

fn trend(metric: Metric, trend: &v1::Trend) -> Result<Value, String> {
    if trend.histogram.len() > MAX_HISTOGRAM {
        return Err(format!(
            "a histogram of {} bytes, more than the {MAX_HISTOGRAM} allowed",
            trend.histogram.len()
        ));
    }
    if trend.count > MAX_COUNT {
        return Err(format!(
            "{} samples, more than the {MAX_COUNT} allowed",
            trend.count
        ));
    }
    let parts = TrendParts {
        count: trend.count,
        sum: u128::from(trend.sum_hi) << 64 | u128::from(trend.sum_lo),
        min: trend.min,
        max: trend.max,
        clamped: trend.clamped,
        histogram: &trend.histogram,
    };
    let trend =
        Trend::from_parts(metric.resolution(), &parts).map_err(|error| error.to_string())?;
    Ok(Value::Trend(Box::new(trend)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use metrics::Digits;

    fn sound() -> v1::Interval {
        let mut trend = Trend::new(Digits::Three);
        for ns in [1, 4_000_000, u64::MAX / 3] {
            trend.record(ns);
        }
        let interval = Interval {
            agent: 2,
            incarnation: 7,
            sequence: 11,
            from: -5,
            to: 1_000_000_000,
            series: vec![Series {
                tags: Tags::default().with("method", "GET"),
                values: vec![
                    (Metric::HttpReqs, Value::Counter(3.0)),
                    (
                        Metric::HttpReqFailed,
                        Value::Rate {
                            passes: 1,
                            total: 3,
                        },
                    ),
                    (
                        Metric::Vus,
                        Value::Gauge {
                            last: 2.0,
                            min: 0.0,
                            max: 4.0,
                        },
                    ),
                    (Metric::HttpReqDuration, Value::Trend(Box::new(trend))),
                ],
            }],
        };
        to_wire("r", &interval)
    }

    fn sample<'a>(wire: &'a mut v1::Interval, metric: &str) -> &'a mut v1::sample::Value {
        wire.series[0]
            .values
            .iter_mut()
            .find(|sample| sample.metric == metric)
            .and_then(|sample| sample.value.as_mut())
            .unwrap()
    }

    #[test]
    fn there_and_back_is_the_same() {
        let wire = sound();
        let interval = from_wire(&wire).unwrap();
        assert_eq!(to_wire("r", &interval), wire);
        let (_, value) = &interval.series[0].values[3];
        let Value::Trend(trend) = value else {
            panic!("not a trend")
        };
        assert_eq!(
            (trend.count, trend.min, trend.max, trend.clamped),
            (3, 1, u64::MAX / 3, 1)
        );
        assert_eq!(trend.sum, 4_000_001 + u128::from(u64::MAX / 3));
    }

    #[test]
    fn whatever_a_hostile_peer_sends_is_refused_with_its_place() {
        use v1::sample::Value as Wire;
        type Spoil = fn(&mut v1::Interval);
        let cases: [(&str, Spoil); 22] = [
            ("ends", |w| w.from_ns = w.to_ns + 1),
            ("more than the 4096 allowed", |w| {
                w.series = vec![v1::Series::default(); MAX_SERIES + 1]
            }),
            ("same tags", |w| {
                let again = w.series[0].clone();
                w.series.push(again);
            }),
            ("tags, more than", |w| {
                w.series[0].tags = (0..=MAX_TAGS)
                    .map(|i| (i.to_string(), "x".to_owned()))
                    .collect();
            }),
            ("tag name of 0 bytes", |w| {
                w.series[0].tags.insert(String::new(), "x".to_owned());
            }),
            ("value of 8193 bytes", |w| {
                w.series[0]
                    .tags
                    .insert("name".to_owned(), "x".repeat(MAX_TAG_VALUE + 1));
            }),
            ("no metric of this name", |w| {
                w.series[0].values[0].metric = "http_req\n".repeat(1000)
            }),
            ("there twice", |w| {
                let again = w.series[0].values[0].clone();
                w.series[0].values.push(again);
            }),
            ("without a value", |w| w.series[0].values[0].value = None),
            ("not a counter", |w| {
                *sample(w, "http_reqs") = Wire::Rate(v1::Rate {
                    passes: 0,
                    total: 0,
                })
            }),
            ("a counter of NaN", |w| {
                *sample(w, "http_reqs") = Wire::Counter(f64::NAN)
            }),
            ("a counter of -1", |w| {
                *sample(w, "http_reqs") = Wire::Counter(-1.0)
            }),
            ("a counter of inf", |w| {
                *sample(w, "http_reqs") = Wire::Counter(f64::INFINITY)
            }),
            ("a counter of 281474976710657", |w| {
                *sample(w, "http_reqs") = Wire::Counter(MAX_COUNT as f64 + 1.0)
            }),
            ("18446744073709551615 of 18446744073709551615 passed", |w| {
                *sample(w, "http_req_failed") = Wire::Rate(v1::Rate {
                    passes: u64::MAX,
                    total: u64::MAX,
                })
            }),
            ("18446744073709551615 samples", |w| {
                trend_of(w).count = u64::MAX
            }),
            ("a gauge with last 1e300", |w| {
                *sample(w, "vus") = Wire::Gauge(v1::Gauge {
                    last: 1e300,
                    min: 0.0,
                    max: 1e300,
                });
            }),
            ("2 of 1 passed", |w| {
                *sample(w, "http_req_failed") = Wire::Rate(v1::Rate {
                    passes: 2,
                    total: 1,
                })
            }),
            ("a gauge with last inf", |w| {
                *sample(w, "vus") = Wire::Gauge(v1::Gauge {
                    last: f64::INFINITY,
                    min: 0.0,
                    max: f64::INFINITY,
                });
            }),
            ("http_req_duration: ", |w| trend_of(w).count += 1),
            ("http_req_duration: ", |w| {
                trend_of(w).histogram.truncate(39)
            }),
            ("a histogram of", |w| {
                trend_of(w).histogram.resize(MAX_HISTOGRAM + 1, 0)
            }),
        ];
        for (expected, spoil) in cases {
            let mut wire = sound();
            spoil(&mut wire);
            let error = from_wire(&wire).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{error:?} does not say {expected:?}"
            );
            assert!(error.len() < 400, "{} bytes of message", error.len());
        }
    }

    fn trend_of(wire: &mut v1::Interval) -> &mut v1::Trend {
        let v1::sample::Value::Trend(trend) = sample(wire, "http_req_duration") else {
            panic!("not a trend")
        };
        trend
    }
}
