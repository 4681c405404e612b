//! Between whoever words points and whoever writes them: bounded by number and by bytes; what does not fit is dropped, and counted.

use super::facts::Counts;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Batches that may wait: at one or two a second some minutes.
pub(super) const BATCHES: usize = 512;
/// Bytes that may wait.
pub(super) const BYTES: usize = 64 << 20;

/// Points in the form in which they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What to write.
    pub body: Bytes,
    /// How many points are in it.
    pub points: u64,
}

/// The end that words.
#[derive(Debug)]
pub(super) struct Inlet {
    batches: mpsc::Sender<Batch>,
    bytes: Arc<AtomicUsize>,
    counts: Arc<Counts>,
    full: bool,
}

/// The end that writes.
#[derive(Debug)]
pub(super) struct Outlet {
    batches: mpsc::Receiver<Batch>,
    bytes: Arc<AtomicUsize>,
}

/// A queue whose counts are these.
pub(super) fn queue(counts: Arc<Counts>) -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let bytes = Arc::new(AtomicUsize::new(0));
    let inlet = Inlet {
        batches: sender,
        bytes: bytes.clone(),
        counts,
        full: false,
    };
    let outlet = Outlet {
        batches: receiver,
        bytes,
    };
    (inlet, outlet)
}

impl Inlet {
    /// Puts a batch in, or drops and counts it.
    pub(super) fn put(&mut self, name: &str, batch: Batch) {
        let (points, size) = (batch.points, batch.body.len());
        Counts::add(&self.counts.points, points);
        let fits = self.bytes.load(Relaxed) + size <= BYTES;
        // Counted before it goes in, so that the other end never takes off what was not added.
        self.bytes.fetch_add(size, Relaxed);
        if fits && self.batches.try_send(batch).is_ok() {
            self.full = false;
            return;
        }
        self.bytes.fetch_sub(size, Relaxed);
        Counts::add(&self.counts.dropped, points);
        if !std::mem::replace(&mut self.full, true) {
            self.counts
                .note(format!("output {name}: its queue is full, points are lost"));
        }
    }
}

impl Outlet {
    /// The next batch; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().await?;
        self.bytes.fetch_sub(batch.body.len(), Relaxed);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(points: u64, size: usize) -> Batch {
        Batch {
            body: Bytes::from(vec![b'x'; size]),
            points,
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_to_the_point() {
        let counts = Arc::new(Counts::default());
        let (mut inlet, mut outlet) = queue(counts.clone());
        for _ in 0..BATCHES + 3 {
            inlet.put("o", batch(7, 1));
        }
        let facts = counts.facts("o", 0);
        assert_eq!(facts.points, 7 * (BATCHES as u64 + 3));
        assert_eq!(facts.dropped, 21);
        assert_eq!(counts.notes().len(), 1);
        // Room again: by number, but not for something as large as all of it.
        assert_eq!(outlet.next().await.map(|batch| batch.points), Some(7));
        inlet.put("o", batch(5, BYTES));
        assert_eq!(counts.facts("o", 0).dropped, 26);
        inlet.put("o", batch(5, 1));
        assert_eq!(counts.facts("o", 0).dropped, 26);
    }
}
