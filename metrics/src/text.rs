//! The summary as text, in k6's layout, which people know. What is throng's own (agents, conservation, verdict) is
//! rendered by others with the same helpers, and follows.

mod format;
mod layout;

use crate::summary::{Check, Group, MetricSummary, Summary, ThresholdResult, Unjudged};
use crate::{Contains, Kind, Metric};
pub use format::{bytes, clean, duration, label, number, share};
pub use layout::{Class, Paint, Table, title};
use std::collections::BTreeMap;

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// k6's default list, and what throng adds only when there is something to say: corrected times, stops, resends, overflow.
    #[default]
    Compact,
    /// Every metric: the phases of a request, groups, lateness and loop lag, too.
    Full,
}

/// The metrics of each section, in order, and whether the compact form has them.
const SECTIONS: [(&str, &[(Metric, bool)]); 3] = [
    (
        "HTTP",
        &[
            (Metric::HttpReqDuration, true),
            (Metric::HttpReqCorrected, true),
            (Metric::HttpReqBlocked, false),
            (Metric::HttpReqConnecting, false),
            (Metric::HttpReqTlsHandshaking, false),
            (Metric::HttpReqSending, false),
            (Metric::HttpReqWaiting, false),
            (Metric::HttpReqReceiving, false),
            (Metric::HttpReqFailed, true),
            (Metric::HttpReqs, true),
            (Metric::ResentRequests, true),
        ],
    ),
    (
        "EXECUTION",
        &[
            (Metric::DroppedIterations, true),
            (Metric::GroupDuration, false),
            (Metric::IterationDuration, true),
            (Metric::IterationCorrected, true),
            (Metric::IterationLateness, false),
            (Metric::Iterations, true),
            (Metric::StoppedIterations, true),
            (Metric::Vus, true),
            (Metric::VusMax, true),
            (Metric::LoopLag, false),
            (Metric::OverflowSamples, true),
        ],
    ),
    (
        "NETWORK",
        &[(Metric::DataReceived, true), (Metric::DataSent, true)],
    ),
];

/// The compact form.
#[must_use]
pub fn render_text(summary: &Summary, colour: bool) -> String {
    render(summary, Paint { on: colour }, Detail::Compact)
}

/// Thresholds, checks, and the metrics by section.
#[must_use]
pub fn render(summary: &Summary, paint: Paint, detail: Detail) -> String {
    let mut out = thresholds(summary, paint);
    let checks = checks(summary, paint);
    let metrics = sections(summary, detail).render(paint);
    out.push_str(&title(paint, "TOTAL RESULTS"));
    match (checks.is_empty(), metrics.is_empty()) {
        (true, true) => out.push_str("    nothing was measured\n"),
        (false, false) => out.push_str(&format!("{checks}\n{metrics}")),
        _ => out.push_str(&format!("{checks}{metrics}")),
    }
    out
}

/// The parts of `name{filter}`.
fn split(key: &str) -> (&str, Option<&str>) {
    match key.split_once('{') {
        Some((name, filter)) => (name, Some(filter.strip_suffix('}').unwrap_or(filter))),
        None => (key, None),
    }
}

fn thresholds(summary: &Summary, paint: Paint) -> String {
    let mut by_name: BTreeMap<&str, Vec<(Option<&str>, &MetricSummary)>> = BTreeMap::new();
    for (key, metric) in &summary.metrics {
        if !metric.thresholds.is_empty() {
            let (name, filter) = split(key);
            by_name.entry(name).or_default().push((filter, metric));
        }
    }
    if by_name.is_empty() {
        return String::new();
    }
    let blocks = by_name.into_iter().map(|(name, parts)| {
        let mut block = format!("    {}\n", clean(name));
        for (filter, metric) in parts {
            let indent = if filter.is_some() { "      " } else { "    " };
            if let Some(filter) = filter {
                block.push_str(&format!("{indent}{{{}}}\n", clean(filter)));
            }
            for (expression, result) in &metric.thresholds {
                let line = threshold(metric, expression, *result, paint);
                block.push_str(&format!("{indent}{line}\n"));
            }
        }
        block
    });
    let blocks: Vec<_> = blocks.collect();
    format!("{}{}", title(paint, "THRESHOLDS"), blocks.join("\n"))
}

fn threshold(
    metric: &MetricSummary,
    expression: &str,
    result: ThresholdResult,
    paint: Paint,
) -> String {
    let measured = match (result.reason, result.actual) {
        (Some(Unjudged::NoSamples), _) if result.ok => "no samples (passes as in k6)".to_owned(),
        (Some(Unjudged::NoSamples), _) => "no samples".to_owned(),
        (Some(Unjudged::Overflow), _) => {
            "not judged: more series than are kept, its samples may be among the overflow"
                .to_owned()
        }
        (None, None) => "not judged".to_owned(),
        (None, Some(actual)) => {
            let end = expression.find(['<', '>', '=', '!']);
            let name = expression[..end.unwrap_or(expression.len())].trim();
            format!("{}={}", clean(name), measure(metric, name, actual))
        }
    };
    let measured = if result.ok {
        measured
    } else {
        paint.bad(&measured)
    };
    format!(
        "{} '{}' {measured}",
        paint.mark(result.ok),
        clean(expression)
    )
}

/// A threshold's figure in the form of its metric.
fn measure(metric: &MetricSummary, aggregation: &str, actual: f64) -> String {
    let per = if aggregation == "rate" { "/s" } else { "" };
    match (metric.kind, metric.contains) {
        (Kind::Trend, Contains::Time) => duration(actual * 1e6),
        (Kind::Rate, _) => share(actual),
        (Kind::Counter, Contains::Data) => format!("{}{per}", bytes(actual)),
        (Kind::Counter, _) => format!("{}{per}", number(actual)),
        (Kind::Trend | Kind::Gauge, _) => number(actual),
    }
}

