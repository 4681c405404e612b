//! StatsD by UDP. Nobody confirms a datagram, so what is counted as written was handed to the network; a host without a listener
//! answers that, and then a datagram is counted as refused.

use super::Outcome;
use crate::output::queue::Batch;
use crate::output::spec::StatsdSpec;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

/// Most bytes in a datagram: it passes an Ethernet without being cut, and so do the headers before it.
const DATAGRAM: usize = 1_432;
/// Datagrams sent at once, and the pause after them: a receiver's usual buffer holds about ninety.
const AT_ONCE: usize = 16;
const PAUSE: Duration = Duration::from_millis(1);

/// A server's port.
#[derive(Debug)]
pub(super) struct StatsdSink {
    host: String,
    port: u16,
    /// Made at the first batch, and again after a failure: the name may lead elsewhere by then.
    socket: Option<UdpSocket>,
}

impl StatsdSink {
    pub(super) fn new(spec: &StatsdSpec) -> Self {
        Self {
            host: spec.host.clone(),
            port: spec.port,
            socket: None,
        }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Outcome {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            // Nothing of the batch was sent, so it may be tried again.
            None => match connected(&self.host, self.port).await {
                Ok(socket) => socket,
                Err(error) => return Outcome::Later(error.to_string()),
            },
        };
        let mut refused = 0;
        let mut why = String::new();
        for (number, datagram) in datagrams(&batch.body).enumerate() {
            if number > 0 && number % AT_ONCE == 0 {
                tokio::time::sleep(PAUSE).await;
            }
            if let Err(error) = socket.send(datagram).await {
                refused += lines(datagram);
                why = error.to_string();
            }
        }
        if refused == 0 {
            self.socket = Some(socket);
        }
        Outcome::Written(refused, why)
    }
}

async fn connected(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut found = tokio::net::lookup_host((host, port)).await?;
    let to = found
        .next()
        .ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
    let any: SocketAddr = if to.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket)
}

fn lines(datagram: &[u8]) -> u64 {
    let ends = datagram.iter().filter(|byte| **byte == b'\n').count();
    ends as u64 + 1
}

/// Whole lines, as many as fit, without the last one's end; a line that is too long goes alone.
fn datagrams(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let window = &text[..text.len().min(DATAGRAM + 1)];
        let end = window
            .iter()
            .rposition(|byte| *byte == b'\n')
            .or_else(|| text.iter().position(|byte| *byte == b'\n'))
            .unwrap_or(text.len());
        let datagram = &text[..end];
        text = text.get(end + 1..).unwrap_or_default();
        Some(datagram)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_whole_lines_and_no_longer_than_they_may_be() {
        let long = "x".repeat(DATAGRAM + 1);
        let line = "k6.http_req_duration:12.25|ms|@0.1";
        let text = format!("{}{long}\n{line}\n", format!("{line}\n").repeat(100));
        let cut: Vec<&[u8]> = datagrams(text.as_bytes()).collect();
        let back: Vec<u8> = cut
            .iter()
            .flat_map(|one| [one, &b"\n"[..]].concat())
            .collect();
        assert_eq!(String::from_utf8_lossy(&back), text);
        let fits = DATAGRAM / (line.len() + 1);
        assert_eq!(lines(cut[0]), fits as u64);
        assert_eq!(cut.len(), 100_usize.div_ceil(fits) + 2);
        assert!(
            cut.iter()
                .all(|one| one.len() <= DATAGRAM || one == &long.as_bytes())
        );
        assert_eq!(cut.iter().map(|one| lines(one)).sum::<u64>(), 102);
    }
}
