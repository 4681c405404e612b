//! Sinks that are down, slow or refuse: whatever they do, every point is counted once.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::output::OutputFacts;
use crate::output::queue::{self, Inlet};
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that gives these answers, one per request, then the last one for ever. `None`: it says nothing.
async fn server(answers: &'static [Option<&'static str>]) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 64 << 10];
                // One request per connection, small enough for one read after its head.
                let mut got = 0;
                while !head[..got].windows(4).any(|end| end == b"\r\n\r\n") {
                    got += stream.read(&mut head[got..]).await.unwrap();
                }
                let nth = usize::try_from(count.fetch_add(1, Relaxed)).unwrap();
                match answers[nth.min(answers.len() - 1)] {
                    Some(answer) => {
                        let text = format!(
                            "HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                        );
                        stream.write_all(text.as_bytes()).await.unwrap();
                        stream.shutdown().await.unwrap();
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    (address, asked)
}

struct Rig {
    inlet: Inlet,
    counts: Arc<Counts>,
    ending: watch::Sender<bool>,
    writer: tokio::task::JoinHandle<()>,
}

fn rig(out: &str) -> Rig {
    let spec = Spec::parse(out, &|_| None).unwrap();
    let counts = Arc::new(Counts::default());
    let (inlet, outlet) = queue::queue(counts.clone());
    let (ending, told) = watch::channel(false);
    let run = "r-1".to_owned();
    let writer = tokio::spawn(write_all(spec, run, outlet, counts.clone(), told));
    Rig {
        inlet,
        counts,
        ending,
        writer,
    }
}

impl Rig {
    fn put(&mut self, points: u64, text: &'static str) {
        let body = Bytes::from_static(text.as_bytes());
        self.inlet.put("o", Batch { body, points });
    }

    async fn end(self) -> (OutputFacts, Vec<String>) {
        let Rig {
            inlet,
            counts,
            ending,
            writer,
        } = self;
        drop(inlet);
        ending.send_replace(true);
        tokio::time::timeout(Duration::from_secs(20), writer)
            .await
            .unwrap()
            .unwrap();
        let facts = counts.facts("o", 0);
        assert_eq!(facts.points, facts.written + facts.lost());
        (facts, counts.notes())
    }
}

#[tokio::test]
async fn what_is_busy_is_asked_again_and_nothing_is_lost() {
    let (address, asked) = server(&[
        Some("503 Busy"),
        Some("429 Slow Down"),
        Some("204 No Content"),
    ])
    .await;
    let mut rig = rig(&format!("otlp=http://{address}"));
    rig.put(5, "x");
    rig.put(6, "y");
    let (facts, notes) = rig.end().await;
    assert_eq!((facts.written, facts.lost()), (11, 0));
    assert_eq!(asked.load(Relaxed), 4);
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[tokio::test]
async fn what_refuses_is_asked_once_and_counted() {
    let (address, asked) = server(&[
        Some("204 No Content"),
        Some("401 Unauthorized"),
        Some("204 No Content"),
    ])
    .await;
    let mut rig = rig(&format!("prometheus-rw=http://{address}/api/v1/write"));
    for points in [5, 6, 7] {
        rig.put(points, "x");
    }
    let (facts, _) = rig.end().await;
    assert_eq!((facts.written, facts.refused), (12, 6));
    assert_eq!(asked.load(Relaxed), 3);
    assert!(facts.problem.contains("401"), "{}", facts.problem);
}

#[tokio::test]
async fn who_never_answers_is_given_up_in_time() {
    let (address, _) = server(&[None]).await;
    let mut rig = rig(&format!("otlp=http://{address},flush=50ms"));
    rig.put(5, "x");
    rig.put(6, "y");
    let (facts, _) = rig.end().await;
    assert_eq!((facts.written, facts.unsent), (0, 11));
}

#[tokio::test]
async fn who_is_not_there_yet_gets_all_of_it_later() {
    // A port that nobody listens at for now.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut rig = rig(&format!("otlp=http://{address}"));
    rig.put(5, "x");
    let failed = async {
        while rig.counts.notes().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failed)
        .await
        .unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let (facts, _) = rig.end().await;
    assert_eq!((facts.written, facts.lost()), (5, 0));
}

#[tokio::test]
async fn datagrams_come_whole_and_a_port_without_a_listener_is_noticed() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let mut rig = rig(&format!("statsd={address}"));
    rig.put(2, "a:1|c\nb:2|g\n");
    rig.put(1, "c:3|ms\n");
    let mut got = [0; 100];
    let size = server.recv(&mut got).await.unwrap();
    assert_eq!(&got[..size], b"a:1|c\nb:2|g");
    let size = server.recv(&mut got).await.unwrap();
    assert_eq!(&got[..size], b"c:3|ms");
    drop(server);
    // What goes to a closed port comes back as the next one's refusal.
    let noticed = async {
        while rig.counts.notes().is_empty() {
            rig.put(1, "d:4|c\n");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noticed)
        .await
        .unwrap();
    let (facts, _) = rig.end().await;
    assert!(facts.written >= 3 && facts.refused >= 1, "{facts:?}");
    assert!(facts.problem.contains("refused"), "{}", facts.problem);
}

#[tokio::test]
async fn a_file_grows_by_whole_batches_and_has_the_runs_name() {
    let folder = std::env::temp_dir().join(format!("throng-out-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut rig = rig(&format!("json={}/{{run}}.json", folder.display()));
    rig.put(1, "one\n");
    rig.put(2, "two\n");
    let (facts, _) = rig.end().await;
    assert_eq!((facts.written, facts.lost()), (3, 0));
    let text = std::fs::read_to_string(folder.join("r-1.json")).unwrap();
    assert_eq!(text, "one\ntwo\n");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_what_does_not_fit_and_says_so() {
    let mut rig = rig("csv=/dev/full,flush=50ms");
    rig.put(4, "x");
    let (facts, notes) = rig.end().await;
    assert_eq!((facts.written, facts.unsent), (0, 4));
    assert!(
        notes.iter().any(|note| note.contains("No space")),
        "{notes:?}"
    );
}
