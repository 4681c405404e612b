//! What `--out` says: `KIND=TARGET[,OPTION=VALUE…]`, read once at the start. Secrets come from the environment or a file and are never shown.

mod options;

use super::page::Page;
use options::Options;
use reqwest::Url;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One output, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Where to, and how.
    pub kind: Kind,
    /// How long it may take at the end to write what is still queued.
    pub flush: Duration,
    /// For people, without secrets: `influxdb=http://host:8086/db`.
    pub shown: String,
}

/// The kinds of outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// k6's JSON lines.
    Json(FileSpec),
    /// k6's CSV.
    Csv(FileSpec),
    /// Line protocol over HTTP.
    Influx(InfluxSpec),
    /// Prometheus remote write.
    Prometheus(PrometheusSpec),
    /// OTLP over HTTP, in protobuf.
    Otlp(OtlpSpec),
    /// StatsD by UDP.
    Statsd(StatsdSpec),
    /// A page to scrape; not an `--out`.
    Page(Page),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Where; `{run}` stands for the run's id. Compressed if it ends in `.gz`.
    pub path: PathBuf,
    /// Rows per second and metric of trends and rates.
    pub samples: u64,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where, without user and password.
    pub url: Url,
    /// What to show it.
    pub auth: Auth,
}

/// What a server is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// User and password.
    Basic(String, Secret),
    /// A token, in the scheme that the kind of server has.
    Token(Secret),
}

/// Something that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// InfluxDB's write APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Influx {
    /// 1.x: `/write?db=`.
    V1,
    /// 2.x: `/api/v2/write?org=&bucket=`.
    V2 {
        /// The organisation.
        org: String,
    },
    /// 3.x: `/api/v3/write_lp?db=`.
    V3,
}

/// Which measurements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// k6's: samples in the field `value`.
    K6,
    /// throng's own: exact figures of each second.
    Throng,
    /// Both.
    Both,
}

impl Layout {
    /// True if k6's are written.
    #[must_use]
    pub fn k6(self) -> bool {
        self != Layout::Throng
    }

    /// True if throng's own are written.
    #[must_use]
    pub fn throng(self) -> bool {
        self != Layout::K6
    }
}

/// An InfluxDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfluxSpec {
    /// The server; its path was the database's name.
    pub endpoint: Endpoint,
    /// Its API.
    pub version: Influx,
    /// Database, or bucket.
    pub database: String,
    /// What to write.
    pub layout: Layout,
    /// Points per second and metric of trends and rates in k6's layout.
    pub samples: u64,
}

/// How trends reach Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trends {
    /// A gauge per statistic.
    Gauges,
    /// Native histograms.
    Native,
    /// Both.
    Both,
}

/// A server that takes remote writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSpec {
    /// Its whole address.
    pub endpoint: Endpoint,
    /// What becomes of trends.
    pub trends: Trends,
    /// How often to write.
    pub every: Duration,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpSpec {
    /// Its address, `/v1/metrics` included.
    pub endpoint: Endpoint,
    /// How often to write.
    pub every: Duration,
}

/// A StatsD server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdSpec {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Goes before every name.
    pub namespace: String,
    /// Whether series keep their tags, in DogStatsD's way of writing them.
    pub tags: bool,
    /// Lines per second and metric of trends.
    pub samples: u64,
}

/// What is wrong with an `--out`, and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SpecError {
    /// What is wrong.
    pub what: String,
    /// What to try.
    pub hint: String,
}

fn wrong<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError {
        what: what.into(),
        hint: hint.into(),
    })
}

/// Where `env:NAME` looks; handed in so that a test needs no environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

const KINDS: [&str; 6] = ["json", "csv", "influxdb", "prometheus-rw", "otlp", "statsd"];
const FORM: &str = "write KIND=TARGET[,OPTION=VALUE…], e.g. json=run.json.gz or influxdb=http://localhost:8086/k6,layout=throng (docs/outputs.md)";

impl Spec {
    /// True for one that is sent sums of the whole run, series by series.
    #[must_use]
    pub fn wants_series(&self) -> bool {
        matches!(
            self.kind,
            Kind::Prometheus(_) | Kind::Otlp(_) | Kind::Page(_)
        )
    }

    /// A page to scrape.
    #[must_use]
    pub fn page(page: &Page) -> Self {
        Self {
            kind: Kind::Page(page.clone()),
            flush: Duration::from_secs(1),
            shown: "/metrics".to_owned(),
        }
    }

    /// Reads one `--out`.
    ///
    /// # Errors
    /// What is wrong with it, and what to try.
    pub fn parse(text: &str, environment: Environment<'_>) -> Result<Self, SpecError> {
        let (kind, rest) = match text.split_once('=') {
            Some((kind, rest)) => (kind.trim(), rest),
            None => return wrong(format!("{text}: no target"), FORM),
        };
        let mut parts = rest.split(',');
        let target = parts.next().unwrap_or_default().trim().to_owned();
        if target.is_empty() {
            return wrong(format!("{text}: no target"), FORM);
        }
        let mut options = Options::new(kind, parts, environment)?;
        let flush = options.duration("flush", Duration::from_secs(10))?;
        let (kind_spec, shown) = match kind {
            "json" => (Kind::Json(options.file(&target)?), target),
            "csv" => (Kind::Csv(options.file(&target)?), target),
            "influxdb" => {
                let (spec, shown) = options.influx(&target)?;
                (Kind::Influx(spec), shown)
            }
            "prometheus-rw" => {
                let endpoint = options.endpoint(&target)?;
                let shown = endpoint.url.to_string();
                let trends = match options.text("trends")?.as_deref() {
                    None | Some("both") => Trends::Both,
                    Some("gauges") => Trends::Gauges,
                    Some("native") => Trends::Native,
                    Some(other) => {
                        return wrong(
                            format!("trends={other}: not a way to write trends"),
                            "gauges, native or both",
                        );
                    }
                };
                let every = options.duration("every", Duration::from_secs(5))?;
                let spec = PrometheusSpec {
                    endpoint,
                    trends,
                    every,
                };
                (Kind::Prometheus(spec), shown)
            }
            "otlp" => {
                let mut endpoint = options.endpoint(&target)?;
                if endpoint.url.path() == "/" {
                    endpoint.url.set_path("/v1/metrics");
                }
                let shown = endpoint.url.to_string();
                let every = options.duration("every", Duration::from_secs(5))?;
                (Kind::Otlp(OtlpSpec { endpoint, every }), shown)
            }
            "statsd" => {
                let spec = options.statsd(&target)?;
                (Kind::Statsd(spec), target)
            }
            other => {
                let near = plan::near_miss(other, KINDS.iter().copied());
                return wrong(
                    format!("{other}: no such output"),
                    near.map_or_else(
                        || format!("there are {}", KINDS.join(", ")),
                        |near| format!("did you mean {near}?"),
                    ),
                );
            }
        };
        options.end()?;
        Ok(Spec {
            kind: kind_spec,
            flush,
            shown: format!("{kind}={shown}"),
        })
    }
}

#[cfg(test)]
mod tests;
