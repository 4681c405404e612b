//! A run taken from its directory to be ended, not to be gone on with: nobody is told anything and nothing is written.

use super::Director;
use crate::Config;
use crate::journal::Folder;
use plan::OnAgentLoss;
use proto::v1::RunOver;
use std::time::Duration;

impl Director {
    /// One that stands where the last life on this directory was killed; the present is the newest record's. `None` if no run of the
    /// directory is unfinished, or it cannot be gone on with.
    #[must_use]
    pub fn reviving(config: Config, folder: Folder) -> Option<Self> {
        let mut director = Self::resuming(config, folder, Some(0));
        director.journal = None;
        director.waking = super::waking::Waking::never();
        let active = director.active.as_mut()?;
        // Nobody is left to hand a share to.
        active.order.needs.on_loss = OnAgentLoss::Continue;
        active.run.needs.on_loss = OnAgentLoss::Continue;
        if let Some(handover) = &mut active.handover {
            handover.on_loss = OnAgentLoss::Continue;
        }
        Some(director)
    }

    /// How long whoever it is told of may go on unheard.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.config.lease
    }

    /// Notes something for the report of the run.
    pub fn remark(&mut self, text: String) {
        if let Some(active) = &mut self.active {
            active.note(text);
        }
    }

    /// How the newest run ended.
    #[must_use]
    pub fn newest_end(&self) -> Option<&RunOver> {
        self.past.front().map(|past| &past.over)
    }
}
