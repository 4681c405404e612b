//! Run-wide options: k6's names and defaults, throng's `baseURL`.

use crate::Overrides;
use crate::diagnostics::{Place, suggestion};
use crate::draft::{Fields, Kind, Node, Reader};
use crate::duration;
use crate::scenario::read_tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Run-wide options, k6's names and defaults.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// Prefix of step URLs that begin with `/`. Without it every URL must be absolute. No `/` at its end.
    pub base_url: Option<String>,
    /// Tags on every sample (`--tag` and `tags:`).
    pub tags: BTreeMap<String, String>,
    /// `userAgent`; default `throng/<version>`.
    pub user_agent: String,
    /// `maxRedirects`, 10.
    pub max_redirects: u32,
    /// `timeout` of a request, 60 s.
    pub timeout: Duration,
    /// `insecureSkipTLSVerify`.
    pub insecure_skip_tls_verify: bool,
    /// `noConnectionReuse`: every request on a new connection.
    pub no_connection_reuse: bool,
    /// `noVUConnectionReuse`: connections do not outlive an iteration.
    pub no_vu_connection_reuse: bool,
    /// `noCookiesReset`: cookies outlive an iteration.
    pub no_cookies_reset: bool,
    /// `discardResponseBodies`: bodies no step reads are dropped anyway; this refuses to keep any.
    pub discard_response_bodies: bool,
    /// `dns.ttl`, 5 min.
    pub dns_ttl: Duration,
    /// `summaryTrendStats`.
    pub summary_trend_stats: Vec<TrendStat>,
    /// `--compat k6`.
    pub compat_k6: bool,
    /// `onAgentLoss` and `--on-agent-loss`.
    pub on_agent_loss: OnAgentLoss,
}

/// What becomes of a run when an agent is lost whose load was not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnAgentLoss {
    /// The others take its share over.
    #[default]
    Redistribute,
    /// The others go on with their own shares; the lost agent's is missing.
    Continue,
    /// The run is stopped.
    Abort,
}

impl OnAgentLoss {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Redistribute, Self::Continue, Self::Abort];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redistribute => "redistribute",
            Self::Continue => "continue",
            Self::Abort => "abort",
        }
    }

    fn unknown(text: &str) -> String {
        format!("`{text}` is no way to go on when an agent is lost")
    }

    fn near(text: &str) -> String {
        suggestion(text, Self::ALL.map(Self::name))
    }
}

impl std::str::FromStr for OnAgentLoss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|policy| policy.name() == text);
        found.ok_or_else(|| format!("{}; {}", Self::unknown(text), Self::near(text)))
    }
}

impl fmt::Display for OnAgentLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column of a trend in the report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum TrendStat {
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `med`
    Med,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `p(N)`, N in 0..=100.
    Percentile(f64),
}

impl TrendStat {
    /// k6's columns: avg, min, med, max, p(90), p(95).
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::Avg,
            Self::Min,
            Self::Med,
            Self::Max,
            Self::Percentile(90.0),
            Self::Percentile(95.0),
        ]
    }

    /// Reads one, in k6's spelling.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "avg" => Ok(Self::Avg),
            "min" => Ok(Self::Min),
            "med" => Ok(Self::Med),
            "max" => Ok(Self::Max),
            "count" => Ok(Self::Count),
            _ => text
                .strip_prefix("p(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|number| number.trim().parse::<f64>().ok())
                .filter(|q| (0.0..=100.0).contains(q))
                .map(Self::Percentile)
                .ok_or_else(|| {
                    format!(
                        "`{text}` is no column: avg, min, med, max, count and p(0) to p(100) are"
                    )
                }),
        }
    }
}

impl fmt::Display for TrendStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Med => f.write_str("med"),
            Self::Max => f.write_str("max"),
            Self::Count => f.write_str("count"),
            Self::Percentile(q) => write!(f, "p({q})"),
        }
    }
}

