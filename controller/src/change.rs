//! Changes to a run while its load is made: what is asked becomes a new version of the run's [`Control`], an annotation, and a
//! sentence for whoever asked. Pure: knows run times, sends nothing.

use plan::{Change, Control, ControlError, Plan, Scale};
use proto::v1::{ChangeRequest, change_request, scale_run};
use serde::{Deserialize, Serialize};

/// Shortest time between a change and its taking effect: all agents have heard of it by then.
const LEAD_NS: u64 = 1_000_000_000;
/// After this time beyond its taking effect every agent should have confirmed a change.
const CONFIRMED_NS: u64 = 500_000_000;
/// Notes of one run.
const NOTES: usize = 200;
/// Characters of one.
const LONGEST: usize = 200;

/// One change, for the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// Run time from which it holds, in milliseconds.
    pub from_ms: f64,
    /// Run time at which it was asked for.
    pub asked_ms: f64,
    /// The wall time of that; a label.
    pub asked_unix_ms: u64,
    /// By whom.
    pub who: String,
    /// What changed; or what was noted.
    pub what: String,
    /// True if it is a note, which changes nothing.
    #[serde(default)]
    pub note: bool,
}

/// When somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Run time.
    pub run: i64,
    /// Wall time.
    pub unix_ms: u64,
    /// The longest round trip of the run's agents.
    pub rtt: u64,
    /// Run time from which the newest hand-over of a share holds: nothing changes before it, so that all agree whose is what is due by then.
    pub handed: u64,
    /// Stage time at which the last stage ends.
    pub length: u64,
}

/// What whoever asked is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Run time from which the change holds.
    pub from: u64,
    /// What changes.
    pub text: String,
    /// False if it was so already.
    pub new: bool,
}

/// What was changed in a run so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// As agents are told.
    pub control: Control,
    /// As the report tells.
    pub annotations: Vec<Annotation>,
    /// How long the open pause may take.
    max_pause: u64,
    /// From when the newest version holds, until it is known who confirmed it.
    unconfirmed: Option<u64>,
    /// Earlier versions by which somebody may still go, in order.
    earlier: Vec<Control>,
}

impl Changes {
    /// Makes a change.
    ///
    /// # Errors
    /// For people, with a remedy.
    pub fn make(
        &mut self,
        plan: &Plan,
        request: &ChangeRequest,
        who: &str,
        asked: Asked,
    ) -> Result<Answer, ControlError> {
        let run = request.run.as_str();
        let from = self.from(asked);
        let refuse = |text: String| Err(ControlError(text));
        let (control, what) = match &request.change {
            None => return refuse("the request says nothing to change".to_owned()),
            Some(change_request::Change::Pause(pause)) => {
                if let Some(open) = self.control.open_pause() {
                    return Ok(Answer {
                        from: open.from,
                        text: "is paused already".to_owned(),
                        new: false,
                    });
                }
                if self.control.stage_time(from) >= asked.length {
                    return refuse(format!(
                        "run {run} is about to end: a pause would come too late"
                    ));
                }
                self.max_pause = pause.max_ns;
                (self.control.pause(from)?, "paused".to_owned())
            }
            Some(change_request::Change::Annotate(note)) => {
                return self.note(run, &note.text, who, asked);
            }
            Some(change_request::Change::Resume(_)) => {
                if self.control.open_pause().is_none() {
                    return refuse(format!("run {run} is not paused"));
                }
                (self.control.resume(from)?, "resumed".to_owned())
            }
            Some(change_request::Change::Scale(scale)) => {
                let change = match scale.change {
                    Some(scale_run::Change::Factor(factor)) => Change::Factor(factor),
                    Some(scale_run::Change::Vus(vus)) => Change::Vus(vus),
                    Some(scale_run::Change::Rate(rate)) => Change::Rate(rate),
                    None => return refuse("the scale says nothing to change".to_owned()),
                };
                let scenarios = plan.scaled_by(&scale.scenario, change)?;
                let names: Vec<&str> = scenarios
                    .iter()
                    .map(|index| plan.scenarios[*index].name.as_str())
                    .collect();
                let scaled =
                    scenarios
                        .iter()
                        .try_fold(self.control.clone(), |control, scenario| {
                            control.scale(Scale {
                                scenario: *scenario,
                                from,
                                change,
                            })
                        })?;
                (scaled, format!("{} {}", names.join(", "), worded(change)))
            }
        };
        self.earlier
            .push(std::mem::replace(&mut self.control, control));
        self.annotations.push(Annotation {
            from_ms: from as f64 / 1e6,
            asked_ms: asked.run as f64 / 1e6,
            asked_unix_ms: asked.unix_ms,
            who: who.to_owned(),
            what: what.clone(),
            note: false,
        });
        self.unconfirmed = Some(from);
        Ok(Answer {
            from,
            text: what,
            new: true,
        })
    }

