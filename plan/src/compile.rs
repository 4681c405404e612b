//! From a bundle to a plan: `compile` is a pure function, the same everywhere.

use crate::diagnostics::{Diagnostics, Place};
use crate::draft::{self, Fields, Key, Kind, Node, Reader, Sink, unknown_name};
use crate::rows::Taking;
use crate::scenario::Draft;
use crate::template::{Piece, split};
use crate::{Bundle, DataSet, Executor, Flow, FlowId, Options, Phase, PhaseKind, Plan, Scenario};
use crate::{data, flow, options, phase, rows, scenario, shortcut, threshold};
use std::collections::{BTreeMap, BTreeSet};

/// Compiles a bundle.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn compile(bundle: &Bundle) -> Result<Plan, Diagnostics> {
    let fail = |items| Diagnostics::new(&bundle.name, &bundle.source, items);
    let root = draft::parse(&bundle.source).map_err(fail)?;
    let sink = Sink::default();
    let reader = Reader {
        source: &bundle.source,
        env: &bundle.env,
        sink: &sink,
    };
    let plan = check(reader, &root, bundle);
    match plan {
        Some(plan) if sink.is_empty() => Ok(plan),
        _ => Err(fail(sink.into_items())),
    }
}

fn check(reader: Reader<'_>, root: &Node, bundle: &Bundle) -> Option<Plan> {
    if matches!(root.kind, Kind::Null) {
        reader.error_help(
            &Place::at(reader.source, 1, 1),
            "the scenario file is empty",
            "a file needs `flows` at least; docs/scenarios.md begins with an example",
        );
        return None;
    }
    let top = Place::at(reader.source, 1, 1);
    let mut fields = reader.fields(root, &top, "a scenario file")?;
    let options = options::read(&mut fields, &bundle.overrides);
    let scenarios = shortcut::scenarios(&mut fields, &bundle.overrides);
    let data = match fields.get("data") {
        Some(node) => data::read(reader, node, &bundle.files),
        None => Vec::new(),
    };
    let thresholds = match fields.get("thresholds") {
        Some(node) if !bundle.overrides.no_thresholds => threshold::read(reader, node),
        _ => Vec::new(),
    };
    let flows = read_flow_entries(&mut fields);
    let phases = phase::read(&mut fields, &bundle.overrides);
    fields.refuse(
        &options::NOT_YET,
        "not supported yet",
        "remove it; docs/scenarios.md lists what is supported",
    );
    fields.finish(&options::NOT_YET);

    let scenarios = scenarios.unwrap_or_default();
    let mut drafts: Vec<Draft> = scenarios
        .iter()
        .filter_map(|(key, node)| scenario::read(reader, key, node))
        .collect();
    // One that could not be read at all would be missed by those that follow it.
    if drafts.len() == scenarios.len() {
        scenario::follow(reader, &mut drafts);
    }
    let mut next_request = 0;
    let mut read_phase = |kind, data: &[DataSet]| {
        let draft = phases.iter().find(|draft| draft.kind == kind)?;
        let flow = phase_flow(reader, draft, &options, data, &mut next_request);
        (!draft.skipped).then_some((flow, draft.timeout))
    };
    let setup = read_phase(PhaseKind::Setup, &data);
    // What setup gives is known to those who take it.
    let data = match &setup {
        Some((flow, _)) => data::learn(data, &flow.steps),
        None => data,
    };
    let teardown = read_phase(PhaseKind::Teardown, &data);
    let mut linker = Linker {
        reader,
        options: &options,
        data: &data,
        entries: flows.unwrap_or(&[]),
        base_env: &bundle.env,
        made: Vec::new(),
        flows: Vec::new(),
        next_request,
    };
    let scenarios: Vec<Scenario> = drafts
        .into_iter()
        .filter_map(|draft| linker.link(draft, flows.is_some()))
        .collect();
    linker.check_unused();
    let mut flows = linker.flows;
    let [setup, teardown] = [setup, teardown].map(|phase| {
        let (flow, timeout) = phase?;
        flows.push(flow);
        Some(Phase {
            flow: flows.len() - 1,
            timeout,
        })
    });
    check_given(reader, root, &data, &flows, setup.as_ref(), &phases);
    // A flow with errors lacks names, which would be reported as missing.
    let thresholds = if reader.sink.is_empty() {
        threshold::check_filters(reader, thresholds, &options, &scenarios, &flows)
    } else {
        return None;
    };
    Some(Plan {
        options,
        scenarios,
        flows,
        data,
        setup,
        teardown,
        thresholds,
        seed: bundle.seed,
    })
}

