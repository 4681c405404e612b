//! The nine series of one kind of request outcome, which share their tags; and the series of checks.

use super::scenario::push_trend;
use crate::http::{Failure, Hop, Proto};
use http::Method;
use metrics::{Metric, Series, Tags, Trend, Value};
use plan::{Request, Scenario};

/// What tells one kind of outcome of a request from another; everything else of its tags is the plan's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HttpKey {
    /// 0 for none.
    status: u16,
    failure: Option<Failure>,
    proto: Option<Proto>,
    tls: Option<&'static str>,
    /// A redirect may turn POST into GET.
    method: Method,
    pub(super) expected: bool,
}

impl HttpKey {
    pub(super) fn of(request: &Request, hop: &Hop) -> Self {
        let status = hop.status.map_or(0, |status| status.as_u16());
        Self {
            status,
            failure: hop.failure,
            proto: hop.proto,
            tls: hop.tls_version,
            method: hop.method.clone(),
            expected: hop.failure.is_none() && request.expected.contains(status),
        }
    }

    /// k6's `error_code`.
    fn error_code(&self) -> u32 {
        match (self.failure, self.status) {
            (Some(failure), _) => failure.code(),
            (None, status) if status >= 400 => 1000 + u32::from(status),
            (None, _) => 0,
        }
    }
}

/// How many series (metric and tags) an [`HttpSeries`] is.
pub(super) const PER_HTTP_SERIES: usize = 10;

/// The series of one kind of outcome.
#[derive(Debug)]
pub(super) struct HttpSeries {
    pub(super) key: HttpKey,
    count: u64,
    failed: u64,
    resent: u64,
    duration: Trend,
    phases: [(Metric, Trend); 6],
    /// Open models only, so made when first needed: once.
    corrected: Option<Trend>,
}

impl HttpSeries {
    pub(super) fn new(key: HttpKey) -> Self {
        let trend = |metric: Metric| (metric, Trend::new(metric.resolution()));
        Self {
            key,
            count: 0,
            failed: 0,
            resent: 0,
            duration: Trend::new(Metric::HttpReqDuration.resolution()),
            phases: [
                trend(Metric::HttpReqBlocked),
                trend(Metric::HttpReqConnecting),
                trend(Metric::HttpReqTlsHandshaking),
                trend(Metric::HttpReqSending),
                trend(Metric::HttpReqWaiting),
                trend(Metric::HttpReqReceiving),
            ],
            corrected: None,
        }
    }

    pub(super) fn record(&mut self, hop: &Hop, corrected: Option<u64>) {
        let p = &hop.phases;
        self.count += 1;
        self.failed += u64::from(!self.key.expected);
        self.resent += u64::from(hop.resent);
        if self.key.failure == Some(Failure::Local) {
            // The target had no part in it: it is no time of the target's.
            return;
        }
        self.duration.record(p.duration());
        let values = [
            p.blocked,
            p.connecting,
            p.tls,
            p.sending,
            p.waiting,
            p.receiving,
        ];
        for ((_, trend), ns) in self.phases.iter_mut().zip(values) {
            trend.record(ns);
        }
        if let Some(ns) = corrected {
            self.corrected
                .get_or_insert_with(|| Trend::new(Metric::HttpReqCorrected.resolution()))
                .record(ns);
        }
    }

    /// Takes everything off into series.
    pub(super) fn cut(
        &mut self,
        scenario_tags: &Tags,
        scenario: &Scenario,
        request: &Request,
        out: &mut Vec<Series>,
    ) {
        if self.count > 0 {
            out.push(Series {
                tags: self.tags(scenario_tags, scenario, request),
                values: self.take(),
            });
        }
    }

    /// Takes everything off into the series of what is beyond the limit, and counts it there.
    pub(super) fn cut_as_overflow(&mut self, out: &mut Vec<Series>) {
        if self.count > 0 {
            let count = Value::counter(self.count as f64);
            let mut values = self.take();
            values.push((Metric::OverflowSamples, count));
            out.push(Series {
                tags: Tags::overflow(),
                values,
            });
        }
    }

    fn take(&mut self) -> Vec<(Metric, Value)> {
        let count = std::mem::take(&mut self.count);
        let failed = std::mem::take(&mut self.failed);
        let resent = std::mem::take(&mut self.resent);
        let mut values = vec![
            (Metric::HttpReqs, Value::counter(count as f64)),
            (Metric::HttpReqFailed, Value::rate(failed, count)),
        ];
        if resent > 0 {
            values.push((Metric::ResentRequests, Value::counter(resent as f64)));
        }
        push_trend(Metric::HttpReqDuration, &mut self.duration, &mut values);
        for (metric, trend) in &mut self.phases {
            push_trend(*metric, trend, &mut values);
        }
        if let Some(trend) = &mut self.corrected {
            push_trend(Metric::HttpReqCorrected, trend, &mut values);
        }
        values
    }

    /// k6's system tags, the scenario's over the run's and the request's over both.
    fn tags(&self, scenario_tags: &Tags, scenario: &Scenario, request: &Request) -> Tags {
        let code = self.key.error_code();
        let tags = scenario_tags
            .clone()
            .with("scenario", &scenario.name)
            .with("name", &request.name)
            .with("method", self.key.method.as_str())
            .with("status", &self.key.status.to_string())
            .with("group", &request.group)
            .with("proto", self.key.proto.map_or("", Proto::as_str))
            .with("tls_version", self.key.tls.unwrap_or(""))
            .with("error", self.key.failure.map_or("", Failure::kind))
            .with(
                "error_code",
                &if code == 0 {
                    String::new()
                } else {
                    code.to_string()
                },
            )
            .with(
                "expected_response",
                if self.key.expected { "true" } else { "false" },
            );
        request
            .tags
            .iter()
            .fold(tags, |tags, (name, value)| tags.with(name, value))
    }
}

/// Takes the checks of a request off into series.
pub(super) fn cut_checks(
    scenario_tags: &Tags,
    request: &Request,
    counts: &mut [(u64, u64)],
    out: &mut Vec<Series>,
) {
    for (check, counts) in request.checks.iter().zip(counts) {
        let (passes, total) = std::mem::take(counts);
        if total > 0 {
            out.push(Series {
                tags: scenario_tags
                    .clone()
                    .with("group", &request.group)
                    .with("check", &check.name),
                values: vec![(Metric::Checks, Value::rate(passes, total))],
            });
        }
    }
}
