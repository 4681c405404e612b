//! A scenario: an executor, when it begins and ends, and what its iterations do.

use crate::draft::{Fields, Key, Node, Reader, unknown_name};
use crate::duration::{self, LONGEST};
use crate::{ArrivalCurve, Executor, FlowId, Place};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// k6: `^[0-9a-zA-Z_-]+$`.
    pub name: String,
    /// How load is made.
    pub executor: Executor,
    /// Stage time of its begin: its `startTime`, after the end of the scenario its `startAfter` names.
    pub start_time: Duration,
    /// How long iterations may go on after its end. k6: 30 s.
    pub graceful_stop: Duration,
    /// What an iteration does.
    pub exec: FlowId,
    /// Tags on its samples, beside `scenario`.
    pub tags: BTreeMap<String, String>,
    /// How the arrivals of an open executor follow one another.
    pub arrivals: Arrivals,
    /// How late an arrival of an open executor may begin. 1 s.
    pub catch_up: Duration,
}

/// How arrivals follow one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Arrivals {
    /// `regular`: evenly, as in k6.
    #[default]
    Regular,
    /// `poisson`: each independent of all others, as visitors who do not know of one another.
    Poisson,
}

impl Scenario {
    /// The arrivals of an open executor over time; Poisson ones are seeded by the run's seed and the scenario's name.
    #[must_use]
    pub fn arrival_curve(&self, seed: u64) -> Option<ArrivalCurve> {
        let curve = self.executor.arrival_curve()?;
        Some(match self.arrivals {
            Arrivals::Regular => curve,
            Arrivals::Poisson => curve.poisson(seed, &self.name),
        })
    }

    /// When no more iterations begin; stage time.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.start_time + self.executor.duration()
    }

    /// When everything of it is over, the graceful stop included; stage time.
    #[must_use]
    pub fn cut_end(&self) -> Duration {
        self.end() + self.graceful_stop
    }
}

/// A scenario whose flow is still a name.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) executor: Option<Executor>,
    pub(crate) start_time: Duration,
    pub(crate) graceful_stop: Duration,
    pub(crate) exec: String,
    /// Where `exec` is written, or the scenario's name.
    pub(crate) exec_place: Place,
    pub(crate) tags: BTreeMap<String, String>,
    /// The scenario's own variables.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) arrivals: Arrivals,
    pub(crate) catch_up: Duration,
    /// The scenario it follows, and where that is written.
    start_after: Option<(String, Place)>,
}

/// Keys of k6 and throng that are known and not there yet.
const NOT_YET: [&str; 1] = ["options"];
/// `catchUp` unless it is written.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Reads one scenario.
pub(crate) fn read<'a>(reader: Reader<'a>, key: &'a Key, node: &'a Node) -> Option<Draft> {
    let good_name = !key.text.is_empty()
        && key
            .text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !good_name {
        reader.error_help(
            &key.place,
            format!("`{}` cannot name a scenario", key.text),
            "use letters, digits, `_` and `-`",
        );
    }
    let mut fields = reader.fields(node, &key.place, "a scenario")?;
    let executor = Executor::read(&mut fields);
    let start_time = fields.duration("startTime").unwrap_or_default();
    let start_after = fields
        .text("startAfter", "the name of a scenario")
        .map(|name| (name, fields.place("startAfter")));
    let open = executor.as_ref().is_some_and(Executor::is_open);
    let (arrivals, catch_up) = if open {
        (read_arrivals(&mut fields), read_catch_up(&mut fields))
    } else {
        (Arrivals::default(), CATCH_UP)
    };
    let graceful_stop = match fields.get("gracefulStop") {
        None => Some(Duration::from_secs(30)),
        Some(node) => reader.duration(node),
    };
    let exec = fields.text("exec", "the name of a flow");
    let exec_place = match fields.get("exec") {
        Some(node) => node.place.clone(),
        None => key.place.clone(),
    };
    let tags = match fields.get("tags") {
        Some(node) => read_tags(reader, node),
        None => BTreeMap::new(),
    };
    let env = match fields.get("env") {
        Some(node) => reader.texts(node, "a map of variables"),
        None => BTreeMap::new(),
    };
    refuse_others(&mut fields, executor.as_ref());
    fields.refuse(
        &NOT_YET,
        "not supported yet",
        "remove it; docs/scenarios.md lists what is supported",
    );
    fields.finish(&NOT_YET);
    Some(Draft {
        name: key.text.clone(),
        executor,
        start_time,
        graceful_stop: graceful_stop.unwrap_or_default(),
        exec: exec.unwrap_or_else(|| "default".to_owned()),
        exec_place,
        tags,
        env,
        arrivals,
        catch_up,
        start_after,
    })
}

