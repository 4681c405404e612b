//! The options of one `--out`: each taken by whoever knows it, and what nobody took is an error.

use super::{
    Auth, Endpoint, Environment, FORM, FileSpec, Influx, InfluxSpec, Layout, Secret, SpecError,
    StatsdSpec, wrong,
};
use reqwest::Url;
use std::path::PathBuf;
use std::time::Duration;

/// `OPTION=VALUE`s that are not yet taken.
pub(super) struct Options<'a> {
    kind: String,
    given: Vec<(String, String)>,
    asked: Vec<&'static str>,
    environment: Environment<'a>,
}

impl<'a> Options<'a> {
    pub(super) fn new<'t>(
        kind: &str,
        parts: impl Iterator<Item = &'t str>,
        environment: Environment<'a>,
    ) -> Result<Self, SpecError> {
        let mut given: Vec<(String, String)> = Vec::new();
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                return wrong(format!("{kind}: {part} is not OPTION=VALUE"), FORM);
            };
            let name = name.trim().to_owned();
            if given.iter().any(|(other, _)| *other == name) {
                return wrong(format!("{kind}: {name} is given twice"), "give it once");
            }
            given.push((name, value.trim().to_owned()));
        }
        Ok(Self {
            kind: kind.to_owned(),
            given,
            asked: Vec::new(),
            environment,
        })
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, SpecError> {
        self.asked.push(name);
        let place = self.given.iter().position(|(given, _)| given == name);
        let Some(place) = place else { return Ok(None) };
        let (_, value) = self.given.remove(place);
        if value.is_empty() {
            return wrong(format!("{}: {name} is empty", self.kind), FORM);
        }
        Ok(Some(value))
    }

    pub(super) fn duration(
        &mut self,
        name: &'static str,
        default: Duration,
    ) -> Result<Duration, SpecError> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        match plan::parse_duration(&text) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            _ => wrong(
                format!("{}: {name}={text} is not a time", self.kind),
                "e.g. 5s",
            ),
        }
    }

    fn samples(&mut self, default: u64) -> Result<u64, SpecError> {
        let Some(text) = self.text("samples")? else {
            return Ok(default);
        };
        match text.parse() {
            Ok(samples @ 1..=1_000_000) => Ok(samples),
            _ => wrong(
                format!("{}: samples={text} is not a number of rows", self.kind),
                "1 to 1000000 per second and metric",
            ),
        }
    }

    fn secret(&mut self, name: &'static str) -> Result<Option<Secret>, SpecError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let found = if let Some(variable) = text.strip_prefix("env:") {
            (self.environment)(variable).ok_or_else(|| SpecError {
                what: format!("{name}: the environment has no {variable}"),
                hint: format!("set it, or give {name}=file:PATH"),
            })?
        } else if let Some(path) = text.strip_prefix("file:") {
            std::fs::read_to_string(path).map_err(|error| SpecError {
                what: format!("{name}: {path}: {error}"),
                hint: format!("give a file that can be read, or {name}=env:NAME"),
            })?
        } else {
            return wrong(
                format!(
                    "{name}: a secret on the command line can be seen by everybody on this host"
                ),
                format!("give {name}=env:NAME or {name}=file:PATH"),
            );
        };
        let found = found.trim();
        if found.is_empty() || found.contains(|letter: char| letter.is_control()) {
            return wrong(
                format!("{name}: it is empty, or not one line of text"),
                "look at what it holds",
            );
        }
        Ok(Some(Secret(found.to_owned())))
    }

    pub(super) fn file(&mut self, target: &str) -> Result<FileSpec, SpecError> {
        Ok(FileSpec {
            path: PathBuf::from(target),
            samples: self.samples(1_000)?,
        })
    }

    pub(super) fn endpoint(&mut self, target: &str) -> Result<Endpoint, SpecError> {
        let kind = &self.kind;
        let mut url = match Url::parse(target) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                return wrong(
                    format!("{kind}: {target} is not an http(s) URL"),
                    format!("e.g. {kind}=http://localhost:8086/k6"),
                );
            }
        };
        let (user, password) = (plain(url.username()), url.password().map(plain));
        // These fail only where there is no host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let user = self
            .text("user")?
            .or(Some(user).filter(|user| !user.is_empty()));
        let password = self.secret("password")?.or(password.map(Secret));
        let token = self.secret("token")?;
        let auth = match (user, password, token) {
            (None, None, None) => Auth::None,
            (None, None, Some(token)) => Auth::Token(token),
            (Some(user), password, None) => {
                Auth::Basic(user, password.unwrap_or_else(|| Secret(String::new())))
            }
            _ => {
                return wrong(
                    format!(
                        "{}: a user and a token, or a password without a user",
                        self.kind
                    ),
                    "give a token, or user and password",
                );
            }
        };
        Ok(Endpoint { url, auth })
    }

    pub(super) fn influx(&mut self, target: &str) -> Result<(InfluxSpec, String), SpecError> {
        let mut endpoint = self.endpoint(target)?;
        let shown = endpoint.url.to_string();
        let database = match endpoint.url.path().trim_matches('/') {
            "" => "k6".to_owned(),
            path if !path.contains('/') => plain(path),
            path => {
                return wrong(
                    format!("influxdb: {path} is not one name"),
                    "http://HOST:PORT/DATABASE",
                );
            }
        };
        endpoint.url.set_path("/");
        let layout = match self.text("layout")?.as_deref() {
            None | Some("both") => Layout::Both,
            Some("k6") => Layout::K6,
            Some("throng") => Layout::Throng,
            Some(other) => {
                return wrong(
                    format!("layout={other}: no such layout"),
                    "k6, throng or both",
                );
            }
        };
        let org = self.text("org")?;
        let version = match (self.text("version")?.as_deref(), org) {
            (None | Some("1"), None) => Influx::V1,
            (None | Some("2"), Some(org)) => Influx::V2 { org },
            (Some("3"), None) => Influx::V3,
            (Some("2"), None) => {
                return wrong(
                    "version=2: InfluxDB 2 keeps buckets by organisation",
                    "add org=NAME",
                );
            }
            (Some(version @ ("1" | "3")), Some(_)) => {
                return wrong(
                    format!("version={version} has no organisations"),
                    "leave org out, or say version=2",
                );
            }
            (Some(other), _) => {
                return wrong(format!("version={other}: no such API"), "1, 2 or 3");
            }
        };
        let samples = self.samples(300)?;
        let spec = InfluxSpec {
            endpoint,
            version,
            database,
            layout,
            samples,
        };
        Ok((spec, shown))
    }

    pub(super) fn statsd(&mut self, target: &str) -> Result<StatsdSpec, SpecError> {
        let (host, port) = match target.rsplit_once(':') {
            // An IPv6 address has colons of its own, and stands in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (target, Some(8125)),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let (Some(port @ 1..), false) = (port, host.is_empty() || host.contains('/')) else {
            return wrong(
                format!("statsd: {target} is not HOST:PORT"),
                "e.g. statsd=localhost:8125",
            );
        };
        let tags = match self.text("tags")?.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return wrong(format!("statsd: tags={other}"), "true or false");
            }
        };
        Ok(StatsdSpec {
            host: host.to_owned(),
            port,
            namespace: self.text("namespace")?.unwrap_or_else(|| "k6.".to_owned()),
            tags,
            samples: self.samples(100)?,
        })
    }

    pub(super) fn end(self) -> Result<(), SpecError> {
        let Some((name, _)) = self.given.first() else {
            return Ok(());
        };
        let near = plan::near_miss(name, self.asked.iter().copied());
        wrong(
            format!("{}: no option is called {name}", self.kind),
            near.map_or_else(
                || format!("there are {}", self.asked.join(", ")),
                |near| format!("did you mean {near}?"),
            ),
        )
    }
}

/// A part of a URL without its percent signs.
fn plain(part: &str) -> String {
    let bytes = percent_encoding::percent_decode_str(part);
    bytes.decode_utf8_lossy().into_owned()
}
