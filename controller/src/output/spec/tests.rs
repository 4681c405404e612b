//! What `--out` takes, and what it says of what it does not take.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::path::PathBuf;

fn parse(text: &str) -> Result<Spec, SpecError> {
    Spec::parse(text, &|name| (name == "T").then(|| "s3cret".to_owned()))
}

#[test]
fn what_is_asked_for_is_read() {
    let spec = parse("json=out/{run}.json.gz,samples=5,flush=3s").unwrap();
    let file = FileSpec {
        path: PathBuf::from("out/{run}.json.gz"),
        samples: 5,
    };
    assert_eq!(
        (spec.kind, spec.flush),
        (Kind::Json(file), Duration::from_secs(3))
    );
    let Kind::Influx(influx) = parse("influxdb=http://u:p@db:8086/load").unwrap().kind else {
        panic!("not influx");
    };
    assert_eq!(influx.endpoint.url.as_str(), "http://db:8086/");
    assert_eq!(
        influx.endpoint.auth,
        Auth::Basic("u".to_owned(), Secret("p".to_owned()))
    );
    assert_eq!(
        (influx.database.as_str(), influx.layout),
        ("load", Layout::Both)
    );
    let Kind::Influx(influx) = parse("influxdb=http://db:8086/b,org=o,token=env:T")
        .unwrap()
        .kind
    else {
        panic!("not influx");
    };
    assert_eq!(
        influx.version,
        Influx::V2 {
            org: "o".to_owned()
        }
    );
    assert_eq!(
        influx.endpoint.auth,
        Auth::Token(Secret("s3cret".to_owned()))
    );
    let Kind::Otlp(otlp) = parse("otlp=http://c:4318").unwrap().kind else {
        panic!("not otlp");
    };
    assert_eq!(otlp.endpoint.url.as_str(), "http://c:4318/v1/metrics");
    for (text, host, port) in [
        ("statsd=h:9125", "h", 9125),
        ("statsd=h", "h", 8125),
        ("statsd=[::1]:9125", "::1", 9125),
        ("statsd=[::1]", "::1", 8125),
    ] {
        let Kind::Statsd(statsd) = parse(text).unwrap().kind else {
            panic!("not statsd");
        };
        assert_eq!((statsd.host.as_str(), statsd.port), (host, port), "{text}");
    }
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        "influxdb=http://u:p4ss@db/load",
        "prometheus-rw=http://u:p4ss@prom/api/v1/write",
        "influxdb=http://db/x,version=3,token=env:T",
    ] {
        let spec = parse(text).unwrap();
        let shown = format!("{spec:?} {}", spec.shown);
        assert!(
            !shown.contains("p4ss") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_try() {
    let said = |text: &str| {
        let error = parse(text).unwrap_err();
        format!("{} | {}", error.what, error.hint)
    };
    let all: Vec<String> = [
        "json",
        "json=",
        "jsno=x",
        "json=a,sampels=3",
        "json=a,samples=0",
        "json=a,b",
        "influxdb=db:8086/x",
        "influxdb=http://db/a/b",
        "influxdb=http://db/x,version=2",
        "influxdb=http://db/x,version=3,org=o",
        "influxdb=http://db/x,layout=k7",
        "influxdb=http://db/x,token=abc",
        "influxdb=http://db/x,token=env:NOT",
        "influxdb=http://db/x,token=env:T,user=u",
        "otlp=http://c,every=0s",
        "prometheus-rw=http://p,trends=x",
        "statsd=http://h:8125",
        "statsd=h:0",
        "statsd=h:8125,tags=datadog",
    ]
    .into_iter()
    .map(said)
    .collect();
    insta::assert_snapshot!(all.join("\n"));
}