/// Options of k6 (and of throng's plans) that have no effect yet, so are refused.
pub(crate) const NOT_YET: [&str; 28] = [
    "batch",
    "batchPerHost",
    "blacklistIPs",
    "blockHostnames",
    "cloud",
    "compatibilityMode",
    "consoleOutput",
    "executionSegment",
    "executionSegmentSequence",
    "ext",
    "hosts",
    "httpDebug",
    "linger",
    "localIPs",
    "minIterationDuration",
    "noSummary",
    "noThresholds",
    "noUsageReport",
    "paused",
    "rps",
    "summaryTimeUnit",
    "systemTags",
    "throw",
    "tlsAuth",
    "tlsCipherSuites",
    "tlsVersion",
    "vusMax",
    "handleSummary",
];

/// Reads the options; wrong ones are reported and take their default, so that reading goes on.
pub(crate) fn read(fields: &mut Fields<'_>, overrides: &Overrides) -> Options {
    let reader = fields.reader;
    let base_url = match &overrides.base_url {
        Some(url) => {
            // It wins, and the file's is not even expanded; but it is known.
            let _ = fields.get("baseURL");
            base_url(reader, url, &Place::Flag("--base-url"))
        }
        None => fields.get("baseURL").and_then(|node| {
            let text = reader.text(node, "a URL such as `http://localhost:8080`")?;
            base_url(reader, &text, &node.place)
        }),
    };
    let mut tags = match fields.get("tags") {
        Some(node) => read_tags(reader, node),
        None => BTreeMap::new(),
    };
    tags.extend(overrides.tags.clone());
    let file_stats = fields.get("summaryTrendStats");
    let summary_trend_stats = match (&overrides.summary_trend_stats, file_stats) {
        (Some(text), _) => stats(reader, text, &Place::Flag("--summary-trend-stats")),
        (None, Some(node)) => read_stats(reader, node),
        (None, None) => None,
    };
    let default_agent = || concat!("throng/", env!("CARGO_PKG_VERSION")).to_owned();
    Options {
        base_url,
        tags,
        user_agent: user_agent(fields).unwrap_or_else(default_agent),
        max_redirects: max_redirects(fields).unwrap_or(10),
        timeout: timeout(fields, "timeout").unwrap_or(Duration::from_secs(60)),
        insecure_skip_tls_verify: fields.bool("insecureSkipTLSVerify").unwrap_or(false)
            || overrides.insecure_skip_tls_verify,
        no_connection_reuse: fields.bool("noConnectionReuse").unwrap_or(false),
        no_vu_connection_reuse: fields.bool("noVUConnectionReuse").unwrap_or(false),
        no_cookies_reset: fields.bool("noCookiesReset").unwrap_or(false),
        discard_response_bodies: fields.bool("discardResponseBodies").unwrap_or(false),
        dns_ttl: dns_ttl(fields).unwrap_or(Duration::from_secs(300)),
        summary_trend_stats: summary_trend_stats.unwrap_or_else(TrendStat::defaults),
        compat_k6: overrides.compat_k6,
        on_agent_loss: on_agent_loss(fields, overrides),
    }
}

fn on_agent_loss(fields: &mut Fields<'_>, overrides: &Overrides) -> OnAgentLoss {
    let reader = fields.reader;
    let written = fields.get("onAgentLoss").and_then(|node| {
        let text = reader.text(node, "`redistribute`, `continue` or `abort`")?;
        let text = text.trim();
        let policy = text.parse().ok();
        if policy.is_none() {
            let (what, help) = (OnAgentLoss::unknown(text), OnAgentLoss::near(text));
            reader.error_help(&node.place, what, help);
        }
        policy
    });
    overrides.on_agent_loss.or(written).unwrap_or_default()
}

fn base_url(reader: Reader<'_>, text: &str, place: &Place) -> Option<String> {
    let text = text.trim();
    match check_url(text) {
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            reader.error(
                place,
                format!("`{text}` has a query or a fragment; paths are put after it"),
            );
            None
        }
        Ok(_) => Some(text.trim_end_matches('/').to_owned()),
        Err(what) => {
            reader.error(place, what);
            None
        }
    }
}

