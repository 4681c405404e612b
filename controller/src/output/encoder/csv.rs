//! k6's CSV: one column per system tag, other tags in `extra_tags`, what a row stands for in `metadata`. Times of day in seconds.

use super::json::{is_gz, packed};
use super::k6::{Row, Rows, Stands};
use super::{Batches, Second};
use crate::output::queue::Batch;
use crate::output::sample::Fraction;
use crate::output::spec::FileSpec;
use std::fmt::Write;

/// k6's default system tags, sorted: the columns. `url` is always empty: throng keeps no series per URL.
const COLUMNS: [&str; 14] = [
    "check",
    "error",
    "error_code",
    "expected_response",
    "group",
    "method",
    "name",
    "proto",
    "scenario",
    "service",
    "status",
    "subproto",
    "tls_version",
    "url",
];

/// The rows.
#[derive(Debug)]
pub struct Csv {
    rows: Rows,
    begun: bool,
    gz: bool,
}

impl Csv {
    pub(super) fn new(spec: &FileSpec) -> Self {
        Self {
            rows: Rows::new(spec.samples, Fraction::Weighed),
            begun: false,
            gz: is_gz(spec),
        }
    }

    pub(super) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        let mut batches = Batches::default();
        if !std::mem::replace(&mut self.begun, true) {
            let head = format!(
                "metric_name,timestamp,metric_value,{},extra_tags,metadata\n",
                COLUMNS.join(",")
            );
            batches.text().extend_from_slice(head.as_bytes());
        }
        for row in self.rows.of(second) {
            batches.text().extend_from_slice(line(&row).as_bytes());
            batches.point();
        }
        packed(batches, self.gz)
    }
}

fn line(row: &Row<'_>) -> String {
    let mut line = format!(
        "{},{},{:.6}",
        row.metric.name(),
        row.unix_ns.div_euclid(1_000_000_000),
        row.value
    );
    for column in COLUMNS {
        line.push(',');
        line.push_str(&quoted(row.tags.get(column).unwrap_or("")));
    }
    let extra: Vec<String> = row
        .tags
        .0
        .iter()
        .filter(|(name, _)| !COLUMNS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    line.push(',');
    line.push_str(&quoted(&extra.join("&")));
    line.push(',');
    match row.stands {
        Stands::Itself => {}
        // Writing to a string does not fail.
        Stands::Samples(count) => write!(line, "samples={count}").unwrap_or_default(),
        Stands::Sum => line.push_str("aggregated=sum"),
    }
    line.push('\n');
    line
}

/// A field as RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
