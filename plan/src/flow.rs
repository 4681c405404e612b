//! Flows: what one iteration does; and the names a flow knows while it is read.

use crate::diagnostics::Place;
use crate::draft::{Kind, Node, Reader, unknown_name, valid_name};
use crate::step::{self, Step};
use crate::template::{JsonTemplate, Part, Piece, Reference, Template, split};
use crate::{DataId, DataSet, Options, PhaseKind, Rows, Slot};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What one iteration does.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// Its name in `flows`.
    pub name: String,
    /// Names of its variables; a [`Slot`] is an index into these.
    pub slots: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Names that `{{ }}` knows without anybody setting them.
const RESERVED: [&str; 4] = ["vu", "iteration", "scenario_iteration", "env"];

/// What is known of a variable's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Nothing.
    Any,
    /// A text or a number: it has no fields.
    Plain,
    /// An object with these fields.
    Fields(BTreeSet<String>),
}

impl Shape {
    /// What the rows of a data set are.
    pub(crate) fn of_rows(data: &DataSet) -> Self {
        let rows = match &data.rows {
            Rows::List(rows) => rows,
            Rows::Range(..) => return Shape::Plain,
            Rows::Given { fields, .. } => {
                return fields.clone().map_or(Shape::Any, Shape::Fields);
            }
        };
        let mut fields = BTreeSet::new();
        let mut plain = 0;
        for row in rows {
            match row {
                Value::Object(row) => fields.extend(row.keys().cloned()),
                Value::Array(_) | Value::Null => return Shape::Any,
                Value::Bool(_) | Value::Number(_) | Value::String(_) => plain += 1,
            }
        }
        match plain {
            0 => Shape::Fields(fields),
            n if n == rows.len() => Shape::Plain,
            _ => Shape::Any,
        }
    }
}

/// A flow being read: which variables there are so far, and which were asked for too early.
pub(crate) struct Builder<'a> {
    pub(crate) reader: Reader<'a>,
    pub(crate) options: &'a Options,
    pub(crate) data: &'a [DataSet],
    /// Path of the group being read.
    pub(crate) group: String,
    /// Setup or teardown; `None` for what an iteration does.
    pub(crate) phase: Option<PhaseKind>,
    /// True inside an `each`.
    pub(crate) in_each: bool,
    next_request: &'a mut usize,
    slots: Vec<String>,
    shapes: Vec<Shape>,
    /// Names used before they were set; whether they are unknown or early shows at the end.
    pending: Vec<(Place, String)>,
}

/// Reads a flow; with a `phase`, the one flow of that.
#[expect(
    clippy::too_many_arguments,
    reason = "all that a reader of names needs"
)]
pub(crate) fn read<'a>(
    reader: Reader<'a>,
    name: &str,
    place: &Place,
    node: &'a Node,
    options: &'a Options,
    data: &'a [DataSet],
    next_request: &'a mut usize,
    phase: Option<PhaseKind>,
) -> Flow {
    let mut builder = Builder {
        reader,
        options,
        data,
        group: phase.map_or_else(String::new, |phase| phase.group().to_owned()),
        phase,
        in_each: false,
        next_request,
        slots: Vec::new(),
        shapes: Vec::new(),
        pending: Vec::new(),
    };
    let steps = match &node.kind {
        Kind::List(items) if items.is_empty() => {
            let what = phase.map_or_else(
                || format!("the flow `{name}`"),
                |phase| format!("`{}`", phase.name()),
            );
            reader.error(place, format!("{what} has no steps"));
            Vec::new()
        }
        Kind::List(items) => step::read_all(&mut builder, items),
        Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) | Kind::Map(_) => {
            reader.unexpected(node, "a list of steps such as `- get: /`");
            Vec::new()
        }
    };
    builder.report_pending();
    Flow {
        name: name.to_owned(),
        slots: builder.slots,
        steps,
    }
}

