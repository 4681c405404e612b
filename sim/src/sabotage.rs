//! Deliberately broken throngs, to see that the checks bite. Each breaks one law at a boundary, so that the real code stays whole.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The controller merges whatever comes: an interval that is sent again looks like a new one.
    NoDedupe,
    /// Agents do not know when their lease is over.
    NoFencing,
    /// The controller gives a lost agent's share away before that agent's lease is over.
    EarlyReassign,
    /// The controller's disk says that it has synced what it has not.
    AckBeforeSync,
    /// Agents go on unheard for twice as long as they may.
    LongLease,
    /// The controller tells two agents that a share is theirs.
    ShareTwice,
    /// What is in an interval that came is not merged, and acknowledged all the same.
    EmptyMerge,
    /// The report leaves out what was lost.
    GapsLeftOut,
    /// The controller does not wait until those who give have agreed.
    NoHandshake,
    /// An interval that is sent again is not what it was.
    OtherBytes,
}

impl Sabotage {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::NoDedupe,
        Self::NoFencing,
        Self::EarlyReassign,
        Self::NoHandshake,
        Self::AckBeforeSync,
        Self::LongLease,
        Self::ShareTwice,
        Self::EmptyMerge,
        Self::GapsLeftOut,
        Self::OtherBytes,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoDedupe => "no-dedupe",
            Self::NoFencing => "no-fencing",
            Self::EarlyReassign => "early-reassign",
            Self::NoHandshake => "no-handshake",
            Self::AckBeforeSync => "ack-before-sync",
            Self::LongLease => "long-lease",
            Self::ShareTwice => "share-twice",
            Self::EmptyMerge => "empty-merge",
            Self::GapsLeftOut => "gaps-left-out",
            Self::OtherBytes => "other-bytes",
        }
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|sabotage| sabotage.name() == name)
    }
}
