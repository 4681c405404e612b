//! k6's JSON lines: a `Metric` line where a metric is first met, then `Point`s. What k6 has no word for is in a point's `metadata`.

use super::k6::{Row, Rows, Stands};
use super::time::rfc3339;
use super::{Batches, Second};
use crate::output::queue::Batch;
use crate::output::sample::Fraction;
use crate::output::spec::FileSpec;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics::Metric;
use serde_json::{Map, Value as Json_, json};
use std::collections::BTreeSet;
use std::io::Write;

/// The lines.
#[derive(Debug)]
pub struct Json {
    rows: Rows,
    known: BTreeSet<Metric>,
    gz: bool,
}

impl Json {
    pub(super) fn new(spec: &FileSpec) -> Self {
        Self {
            rows: Rows::new(spec.samples, Fraction::Weighed),
            known: BTreeSet::new(),
            gz: is_gz(spec),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let mut batches = Batches::default();
        for row in self.rows.of(second) {
            if self.known.insert(row.metric) {
                line(&mut batches, &metric(row.metric));
            }
            line(&mut batches, &point(&row));
            batches.point();
        }
        packed(batches, self.gz)
    }
}

fn line(batches: &mut Batches, json: &Json_) {
    batches
        .text()
        .extend_from_slice(json.to_string().as_bytes());
    batches.text().push(b'\n');
}

fn metric(metric: Metric) -> Json_ {
    let data = json!({
        "name": metric.name(),
        "type": metric.kind(),
        "contains": metric.contains(),
        "thresholds": [],
        "submetrics": null,
    });
    json!({ "type": "Metric", "data": data, "metric": metric.name() })
}

fn point(row: &Row<'_>) -> Json_ {
    let mut data = Map::new();
    data.insert("time".to_owned(), rfc3339(row.unix_ns).into());
    data.insert("value".to_owned(), number(row.value));
    data.insert("tags".to_owned(), json!(row.tags.0));
    match row.stands {
        Stands::Itself => {}
        Stands::Samples(count) => {
            data.insert(
                "metadata".to_owned(),
                json!({ "samples": count.to_string() }),
            );
        }
        Stands::Sum => {
            data.insert("metadata".to_owned(), json!({ "aggregated": "sum" }));
        }
    }
    json!({ "metric": row.metric.name(), "type": "Point", "data": data })
}

/// Whole numbers without a fraction, as k6 writes them.
fn number(value: f64) -> Json_ {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        (value as i64).into()
    } else {
        value.into()
    }
}

/// True for a file that is to be compressed.
pub(super) fn is_gz(spec: &FileSpec) -> bool {
    spec.path.extension().is_some_and(|end| end == "gz")
}

/// The batches, each a gzip member of its own if so wanted: a file that breaks off can be read up to there.
pub(super) fn packed(batches: Batches, gz: bool) -> Vec<Batch> {
    let mut done = batches.done();
    if gz {
        for batch in &mut done {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            // Writing to memory does not fail.
            let packed = encoder
                .write_all(&batch.body)
                .and_then(|()| encoder.finish());
            if let Ok(packed) = packed {
                batch.body = Bytes::from(packed);
            }
        }
    }
    done
}
