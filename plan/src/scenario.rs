//! A scenario: an executor, when it begins and ends, and what its iterations do.

use crate::draft::{Fields, Key, Node, Reader};
use crate::{Executor, FlowId};
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
    /// Stage time of its begin.
    pub start_time: Duration,
    /// How long iterations may go on after its end. k6: 30 s.
    pub graceful_stop: Duration,
    /// What an iteration does.
    pub exec: FlowId,
    /// Tags on its samples, beside `scenario`.
    pub tags: BTreeMap<String, String>,
}

impl Scenario {
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
    pub(crate) exec_place: crate::Place,
    pub(crate) tags: BTreeMap<String, String>,
    /// The scenario's own variables.
    pub(crate) env: BTreeMap<String, String>,
}

/// Keys of k6 and throng that are known and not there yet.
const NOT_YET: [&str; 4] = ["options", "startAfter", "arrivals", "catchUp"];

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
    })
}

/// Keys of other executors get an answer that says so.
fn refuse_others(fields: &mut Fields<'_>, executor: Option<&Executor>) {
    const KEYS: [&str; 12] = [
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
