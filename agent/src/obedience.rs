//! Who of a crew goes by which assignment: once all do, the crew says so.

use crate::crew::Report;
use crate::drive::giving::Giving;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

/// A crew's.
#[derive(Debug)]
pub(crate) struct Obedience {
    inner: Mutex<Inner>,
    giving: Arc<Giving>,
    reports: UnboundedSender<Report>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By member: the newest assignment it goes by; `u32::MAX` for one that is done, and begins nothing.
    epochs: Vec<u32>,
    /// An assignment that was told, until all go by it.
    told: Option<u32>,
}

/// One who obeys, until it is dropped: whoever is gone begins nothing.
#[derive(Debug)]
pub(crate) struct Member {
    crew: Arc<Obedience>,
    number: usize,
}

impl Obedience {
    pub(crate) fn new(giving: Arc<Giving>, reports: UnboundedSender<Report>) -> Self {
        Self {
            inner: Mutex::default(),
            giving,
            reports,
        }
    }

    /// One more of the crew, who goes by this assignment.
    pub(crate) fn join(self: &Arc<Self>, epoch: u32) -> Member {
        let mut inner = self.lock();
        inner.epochs.push(epoch);
        Member {
            number: inner.epochs.len() - 1,
            crew: Arc::clone(self),
        }
    }

    /// An assignment was told; it is reported once all go by it, at once if they do.
    pub(crate) fn told(&self, epoch: u32) {
        let mut inner = self.lock();
        inner.told = Some(epoch);
        self.report(&mut inner);
    }

    fn obeys(&self, number: usize, epoch: u32) {
        let mut inner = self.lock();
        inner.epochs[number] = epoch;
        self.report(&mut inner);
    }

    fn report(&self, inner: &mut Inner) {
        if let Some(epoch) = inner.told
            && inner.epochs.iter().all(|e| *e >= epoch)
        {
            inner.told = None;
            let held = self.giving.held();
            // The link is gone only when the crew is being dropped.
            let _ = self.reports.send(Report::Taken { epoch, held });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// It goes by this assignment.
    pub(crate) fn obeys(&self, epoch: u32) {
        self.crew.obeys(self.number, epoch);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crew.obeys(self.number, u32::MAX);
    }
}
