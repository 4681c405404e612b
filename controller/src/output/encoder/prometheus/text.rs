//! The same series as text, for those who scrape: gauges and counters, for the text format has no native histograms.

use super::wire::TimeSeries;
use super::{Remote, STALE};
use crate::output::encoder::Second;
use crate::output::queue::Batch;
use crate::output::spec::Trends;
use bytes::Bytes;
use metrics::text::label as label_text;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The page of a run.
#[derive(Debug)]
pub struct Text {
    remote: Remote,
}

impl Text {
    pub(crate) fn new() -> Self {
        Self {
            remote: Remote::of(Trends::Gauges, 0),
        }
    }

    pub(crate) fn second(&mut self, second: &Second<'_>) -> Vec<Batch> {
        self.remote.hear(second);
        let now = second.unix_ns / 1_000_000 + 1_000;
        self.page(second, now, true)
    }

    /// What the run came to stays until the next one begins, but it is not active any more.
    pub(crate) fn end(&mut self, second: &Second<'_>) -> Vec<Batch> {
        self.page(second, second.unix_ns / 1_000_000 + 1_001, false)
    }

    pub(crate) fn event(&mut self, unix_ns: i64, kind: &str, text: &str) {
        self.remote.event(unix_ns, kind, text);
    }

    fn page(&mut self, second: &Second<'_>, now: i64, active: bool) -> Vec<Batch> {
        let series = self.remote.series(second, now);
        let points = series.len() as u64 + 1;
        let mut text = worded(&series);
        let run = label_text("run", &second.labels.run);
        // Writing to a string does not fail.
        write!(
            text,
            "# HELP throng_run_active Whether the run goes on.\n# TYPE throng_run_active gauge\nthrong_run_active{{{run}}} {}\n",
            u8::from(active)
        )
        .unwrap_or_default();
        let body = Bytes::from(text);
        vec![Batch { body, points }]
    }
}

/// The newest value of each series, metric by metric. Without times: scraped values are of the time of the scrape.
fn worded(series: &[TimeSeries]) -> String {
    let mut metrics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in series {
        let Some(sample) = one.samples.last().filter(|s| s.value.to_bits() != STALE) else {
            continue;
        };
        let labels: Vec<String> = one
            .labels
            .iter()
            .filter(|label| label.name != "__name__")
            .map(|label| label_text(&label.name, &label.value))
            .collect();
        let name = one.labels.iter().find(|label| label.name == "__name__");
        let name = name.map_or("", |label| label.value.as_str());
        let line = format!("{name}{{{}}} {}\n", labels.join(","), sample.value);
        metrics.entry(name).or_default().push(line);
    }
    let mut text = String::new();
    for (name, lines) in metrics {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        let text = &mut text;
        // Writing to a string does not fail.
        write!(
            text,
            "# HELP {name} Of the run so far, over all agents (docs/outputs.md).\n# TYPE {name} {kind}\n{}",
            lines.concat()
        )
        .unwrap_or_default();
    }
    text
}
