//! Requests as servers of each kind get them: method, path, query, headers and body. InfluxDB 2 and 3 and OpenTelemetry collectors are not
//! at hand in tests, so what their documentation asks for is pinned here.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::Outcome;
use super::{Batch, Sink, Spec};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The requests that writing one batch makes, with the address and the body's bytes made readable.
async fn requests(out: &str, body: &'static [u8], answers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 16 << 10];
            let mut got = 0;
            loop {
                got += stream.read(&mut bytes[got..]).await.unwrap();
                let text = String::from_utf8_lossy(&bytes[..got]).into_owned();
                if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .map_or(0, |length| length.parse().unwrap());
                    if rest.len() >= length {
                        seen.push(
                            text.replace("\r\n", "\n")
                                .replace(&address.to_string(), "HOST"),
                        );
                        break;
                    }
                }
            }
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
        seen.join("\n--\n")
    });
    let secret = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let spec = Spec::parse(&out.replace("HOST", &address.to_string()), &secret).unwrap();
    let batch = Batch {
        body: Bytes::from_static(body),
        points: 1,
    };
    let written = Sink::new(&spec, "r-1").write(&batch).await;
    assert_eq!(written, Outcome::Written(0, String::new()));
    server.await.unwrap()
}

#[tokio::test]
async fn what_servers_are_asked() {
    let line = b"vus,testid=a value=1 1795420800000000000\n";
    let all = [
        requests("influxdb=http://HOST/load", line, 2).await,
        requests("influxdb=http://u:p@HOST/my%20db", line, 2).await,
        requests(
            "influxdb=http://HOST/bucket,org=my org,token=env:TOKEN",
            line,
            1,
        )
        .await,
        requests("influxdb=http://HOST/db,version=3,token=env:TOKEN", line, 1).await,
        requests(
            "prometheus-rw=http://HOST/api/v1/write,token=env:TOKEN",
            b"snappy",
            1,
        )
        .await,
        requests("otlp=http://HOST,user=u", b"protobuf", 1).await,
    ];
    insta::assert_snapshot!(all.join("\n=====\n"));
}