/// The sets to which these steps give rows.
pub(crate) fn given(steps: &[Step], sets: &mut BTreeSet<DataId>) {
    for step in steps {
        match step {
            Step::Give(rows) => sets.extend(rows.iter().map(|(id, _)| *id)),
            Step::Each { steps, .. } | Step::Group { steps, .. } => given(steps, sets),
            Step::Let(_) | Step::Request(_) | Step::Sleep { .. } | Step::Stop { .. } => {}
        }
    }
}

impl<'a> Builder<'a> {
    pub(crate) fn next_request_id(&mut self) -> usize {
        let id = *self.next_request;
        *self.next_request += 1;
        id
    }

    /// The slot of a variable from here on set; a new one for a new name.
    pub(crate) fn set(&mut self, name: &str, place: &Place, shape: Shape) -> Slot {
        if RESERVED.contains(&name) {
            self.reader.error_help(
                place,
                format!("`{name}` is not a variable to set: it has a meaning of its own"),
                "choose another name",
            );
        } else if !valid_name(name) {
            self.reader.error_help(
                place,
                format!("`{name}` cannot name a variable"),
                "use letters, digits and `_`, and begin with a letter",
            );
        }
        if let Some(slot) = self.slots.iter().position(|slot| slot == name) {
            if self.shapes[slot] != shape {
                self.shapes[slot] = Shape::Any;
            }
            return slot;
        }
        self.slots.push(name.to_owned());
        self.shapes.push(shape);
        self.slots.len() - 1
    }

    /// How many variables there are: what [`Builder::forget`] takes.
    pub(crate) fn known(&self) -> usize {
        self.slots.len()
    }

    /// Lets nobody name the variables that were first set since there were so many: each row has its own.
    pub(crate) fn forget(&mut self, known: usize) {
        for slot in self.slots.iter_mut().skip(known) {
            // A name with a dot cannot be written.
            slot.insert_str(0, "each.");
        }
    }

    /// The slot of a variable that an earlier step sets; else it is reported at the end.
    pub(crate) fn slot(&mut self, name: &str, place: &Place) -> Option<Slot> {
        let slot = self.slots.iter().position(|slot| slot == name);
        if slot.is_none() {
            self.pending.push((place.clone(), name.to_owned()));
        }
        slot
    }

    /// A scalar as a template, variables expanded.
    pub(crate) fn template(&mut self, node: &Node, expected: &str) -> Option<Template> {
        let text = self.reader.text(node, expected)?;
        self.parse(&text, &node.place)
    }

    /// A text as a template.
    pub(crate) fn parse(&mut self, text: &str, place: &Place) -> Option<Template> {
        let pieces = match split(text) {
            Ok(pieces) => pieces,
            Err(malformed) => {
                self.reader.error_help(
                    &place.within(self.reader.source, malformed.written),
                    malformed.what,
                    "for a literal `{{` write `{{ \"{{\" }}`",
                );
                return None;
            }
        };
        let mut template = Template { parts: Vec::new() };
        let mut good = true;
        for piece in pieces {
            match piece {
                Piece::Literal(text) => template.push_literal(text),
                Piece::Value { written, names } => {
                    match self.resolve(&names, &place.within(self.reader.source, written)) {
                        Some(Part::Literal(text)) => template.push_literal(&text),
                        Some(value) => template.parts.push(value),
                        None => good = false,
                    }
                }
            }
        }
        good.then_some(template)
    }

    fn resolve(&mut self, names: &[&str], place: &Place) -> Option<Part> {
        let (first, path) = names.split_first()?;
        let alone = match *first {
            "env" => return self.variable(path, place),
            "vu" | "iteration" | "scenario_iteration" if self.phase.is_some() => {
                self.reader.error_help(
                    place,
                    format!("`{first}` has no meaning here: there are no VUs and no iterations outside of the load"),
                    "`each: set` does its steps for each row of a set",
                );
                return None;
            }
            "vu" => Reference::Vu,
            "iteration" => Reference::Iteration,
            "scenario_iteration" => Reference::ScenarioIteration,
            name => {
                let slot = self.slot(name, place)?;
                self.check_path(name, slot, path, place);
                let path = path.iter().map(|name| (*name).to_owned()).collect();
                return Some(Part::Value(Reference::Slot(slot, path)));
            }
        };
        if !path.is_empty() {
            self.reader
                .error(place, format!("`{first}` is a number; it has no fields"));
            return None;
        }
        Some(Part::Value(alone))
    }

