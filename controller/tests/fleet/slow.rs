//! Agents on links of their own: what is slow on one of them keeps nobody else waiting.

use crate::fake::{Fake, SECOND, Server, Watch, head, patiently, start};
use proto::v1::ScenarioTotals;
use std::net::SocketAddr;
use std::time::Duration;
use throng_controller::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const INTERVALS: u64 = 4;
const OPEN: &str = "
scenarios:
  main: { executor: constant-vus, vus: 2, duration: 4s, gracefulStop: 1s }
flows:
  default: [{ get: http://127.0.0.1:9/ }]
";

/// So much gets through while a link is slow: the beginning of a message.
const TRICKLE: usize = 40;

/// A link to the controller. Everything passes back; while it is slow, hardly anything passes forth.
async fn link(to: SocketAddr, mut slow: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (agent, _) = listener.accept().await.unwrap();
        let controller = TcpStream::connect(to).await.unwrap();
        let (mut said, mut answers) = agent.into_split();
        let (mut back, mut forth) = controller.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut back, &mut answers).await });
        let mut bytes = [0; 1 << 14];
        let mut left = bytes.len();
        loop {
            let read = tokio::select! {
                biased;
                Ok(()) = slow.changed() => {
                    left = if *slow.borrow() { TRICKLE } else { bytes.len() };
                    continue;
                }
                read = said.read(&mut bytes[..left]), if left > 0 => read.unwrap_or(0),
            };
            if read == 0 || forth.write_all(&bytes[..read]).await.is_err() {
                break;
            }
            if *slow.borrow() {
                left -= read;
            }
        }
    });
    address
}

#[tokio::test]
async fn one_agent_behind_a_slow_link_does_not_slow_another() {
    // However long it is unheard, it is not lost.
    let server = Server::with(Config {
        lease: Duration::from_secs(60),
        heartbeat: Duration::from_millis(50),
        ..Config::default()
    })
    .await;
    let (slow, is_slow) = watch::channel(false);
    let mut control = server.control().await;
    let mut near = Fake::join(&server, "near").await;
    let mut far = Fake::join_as(link(server.address, is_slow).await, "far", 7).await;
    let run = start(&mut control, OPEN, head(2)).await.unwrap();
    let mut watch = Watch::of(&mut control, &run).await;
    tokio::join!(near.begin(), far.begin());
    slow.send_replace(true);
    for _ in 0..INTERVALS {
        far.measure(10, 5_000_000).await;
    }
    for _ in 0..INTERVALS {
        near.measure(10, 5_000_000).await;
        near.acknowledged().await;
    }
    // All of one is merged, and of the other nothing, whose message the controller has begun to read.
    let heard = tokio::time::timeout(Duration::from_millis(1), far.acknowledged()).await;
    assert!(heard.is_err() && far.acks.is_empty(), "{:?}", far.acks);
    slow.send_replace(false);
    patiently("the other's intervals", far.acknowledged()).await;
    let all = ScenarioTotals {
        begun: 10 * INTERVALS,
        completed: 10 * INTERVALS,
        requests: 10 * INTERVALS,
        vu_ns: INTERVALS * SECOND,
        ..ScenarioTotals::default()
    };
    for agent in [&near, &far] {
        agent.set(all.clone());
        agent.done().await;
    }
    let (report, _) = watch.over().await;
    let complete = &report.conservation.completeness;
    assert_eq!(
        (complete.intervals, complete.merged, complete.share),
        (2 * INTERVALS, 2 * INTERVALS, 1.0)
    );
    assert_eq!(report.conservation.requests.unaccounted, 0);
    server.stop().await;
}
