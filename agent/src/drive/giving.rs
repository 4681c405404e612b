//! VUs that were given away and are still at work here: whoever got them waits until they are free.

use crate::crew::Report;
use proto::v1::HeldVus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

/// An agent's, by scenario and number.
#[derive(Debug)]
pub(crate) struct Giving {
    vus: Mutex<BTreeSet<(usize, u64)>>,
    reports: UnboundedSender<Report>,
}

impl Giving {
    pub(crate) fn new(reports: UnboundedSender<Report>) -> Self {
        Self {
            vus: Mutex::default(),
            reports,
        }
    }

    /// A VU is to be given away once it is free.
    pub(crate) fn insert(&self, scenario: usize, vu: u64) {
        self.lock().insert((scenario, vu));
    }

    /// It is free.
    pub(crate) fn remove(&self, scenario: usize, vu: u64) {
        if self.lock().remove(&(scenario, vu)) {
            // The link is gone only when the crew is being dropped.
            let _ = self.reports.send(Report::Freed);
        }
    }

    /// Those that are not free.
    pub(crate) fn held(&self) -> Vec<HeldVus> {
        let mut held: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (scenario, vu) in self.lock().iter() {
            held.entry(*scenario).or_default().push(*vu);
        }
        let held = held.into_iter();
        held.filter_map(|(scenario, vus)| {
            let scenario = u32::try_from(scenario).ok()?;
            Some(HeldVus { scenario, vus })
        })
        .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<(usize, u64)>> {
        self.vus.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
