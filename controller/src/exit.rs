//! Exit codes: what a run's end tells a script. The table for people is `docs/exit-codes.md`.

use serde::{Deserialize, Serialize};

/// Exit codes of `throng`; k6's where k6 has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCode {
    /// 0: all fine.
    Fine,
    /// 99: a threshold failed, or one with `abortOnFail` ended the run.
    Thresholds,
    /// 100: setup took too long.
    SetupTimeout,
    /// 101: teardown took too long.
    TeardownTimeout,
    /// 104: the scenario or the flags are wrong, or the target cannot be reached.
    Invalid,
    /// 105: stopped by a person.
    Interrupted,
    /// 107: a script threw an exception.
    ScriptException,
    /// 108: a script aborted the test.
    ScriptAborted,
    /// 120: the load or the data have gaps; only with `--fail-on degraded`.
    Degraded,
    /// 121: the numbers must not be used.
    NumbersInvalid,
    /// 122: the fleet was lost, or never complete.
    Fleet,
    /// 123: the controller cannot be reached.
    Controller,
}

impl ExitCode {
    /// Every code, the first that applies first (DEGRADED and fine are last).
    pub const PRECEDENCE: [ExitCode; 12] = [
        ExitCode::Invalid,
        ExitCode::Controller,
        ExitCode::Fleet,
        ExitCode::Interrupted,
        ExitCode::SetupTimeout,
        ExitCode::TeardownTimeout,
        ExitCode::ScriptException,
        ExitCode::ScriptAborted,
        ExitCode::NumbersInvalid,
        ExitCode::Thresholds,
        ExitCode::Degraded,
        ExitCode::Fine,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            ExitCode::Fine => 0,
            ExitCode::Thresholds => 99,
            ExitCode::SetupTimeout => 100,
            ExitCode::TeardownTimeout => 101,
            ExitCode::Invalid => 104,
            ExitCode::Interrupted => 105,
            ExitCode::ScriptException => 107,
            ExitCode::ScriptAborted => 108,
            ExitCode::Degraded => 120,
            ExitCode::NumbersInvalid => 121,
            ExitCode::Fleet => 122,
            ExitCode::Controller => 123,
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            ExitCode::Fine => "fine",
            ExitCode::Thresholds => "thresholds failed",
            ExitCode::SetupTimeout => "setup timed out",
            ExitCode::TeardownTimeout => "teardown timed out",
            ExitCode::Invalid => "bad scenario, flags or target",
            ExitCode::Interrupted => "interrupted",
            ExitCode::ScriptException => "script exception",
            ExitCode::ScriptAborted => "aborted by the script",
            ExitCode::Degraded => "degraded",
            ExitCode::NumbersInvalid => "the numbers are not valid",
            ExitCode::Fleet => "the fleet was lost or never complete",
            ExitCode::Controller => "controller unreachable",
        }
    }

    /// The one to end with when all of these apply. DEGRADED counts only when asked for.
    #[must_use]
    pub fn choose(applying: &[ExitCode], fail_on_degraded: bool) -> ExitCode {
        Self::PRECEDENCE
            .into_iter()
            .filter(|code| *code != ExitCode::Degraded || fail_on_degraded)
            .find(|code| applying.contains(code))
            .unwrap_or(ExitCode::Fine)
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode::*;
    use super::*;

    #[test]
    fn the_first_that_applies_is_the_code() {
        let table: [(&[ExitCode], bool, u8); 9] = [
            (&[], false, 0),
            (&[Thresholds, NumbersInvalid], false, 121),
            (&[Thresholds, Interrupted], false, 105),
            (&[Interrupted, Fleet], false, 122),
            (&[Fleet, Controller], false, 123),
            (&[Controller, Invalid], false, 104),
            (&[Degraded], false, 0),
            (&[Degraded], true, 120),
            (&[Degraded, Thresholds], true, 99),
        ];
        for (applying, fail_on_degraded, code) in table {
            assert_eq!(
                ExitCode::choose(applying, fail_on_degraded).code(),
                code,
                "{applying:?}"
            );
        }
    }

    #[test]
    fn the_page_for_people_names_every_code() {
        let page = include_str!("../../docs/exit-codes.md");
        for code in ExitCode::PRECEDENCE {
            assert!(
                page.contains(&format!("| {} |", code.code())),
                "{} is missing",
                code.code()
            );
        }
    }
}
