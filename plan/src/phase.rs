//! Setup and teardown: what is done once for the whole fleet, before and after the load.

use crate::draft::{Fields, Key, Node};
use crate::options::timeout;
use crate::{FlowId, Overrides};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// k6's default of `setupTimeout` and `teardownTimeout`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseKind {
    /// Before the load.
    Setup,
    /// After it.
    Teardown,
}

impl PhaseKind {
    /// `setup` or `teardown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PhaseKind::Setup => "setup",
            PhaseKind::Teardown => "teardown",
        }
    }

    /// The group that its samples are in; k6's.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            PhaseKind::Setup => "::setup",
            PhaseKind::Teardown => "::teardown",
        }
    }
}

/// What is done once for the whole fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// Its steps.
    pub flow: FlowId,
    /// How long it may take. k6: 60 s.
    pub timeout: Duration,
}

/// One of the two as it was written.
pub(crate) struct Draft<'a> {
    pub(crate) kind: PhaseKind,
    pub(crate) entry: &'a (Key, Node),
    pub(crate) timeout: Duration,
    /// `--no-setup`, `noSetup: true`: it is read for its errors only.
    pub(crate) skipped: bool,
}

/// Reads `setup`, `teardown`, their time-outs and k6's `noSetup` and `noTeardown`.
pub(crate) fn read<'a>(fields: &mut Fields<'a>, overrides: &Overrides) -> Vec<Draft<'a>> {
    let rows = [
        (
            PhaseKind::Setup,
            "setup",
            "setupTimeout",
            "noSetup",
            overrides.no_setup,
        ),
        (
            PhaseKind::Teardown,
            "teardown",
            "teardownTimeout",
            "noTeardown",
            overrides.no_teardown,
        ),
    ];
    rows.into_iter()
        .filter_map(|(kind, key, limit, no, flag)| {
            let entry = fields.entry(key);
            let timeout = timeout(fields, limit).unwrap_or(TIMEOUT);
            let skipped = fields.bool(no).unwrap_or(false) || flag;
            let entry = entry?;
            Some(Draft {
                kind,
                entry,
                timeout,
                skipped,
            })
        })
        .collect()
}