/// The steps of setup or teardown; of one that is left out only its errors count.
fn phase_flow(
    reader: Reader<'_>,
    draft: &phase::Draft<'_>,
    options: &Options,
    data: &[DataSet],
    next_request: &mut usize,
) -> Flow {
    let (key, node) = draft.entry;
    let mut unused = 0;
    flow::read(
        reader,
        draft.kind.name(),
        &key.place,
        node,
        options,
        data,
        if draft.skipped {
            &mut unused
        } else {
            next_request
        },
        Some(draft.kind),
    )
}

/// `flows`, by name. None after an error.
fn read_flow_entries<'a>(fields: &mut Fields<'a>) -> Option<&'a [(Key, Node)]> {
    let node = fields.require("flows", "{ default: [{ get: / }] }")?;
    let flows = fields
        .reader
        .fields(node, &node.place, "a map of flows by name")?;
    if flows.entries.is_empty() {
        flows.reader.error(&node.place, "there are no flows");
        return None;
    }
    Some(flows.entries)
}

/// Gives scenarios their flows: each flow once for each set of variables it is run with.
struct Linker<'a> {
    reader: Reader<'a>,
    options: &'a Options,
    data: &'a [DataSet],
    entries: &'a [(Key, Node)],
    base_env: &'a BTreeMap<String, String>,
    /// What each of `flows` was made from: its name and the scenario's own variables.
    made: Vec<(String, BTreeMap<String, String>)>,
    flows: Vec<Flow>,
    next_request: usize,
}

impl Linker<'_> {
    fn link(&mut self, draft: Draft, have_flows: bool) -> Option<Scenario> {
        let exec = match self.entries.iter().find(|(key, _)| key.text == draft.exec) {
            Some((key, node)) => Some(self.flow(&key.text, &key.place, node, &draft.env)),
            None => {
                // Without any flows that was the error.
                if have_flows {
                    self.report_unknown(&draft);
                }
                None
            }
        };
        if let (Some(flow), Some(executor)) = (exec, &draft.executor) {
            self.check_rows(&draft, executor, flow);
        }
        Some(Scenario {
            name: draft.name,
            executor: draft.executor?,
            start_time: draft.start_time,
            graceful_stop: draft.graceful_stop,
            exec: exec?,
            tags: draft.tags,
            arrivals: draft.arrivals,
            catch_up: draft.catch_up,
        })
    }

    fn flow(
        &mut self,
        name: &str,
        place: &Place,
        node: &Node,
        own: &BTreeMap<String, String>,
    ) -> FlowId {
        let made = (name.to_owned(), own.clone());
        if let Some(id) = self.made.iter().position(|other| *other == made) {
            return id;
        }
        let mut env = self.base_env.clone();
        env.extend(own.clone());
        let flow = flow::read(
            Reader {
                env: &env,
                ..self.reader
            },
            name,
            place,
            node,
            self.options,
            self.data,
            &mut self.next_request,
            None,
        );
        self.made.push(made);
        self.flows.push(flow);
        self.flows.len() - 1
    }

    fn report_unknown(&self, draft: &Draft) {
        unknown_name(
            self.reader,
            &draft.exec_place,
            format!(
                "the scenario `{}` executes the flow `{}`, which is not there",
                draft.name, draft.exec
            ),
            &draft.exec,
            self.entries.iter().map(|(key, _)| key.text.as_str()),
        );
    }

    /// A flow no scenario executes is read for its errors only.
    fn check_unused(&self) {
        for (key, node) in self.entries {
            if self.made.iter().any(|(name, _)| *name == key.text) {
                continue;
            }
            let mut unused = 0;
            let _ = flow::read(
                self.reader,
                &key.text,
                &key.place,
                node,
                self.options,
                self.data,
                &mut unused,
                None,
            );
        }
    }

    /// Where each VU or iteration takes a row of its own, there must be as many rows, and a number to take it by.
    fn check_rows(&self, draft: &Draft, executor: &Executor, flow: FlowId) {
        let mut found = Vec::new();
        rows::takings(&self.flows[flow].steps, &mut found);
        for (id, by) in found {
            let Some(set) = self.data.get(id) else {
                continue;
            };
            let scenario = &draft.name;
            let shared = matches!(executor, Executor::SharedIterations { .. });
            let needed = by.count(executor);
            let (what, help) = match needed {
                None => (
                    format!(
                        "the scenario `{scenario}` does not number its iterations, so none has a row of its own in `{}`",
                        set.name
                    ),
                    format!(
                        "`{{ own: {} }}` is the row of the VU; arrival-rate executors number their iterations",
                        set.name
                    ),
                ),
                Some(_) if by == Taking::Iteration && shared && set.is_given() => (
                    format!(
                        "an iteration of `shared-iterations` goes to whoever is free, so the rows of `{}` cannot be handed out before",
                        set.name
                    ),
                    format!(
                        "`{{ own: {} }}` is the row of the VU; or use an arrival-rate executor",
                        set.name
                    ),
                ),
                Some(needed) if !set.is_given() && !set.recycle && needed > set.rows.count() => (
                    format!(
                        "the scenario `{scenario}` wants {needed} rows of `{}`, one for each {}, and there are {}",
                        set.name,
                        match by {
                            Taking::Vu => "VU",
                            Taking::Iteration => "iteration",
                        },
                        set.rows.count()
                    ),
                    "add rows, or let them be used again with `recycle: true` beside the source"
                        .to_owned(),
                ),
                Some(_) => continue,
            };
            self.reader.error_help(&draft.exec_place, what, help);
        }
    }
}