/// Checks an absolute URL.
pub(crate) fn check_url(text: &str) -> Result<url::Url, String> {
    if !text.contains("://") {
        return Err(format!(
            "`{text}` is not a URL such as `http://localhost:8080`: it begins with neither `http://` nor `https://`"
        ));
    }
    let url = url::Url::parse(text).map_err(|error| {
        format!("`{text}` is not a URL such as `http://localhost:8080`: {error}")
    })?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(url),
        "http" | "https" => Err(format!("`{text}` has no host")),
        scheme => Err(format!(
            "`{text}` is `{scheme}`; only `http` and `https` are spoken"
        )),
    }
}

fn user_agent(fields: &mut Fields<'_>) -> Option<String> {
    let node = fields.get("userAgent")?;
    let text = fields.reader.text(node, "a text")?;
    if text.chars().any(char::is_control) {
        fields
            .reader
            .error(&node.place, "a header cannot hold control characters");
        return None;
    }
    Some(text)
}

fn max_redirects(fields: &mut Fields<'_>) -> Option<u32> {
    let node = fields.get("maxRedirects")?;
    redirects(fields.reader, node)
}

/// A number of redirects to follow.
pub(crate) fn redirects(reader: Reader<'_>, node: &Node) -> Option<u32> {
    let n = reader.u64(node)?;
    let small = u32::try_from(n).ok().filter(|n| *n <= 1000);
    if small.is_none() {
        reader.error(
            &node.place,
            format!("{n} redirects are too many; at most 1000 are followed"),
        );
    }
    small
}

/// A time-out: above zero.
pub(crate) fn timeout(fields: &mut Fields<'_>, key: &'static str) -> Option<Duration> {
    let node = fields.get(key)?;
    let value = fields.reader.duration(node)?;
    if value.is_zero() {
        fields.reader.error(
            &node.place,
            format!("a `{key}` of 0 would fail every request"),
        );
        return None;
    }
    Some(value)
}

fn dns_ttl(fields: &mut Fields<'_>) -> Option<Duration> {
    let reader = fields.reader;
    let (key, node) = fields.entry("dns")?;
    let mut dns = reader.fields(node, &key.place, "`dns`")?;
    dns.refuse(
        &["select", "policy"],
        "not supported yet",
        "remove it; `dns: { ttl: 5m }` is supported",
    );
    let ttl = dns.get("ttl");
    dns.finish(&["select", "policy"]);
    let node = ttl?;
    match reader.text(node, "a duration, `inf` or `0`")?.trim() {
        "inf" => Some(duration::LONGEST),
        _ => reader.duration(node),
    }
}

fn read_stats(reader: Reader<'_>, node: &Node) -> Option<Vec<TrendStat>> {
    match &node.kind {
        Kind::List(items) => {
            let texts = items
                .iter()
                .map(|item| {
                    let text = reader.text(item, "a column such as `p(95)`")?;
                    stats(reader, &text, &item.place)
                })
                .collect::<Option<Vec<_>>>()?;
            let columns = texts.concat();
            if columns.is_empty() {
                reader.error(&node.place, "`summaryTrendStats` is empty");
                return None;
            }
            Some(columns)
        }
        _ => {
            let text = reader.text(node, "a list of columns such as `[avg, p(95)]`")?;
            stats(reader, &text, &node.place)
        }
    }
}

fn stats(reader: Reader<'_>, text: &str, place: &Place) -> Option<Vec<TrendStat>> {
    text.split(',')
        .map(|one| match TrendStat::parse(one.trim()) {
            Ok(stat) => Some(stat),
            Err(what) => {
                reader.error(place, what);
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference promises that these are refused by name; it has to name them.
    #[test]
    fn the_reference_lists_what_is_not_supported_yet() {
        let reference = include_str!("../../docs/scenarios.md");
        let (_, list) = reference
            .split_once("\nNot supported yet, and refused by name: ")
            .unwrap_or_default();
        let (list, _) = list.split_once("; in `dns`").unwrap_or_default();
        let mut listed: Vec<&str> = list
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.starts_with("--"))
            .collect();
        let mut refused = NOT_YET.to_vec();
        listed.sort_unstable();
        refused.sort_unstable();
        assert_eq!(listed, refused);
    }
}