    /// `{{ env.NAME }}`: known now, so a literal.
    fn variable(&self, path: &[&str], place: &Place) -> Option<Part> {
        let [name] = path else {
            self.reader
                .error(place, "expected `{{ env.NAME }}`, the name of a variable");
            return None;
        };
        match self.reader.env.get(*name) {
            Some(value) => Some(Part::Literal(value.clone())),
            None => {
                self.reader.error_help(
                    place,
                    format!("the variable {name} is not set"),
                    format!("set it with `-e {name}=…` or in the environment"),
                );
                None
            }
        }
    }

    /// A field that no row has would be an empty text in every request.
    fn check_path(&self, name: &str, slot: Slot, path: &[&str], place: &Place) {
        let (Some(shape), Some(field)) = (self.shapes.get(slot), path.first()) else {
            return;
        };
        match shape {
            Shape::Any => {}
            Shape::Plain => self.reader.error(
                place,
                format!("`{name}` is a plain value; it has no `{field}`"),
            ),
            Shape::Fields(fields) if fields.contains(*field) => {}
            Shape::Fields(fields) => unknown_name(
                self.reader,
                place,
                format!("no row of `{name}` has `{field}`"),
                field,
                fields.iter().map(String::as_str),
            ),
        }
    }

    /// A value as a JSON template.
    pub(crate) fn json(&mut self, node: &Node) -> Option<JsonTemplate> {
        let constant = |value| Some(JsonTemplate::Constant(value));
        match &node.kind {
            Kind::Null => constant(Value::Null),
            Kind::Bool(value) => constant((*value).into()),
            Kind::Number(_, number) => constant(Value::Number(number.clone())),
            Kind::Text(text) => {
                let text = self.reader.expand(text, &node.place)?;
                let template = self.parse(&text, &node.place)?;
                if let Some(text) = template.as_literal() {
                    return constant(text.into());
                }
                Some(match template.parts.as_slice() {
                    [Part::Value(reference)] => JsonTemplate::Value(reference.clone()),
                    _ => JsonTemplate::Text(template),
                })
            }
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.json(item)).collect();
                let items = items.into_iter().collect::<Option<Vec<_>>>()?;
                let constants = items.iter().map(|item| item.as_constant().cloned());
                Some(match constants.collect::<Option<Vec<_>>>() {
                    Some(values) => JsonTemplate::Constant(Value::Array(values)),
                    None => JsonTemplate::Array(items),
                })
            }
            Kind::Map(_) if node.is_unquoted_template() => {
                self.reader.unexpected(node, "a JSON value");
                None
            }
            Kind::Map(entries) => {
                let fields: Vec<_> = entries
                    .iter()
                    .map(|(key, item)| Some((key.text.clone(), self.json(item)?)))
                    .collect();
                let fields = fields.into_iter().collect::<Option<Vec<_>>>()?;
                let constants = fields
                    .iter()
                    .map(|(name, item)| Some((name.clone(), item.as_constant()?.clone())));
                Some(match constants.collect::<Option<_>>() {
                    Some(values) => JsonTemplate::Constant(Value::Object(values)),
                    None => JsonTemplate::Object(fields),
                })
            }
        }
    }

    fn report_pending(&mut self) {
        for (place, name) in std::mem::take(&mut self.pending) {
            if self.slots.contains(&name) {
                self.reader.error_help(
                    &place,
                    format!("`{name}` is used before any step could have set it"),
                    "steps run in order, and a request's `extract` comes after all else of it",
                );
            } else {
                let there = self.slots.iter().map(String::as_str);
                let there = there.filter(|name| !name.contains('.')).chain([
                    "vu",
                    "iteration",
                    "scenario_iteration",
                ]);
                unknown_name(
                    self.reader,
                    &place,
                    format!("nothing sets the variable `{name}`"),
                    &name,
                    there,
                );
            }
        }
    }
}
