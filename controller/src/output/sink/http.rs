//! A server that takes batches by POST: where exactly, with what headers, and what its answers mean.

use super::Outcome;
use crate::output::queue::Batch;
use crate::output::spec::{Auth, Endpoint, Influx, InfluxSpec, OtlpSpec, PrometheusSpec};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use std::time::Duration;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of an answer that are kept.
const WORDS: usize = 300;

/// Who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Influx1,
    Influx,
    Prometheus,
    Otlp,
}

/// A server.
#[derive(Debug)]
pub(super) struct HttpSink {
    dialect: Dialect,
    client: Result<Client, String>,
    url: Url,
    headers: HeaderMap,
    auth: Auth,
    /// InfluxDB 1.x: what makes the database.
    create: Option<Url>,
    /// Whether it was asked for, and what came of it.
    made: Made,
}

/// How it stands with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It is to be made.
    NotYet,
    /// By us.
    Yes,
    /// Whoever may not make it may still write to it.
    NotByUs,
}

impl HttpSink {
    fn new(dialect: Dialect, endpoint: &Endpoint, url: Url, content: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
        Self {
            dialect,
            client: client(&url),
            url,
            headers,
            auth: endpoint.auth.clone(),
            create: None,
            made: Made::NotYet,
        }
    }

    pub(super) fn influx(spec: &InfluxSpec) -> Self {
        let at = |path: &str, pairs: &[(&str, &str)]| {
            let mut url = spec.endpoint.url.clone();
            url.set_path(path);
            url.query_pairs_mut().clear().extend_pairs(pairs);
            url
        };
        let name = spec.database.as_str();
        let text = "text/plain; charset=utf-8";
        match &spec.version {
            Influx::V1 => {
                let url = at("/write", &[("db", name), ("precision", "ns")]);
                let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
                let query = format!("CREATE DATABASE \"{quoted}\"");
                Self {
                    create: Some(at("/query", &[("q", &query)])),
                    ..Self::new(Dialect::Influx1, &spec.endpoint, url, text)
                }
            }
            Influx::V2 { org } => {
                let pairs = [("org", org.as_str()), ("bucket", name), ("precision", "ns")];
                let url = at("/api/v2/write", &pairs);
                Self::new(Dialect::Influx, &spec.endpoint, url, text).with_token("Token")
            }
            Influx::V3 => {
                let url = at(
                    "/api/v3/write_lp",
                    &[("db", name), ("precision", "nanosecond")],
                );
                Self::new(Dialect::Influx, &spec.endpoint, url, text).with_token("Bearer")
            }
        }
    }

    pub(super) fn prometheus(spec: &PrometheusSpec) -> Self {
        let url = spec.endpoint.url.clone();
        let mut sink = Self::new(
            Dialect::Prometheus,
            &spec.endpoint,
            url,
            "application/x-protobuf",
        );
        sink.headers
            .insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        sink.headers.insert(
            "x-prometheus-remote-write-version",
            HeaderValue::from_static("0.1.0"),
        );
        sink.with_token("Bearer")
    }

    pub(super) fn otlp(spec: &OtlpSpec) -> Self {
        let url = spec.endpoint.url.clone();
        Self::new(Dialect::Otlp, &spec.endpoint, url, "application/x-protobuf").with_token("Bearer")
    }

    /// A token goes into a header of this scheme.
    fn with_token(mut self, scheme: &str) -> Self {
        // A token of letters that no header can hold is refused when it is read.
        if let Auth::Token(token) = &self.auth
            && let Ok(mut value) = HeaderValue::from_str(&format!("{scheme} {}", token.0))
        {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Outcome {
        let client = match &self.client {
            Ok(client) => client.clone(),
            Err(error) => return Outcome::Refused(error.clone()),
        };
        if let (Made::NotYet, Some(create)) = (self.made, self.create.clone()) {
            match self.post(&client, create, None).await {
                Ok(answer) if answer.status().is_success() => self.made = Made::Yes,
                Ok(_) => self.made = Made::NotByUs,
                Err(why) => return Outcome::Later(why),
            }
        }
        let answer = self.post(&client, self.url.clone(), Some(batch)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Outcome::Later(why),
        };
        let status = answer.status();
        let text = words(answer).await;
        if self.made == Made::Yes && lost_it(status, &text) {
            // It was killed before the database that it made was on its disk, or somebody dropped it.
            self.made = Made::NotYet;
            return Outcome::Later(said(status, &text));
        }
        meaning(self.dialect, status, &text, batch.points)
    }

    async fn post(
        &self,
        client: &Client,
        url: Url,
        batch: Option<&Batch>,
    ) -> Result<Response, String> {
        let mut request = client.request(Method::POST, url);
        if let Some(batch) = batch {
            request = request
                .headers(self.headers.clone())
                .body(batch.body.clone());
        }
        request = match &self.auth {
            Auth::Basic(user, password) => request.basic_auth(user, Some(&password.0)),
            Auth::Token(token) if self.dialect == Dialect::Influx1 => {
                // What 1.8 and its successors take.
                request.header(AUTHORIZATION, format!("Token {}", token.0))
            }
            Auth::Token(_) | Auth::None => request,
        };
        request.send().await.map_err(|error| cause(&error))
    }
}

/// True if the database is not there.
fn lost_it(status: StatusCode, text: &str) -> bool {
    status == StatusCode::NOT_FOUND && text.contains("database not found")
}

fn said(status: StatusCode, text: &str) -> String {
    match text {
        "" => format!("it answers {status}"),
        text => format!("it answers {status}: {text}"),
    }
}

/// What an answer means for a batch of so many points.
fn meaning(dialect: Dialect, status: StatusCode, text: &str, points: u64) -> Outcome {
    let said = || said(status, text);
    if status.is_success() {
        return Outcome::Written(0, String::new());
    }
    // A partial write names the points it left out; the others are in.
    if dialect == Dialect::Influx1
        && status == StatusCode::BAD_REQUEST
        && text.contains("partial write")
    {
        let dropped = text
            .rsplit_once("dropped=")
            .and_then(|(_, number)| {
                let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            })
            .unwrap_or(points);
        return Outcome::Written(dropped, said());
    }
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Later(said()),
        status if status.is_server_error() => Outcome::Later(said()),
        _ => Outcome::Refused(said()),
    }
}

/// The beginning of an answer's body, in one line.
async fn words(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > WORDS {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim().chars().filter(|letter| !letter.is_control());
    text.take(WORDS).collect()
}

/// The innermost reason of an error, without the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(deeper) = innermost.source() {
        innermost = deeper;
    }
    innermost.to_string()
}

/// A client that trusts what this host trusts; never through a proxy to this host itself.
fn client(url: &Url) -> Result<Client, String> {
    let trust = trust::web::client().map_err(|error| error.to_string())?;
    let mut builder = Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(trust);
    let local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| cause(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean() {
        let mean = |dialect, status: u16, text: &str| {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            format!(
                "{dialect:?} {} {:?}",
                status.as_u16(),
                meaning(dialect, status, text, 10)
            )
        };
        let all = [
            mean(Dialect::Influx1, 204, ""),
            mean(
                Dialect::Influx1,
                400,
                r#"{"error":"partial write: field type conflict dropped=3"}"#,
            ),
            mean(Dialect::Influx1, 400, "unable to parse"),
            mean(Dialect::Influx, 401, "unauthorized"),
            mean(Dialect::Influx, 429, ""),
            mean(Dialect::Prometheus, 400, "out of order sample"),
            mean(Dialect::Prometheus, 503, "busy"),
            mean(Dialect::Otlp, 200, ""),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