fn checks(summary: &Summary, paint: Paint) -> String {
    let Some(all) = summary.metrics.get(Metric::Checks.name()) else {
        return String::new();
    };
    let of = |name: &str| all.values.get(name).copied().unwrap_or(0.0);
    let (passes, fails) = (of("passes"), of("fails"));
    let total = passes + fails;
    if total == 0.0 {
        return String::new();
    }
    let seconds = summary.state.test_run_duration_ms / 1e3;
    let rate = if seconds > 0.0 { total / seconds } else { 0.0 };
    let of_all = |part: f64| vec![share(part / total), format!("{part} out of {total}")];
    let mut table = Table::new();
    let rate = vec![number(total), format!("{}/s", number(rate))];
    table.row(Class::Plain, "checks_total", rate);
    table.row(Class::Plain, "checks_succeeded", of_all(passes));
    table.row(Class::Plain, "checks_failed", of_all(fails));
    let mut out = table.render(paint);
    out.push('\n');
    group(&summary.root_group, 4, paint, &mut out);
    out
}

fn group(group: &Group, indent: usize, paint: Paint, out: &mut String) {
    let space = " ".repeat(indent);
    for check in &group.checks {
        check_lines(check, &space, paint, out);
    }
    for inner in group.groups.iter().filter(|inner| has_checks(inner)) {
        out.push_str(&format!("\n{space}█ {}\n", paint.bold(&clean(&inner.name))));
        if !inner.checks.is_empty() {
            out.push('\n');
        }
        // Deeper than this a line has no room left; paths are from outside.
        self::group(inner, (indent + 2).min(40), paint, out);
    }
}

fn has_checks(group: &Group) -> bool {
    !group.checks.is_empty() || group.groups.iter().any(has_checks)
}

fn check_lines(check: &Check, space: &str, paint: Paint, out: &mut String) {
    let ok = check.fails == 0;
    out.push_str(&format!(
        "{space}{} {}\n",
        paint.mark(ok),
        clean(&check.name)
    ));
    if !ok {
        let total = u128::from(check.passes) + u128::from(check.fails);
        let percent = u128::from(check.passes) * 100 / total;
        let (passes, fails) = (format!("✓ {}", check.passes), format!("✗ {}", check.fails));
        let (passes, fails) = (paint.good(&passes), paint.bad(&fails));
        out.push_str(&format!("{space}  ↳  {percent}% — {passes} / {fails}\n"));
    }
}

fn sections(summary: &Summary, detail: Detail) -> Table {
    let mut table = Table::new();
    let stats = &summary.options.summary_trend_stats;
    for (heading, metrics) in SECTIONS {
        let mut first = true;
        for &(metric, compact) in metrics {
            // What happened zero times, as most of throng's own incidents, is not worth a line.
            let of_interest = |found: &&MetricSummary| {
                !metric.counts_incidents() || found.values.get("count").is_some_and(|&n| n > 0.0)
            };
            let name = metric.name();
            let Some(found) = summary.metrics.get(name).filter(of_interest) else {
                continue;
            };
            if !compact && detail == Detail::Compact {
                continue;
            }
            if std::mem::take(&mut first) {
                table.heading(heading);
            }
            let (class, cells) = cells(found, stats);
            table.row(class, name, cells);
            let own = format!("{name}{{");
            let parts = summary.metrics.range(own.clone()..);
            for (key, part) in parts.take_while(|(key, _)| key.starts_with(&own)) {
                let (class, cells) = self::cells(part, stats);
                let filter = clean(split(key).1.unwrap_or_default());
                table.row(class, &format!("  {{ {filter} }}"), cells);
            }
        }
    }
    table
}

/// A metric's columns.
fn cells(metric: &MetricSummary, stats: &[String]) -> (Class, Vec<String>) {
    let of = |name: &str| metric.values.get(name).copied().unwrap_or(0.0);
    let data = metric.contains == Contains::Data;
    let plain = |value: f64| if data { bytes(value) } else { number(value) };
    match metric.kind {
        Kind::Trend => {
            let shown = |stat: &String| {
                let time = metric.contains == Contains::Time && stat != "count";
                let value = of(stat);
                let value = if time {
                    duration(value * 1e6)
                } else {
                    number(value)
                };
                format!("{}={value}", clean(stat))
            };
            (Class::Trend, stats.iter().map(shown).collect())
        }
        Kind::Counter => {
            let rate = format!("{}/s", plain(of("rate")));
            (Class::Plain, vec![plain(of("count")), rate])
        }
        Kind::Gauge => {
            let (min, max) = (plain(of("min")), plain(of("max")));
            let cells = vec![
                plain(of("value")),
                format!("min={min}"),
                format!("max={max}"),
            ];
            (Class::Plain, cells)
        }
        Kind::Rate => {
            let total = of("passes") + of("fails");
            let part = format!("{} out of {total}", of("passes"));
            (Class::Plain, vec![share(of("rate")), part])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_line() {
        for &metric in Metric::ALL {
            let lines = SECTIONS.iter().flat_map(|(_, metrics)| *metrics);
            let places = lines.filter(|(listed, _)| *listed == metric).count();
            // Checks have a block of their own.
            assert_eq!(places, usize::from(metric != Metric::Checks), "{metric}");
        }
    }
}