    /// Notes something, now; changes nothing.
    fn note(
        &mut self,
        run: &str,
        text: &str,
        who: &str,
        asked: Asked,
    ) -> Result<Answer, ControlError> {
        let refuse = |text: String| Err(ControlError(text));
        let shown = text.trim().chars().filter(|c| !c.is_control());
        let what: String = shown.collect();
        if what.is_empty() {
            return refuse("a note needs a text".to_owned());
        }
        if what.chars().count() > LONGEST {
            return refuse(format!("a note has at most {LONGEST} characters"));
        }
        if self.annotations.iter().filter(|of| of.note).count() >= NOTES {
            return refuse(format!("run {run} has {NOTES} notes already"));
        }
        let at = u64::try_from(asked.run).unwrap_or(0);
        self.annotations.push(Annotation {
            from_ms: at as f64 / 1e6,
            asked_ms: at as f64 / 1e6,
            asked_unix_ms: asked.unix_ms,
            who: who.to_owned(),
            what: what.clone(),
            note: true,
        });
        Ok(Answer {
            from: at,
            text: format!("noted: {what}"),
            new: false,
        })
    }

    /// By what somebody may have gone who had confirmed no more than this version: that one and those after it, without the newest.
    pub fn gone_by(&self, confirmed: u64) -> impl Iterator<Item = &Control> {
        let after = self
            .earlier
            .partition_point(|control| control.version() < confirmed);
        self.earlier[after..].iter()
    }

    /// Everybody has confirmed this version.
    pub fn confirmed(&mut self, version: u64) {
        self.earlier.retain(|control| control.version() >= version);
    }

    /// From when a change can hold: when all agents have heard of it, and not before any earlier change.
    fn from(&self, asked: Asked) -> u64 {
        let lead = LEAD_NS.max(asked.rtt.saturating_mul(4));
        let soon = i128::from(asked.run) + i128::from(lead);
        let pauses = self.control.pauses().iter();
        let last = pauses
            .map(|pause| pause.to.unwrap_or(pause.from))
            .chain(self.control.scales().iter().map(|scale| scale.from));
        let last = last.max().unwrap_or(0);
        let soon = u64::try_from(soon.max(0)).unwrap_or(u64::MAX);
        soon.max(last).max(asked.handed)
    }

    /// Run time at which the last stage ends, a pause that nobody has ended taking as long as it may.
    #[must_use]
    pub fn latest_end(&self, length: u64) -> u64 {
        let Some(pause) = self.control.open_pause() else {
            return self.control.run_time(length).unwrap_or(u64::MAX);
        };
        let resumed = self
            .control
            .resume(pause.from.saturating_add(self.max_pause));
        let end = resumed.ok().and_then(|resumed| resumed.run_time(length));
        end.unwrap_or(u64::MAX)
    }

    /// Why the run is to end, if it is paused for longer than it may be.
    #[must_use]
    pub fn overdue(&self, run: i64) -> Option<String> {
        let pause = self.control.open_pause()?;
        let limit = pause.from.saturating_add(self.max_pause);
        let late = u64::try_from(run).is_ok_and(|run| run > limit);
        late.then(|| {
            format!(
                "it was paused at {} and not resumed within {} (--max-pause)",
                run_clock(pause.from),
                metrics::text::duration(self.max_pause as f64)
            )
        })
    }

    /// Once, when every agent should have confirmed the newest version: from when that holds.
    pub fn to_confirm(&mut self, run: i64) -> Option<u64> {
        let from = self.unconfirmed?;
        let due = from.saturating_add(CONFIRMED_NS);
        if u64::try_from(run).is_ok_and(|run| run >= due) {
            self.unconfirmed = None;
            return Some(from);
        }
        None
    }
}

fn worded(change: Change) -> String {
    match change {
        Change::Factor(factor) => {
            let (whole, rest) = (factor / 1000, factor % 1000);
            let digits = format!("{whole}.{rest:03}");
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("scaled to {digits} × its curve")
        }
        Change::Vus(1) => "set to 1 VU".to_owned(),
        Change::Vus(vus) => format!("set to {vus} VUs"),
        Change::Rate(rate) => format!("set to a rate of {rate}"),
    }
}

/// A run time for people: `00:12.4`, `1:00:12.4`.
#[must_use]
pub fn run_clock(ns: u64) -> String {
    let tenths = ns / 100_000_000;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenth}")
    } else {
        format!("{minutes:02}:{seconds:02}.{tenth}")
    }
}

#[cfg(test)]
#[path = "change/tests.rs"]
mod tests;