fn read_arrivals(fields: &mut Fields<'_>) -> Arrivals {
    const NAMES: [&str; 2] = ["regular", "poisson"];
    match fields.text("arrivals", "`regular` or `poisson`").as_deref() {
        None | Some("regular") => Arrivals::Regular,
        Some("poisson") => Arrivals::Poisson,
        Some(other) => {
            unknown_name(
                fields.reader,
                &fields.place("arrivals"),
                format!("arrivals cannot be `{other}`"),
                other,
                NAMES,
            );
            Arrivals::Regular
        }
    }
}

fn read_catch_up(fields: &mut Fields<'_>) -> Duration {
    let catch_up = fields.duration("catchUp").unwrap_or(CATCH_UP);
    if catch_up < Duration::from_millis(1) {
        fields.reader.error_help(
            &fields.place("catchUp"),
            format!(
                "`catchUp` is {}; it must be at least 1ms",
                duration::format(catch_up)
            ),
            "nothing begins in the very instant it is due; without any leeway every arrival would expire",
        );
    }
    catch_up
}

/// Gives each scenario that follows another its begin: `startTime` after the other's last iteration may end.
pub(crate) fn follow(reader: Reader<'_>, drafts: &mut [Draft]) {
    let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut begins: Vec<Option<Duration>> = drafts
        .iter()
        .map(|draft| draft.start_after.is_none().then_some(draft.start_time))
        .collect();
    // Each round settles at least one more, or what is left waits for itself.
    for _ in 0..drafts.len() {
        for i in 0..drafts.len() {
            let Some((other, place)) = drafts[i].start_after.clone() else {
                continue;
            };
            let Some(j) = names.iter().position(|name| *name == other) else {
                let others = names.iter().filter(|name| **name != names[i]);
                unknown_name(
                    reader,
                    &place,
                    format!(
                        "the scenario `{}` starts after `{other}`, which is not there",
                        names[i]
                    ),
                    &other,
                    others.map(String::as_str),
                );
                drafts[i].start_after = None;
                begins[i] = Some(drafts[i].start_time);
                continue;
            };
            // Of one without an executor it is not known how long it takes; that was reported.
            let takes = drafts[j]
                .executor
                .as_ref()
                .map_or(Duration::ZERO, Executor::duration)
                + drafts[j].graceful_stop;
            if begins[i].is_none()
                && let Some(begin) = begins[j]
            {
                let begin = begin + takes + drafts[i].start_time;
                if begin > LONGEST {
                    reader.error(
                        &place,
                        format!(
                            "the scenario `{}` would begin after more than ten years",
                            names[i]
                        ),
                    );
                }
                begins[i] = Some(begin.min(LONGEST));
            }
        }
    }
    let followed = |i: usize| {
        let (other, _) = drafts[i].start_after.as_ref()?;
        names.iter().position(|name| name == other)
    };
    // True if following whom it follows leads back to it.
    let in_circle = |i: usize| {
        std::iter::successors(followed(i), |j| followed(*j))
            .take(names.len())
            .any(|j| j == i)
    };
    for (i, begin) in begins.iter().enumerate() {
        let (None, Some((other, place))) = (begin, &drafts[i].start_after) else {
            continue;
        };
        let what = if *other == names[i] {
            format!("the scenario `{other}` would start after itself")
        } else if in_circle(i) {
            format!(
                "the scenario `{}` would never start: `{other}` waits for it in turn",
                names[i]
            )
        } else {
            format!(
                "the scenario `{}` would never start: `{other}` never does",
                names[i]
            )
        };
        reader.error_help(place, what, "let one of them begin without `startAfter`");
    }
    for (draft, begin) in drafts.iter_mut().zip(begins) {
        draft.start_time = begin.unwrap_or(draft.start_time);
    }
}

/// Keys of other executors get an answer that says so.
fn refuse_others(fields: &mut Fields<'_>, executor: Option<&Executor>) {
    const KEYS: [&str; 14] = [
        "vus",
        "iterations",
        "maxDuration",
        "duration",
        "startVUs",
        "stages",
        "gracefulRampDown",
        "rate",
        "timeUnit",
        "preAllocatedVUs",
        "maxVUs",
        "startRate",
        "arrivals",
        "catchUp",
    ];
    let Some(executor) = executor else { return };
    let foreign: Vec<&'static str> = KEYS
        .into_iter()
        .filter(|key| !fields.asked_for(key))
        .collect();
    let own = crate::diagnostics::list(KEYS.into_iter().filter(|key| fields.asked_for(key)));
    fields.refuse(
        &foreign,
        &format!("no option of the executor `{}`", executor.name()),
        &format!("its options are {own}"),
    );
}

/// Tags: names to texts; k6's system tags are throng's to set.
pub(crate) fn read_tags(reader: Reader<'_>, node: &Node) -> BTreeMap<String, String> {
    let tags = reader.texts(node, "a map of tags");
    if let crate::draft::Kind::Map(entries) = &node.kind {
        for (key, _) in entries {
            if key.text.is_empty() {
                reader.error(&key.place, "a tag needs a name");
            }
        }
    }
    tags
}