/// A set that setup gives is given by a setup that runs.
fn check_given(
    reader: Reader<'_>,
    root: &Node,
    data: &[DataSet],
    flows: &[Flow],
    setup: Option<&Phase>,
    drafts: &[phase::Draft<'_>],
) {
    let mut given = BTreeSet::new();
    if let Some(flow) = setup.and_then(|setup| flows.get(setup.flow)) {
        flow::given(&flow.steps, &mut given);
    }
    let Some(Kind::Map(sets)) = root.get("data").map(|node| &node.kind) else {
        return;
    };
    let skipped = drafts
        .iter()
        .any(|draft| draft.kind == PhaseKind::Setup && draft.skipped);
    for (id, set) in data.iter().enumerate() {
        if !set.is_given() || given.contains(&id) {
            continue;
        }
        let Some((key, _)) = sets.iter().find(|(key, _)| key.text == set.name) else {
            continue;
        };
        let name = &set.name;
        if skipped {
            reader.error_help(
                &key.place,
                format!("`{name}` gets its rows from setup, which is not to run"),
                "run it with setup, or give the set another source",
            );
        } else {
            reader.error_help(
                &key.place,
                format!("nothing gives rows to `{name}`"),
                format!("`setup` gives one with a step such as `give: {{ {name}: {{ user: \"{{{{ user }}}}\" }} }}`"),
            );
        }
    }
}

impl Bundle {
    /// The files the source names under `data`, as written there (relative to the scenario file): what whoever makes the
    /// bundle has to read into [`Bundle::files`]. Each once, sorted.
    ///
    /// # Errors
    /// If the source is not readable, or a name uses a variable that is unset.
    pub fn wanted_files(&self) -> Result<Vec<String>, Diagnostics> {
        let fail = |items| Diagnostics::new(&self.name, &self.source, items);
        let root = draft::parse(&self.source).map_err(fail)?;
        let sink = Sink::default();
        let reader = Reader {
            source: &self.source,
            env: &self.env,
            sink: &sink,
        };
        let names: BTreeSet<String> = root
            .get("data")
            .map(|node| data::files(reader, node))
            .unwrap_or_default()
            .into_iter()
            .collect();
        if sink.is_empty() {
            Ok(names.into_iter().collect())
        } else {
            Err(fail(sink.into_items()))
        }
    }
}

/// The variables a source names, as `${NAME}` or `{{ env.NAME }}`: what whoever makes the bundle has to look up for
/// [`Bundle::env`]. Each once, sorted; none if the source is not readable, which `compile` reports.
#[must_use]
pub fn wanted_env(source: &str) -> Vec<String> {
    fn walk(node: &Node, names: &mut BTreeSet<String>) {
        match &node.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(..) => {}
            Kind::Text(text) => {
                names.extend(draft::variables_in(text));
                for piece in split(text).unwrap_or_default() {
                    if let Piece::Value { names: path, .. } = piece
                        && let ["env", name] = path[..]
                    {
                        names.insert(name.to_owned());
                    }
                }
            }
            Kind::List(items) => items.iter().for_each(|item| walk(item, names)),
            Kind::Map(entries) => entries.iter().for_each(|(_, item)| walk(item, names)),
        }
    }
    let mut names = BTreeSet::new();
    if let Ok(root) = draft::parse(source) {
        walk(&root, &mut names);
    }
    names.into_iter().collect()
}

/// The source of a scenario that does nothing but one GET: `throng run http://… -u 50 -d 10s`.
#[must_use]
pub fn one_request(url: &str) -> String {
    let literal = url.replace("${", "$${").replace("{{", "{{ '{{' }}");
    format!(
        "flows:\n  default:\n    - get: {}\n",
        serde_json::Value::String(literal)
    )
}
