//! Rendering: a template and an iteration's values become text or JSON. Nothing is allocated but what the buffer grows by.

use super::{JsonTemplate, Part, Reference, Template};
use serde_json::Value;
use std::fmt::Write as _;
use std::io;

/// What an iteration knows.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The flow's variables, by slot; null until set.
    pub slots: &'a [Value],
    /// The VU's number in the whole test, from 1.
    pub vu: u64,
    /// The VU's iterations in this scenario so far, from 0.
    pub iteration: u64,
    /// The iteration's index in the scenario, from 0, where it has one; else as `iteration`.
    pub scenario_iteration: u64,
}

/// A value, or a number that is none of the flow's.
enum Found<'a> {
    Json(&'a Value),
    Number(u64),
}

impl<'a> Scope<'a> {
    fn find(&self, reference: &Reference) -> Found<'a> {
        match reference {
            Reference::Vu => Found::Number(self.vu),
            Reference::Iteration => Found::Number(self.iteration),
            Reference::ScenarioIteration => Found::Number(self.scenario_iteration),
            Reference::Slot(slot, path) => {
                let start = self.slots.get(*slot).unwrap_or(&Value::Null);
                Found::Json(path.iter().fold(start, |value, name| field(value, name)))
            }
        }
    }
}

/// A field of an object or, by number, an item of an array; null where there is none.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value {
        Value::Object(fields) => fields.get(name),
        Value::Array(items) => name.parse().ok().and_then(|i: usize| items.get(i)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
    .unwrap_or(&Value::Null)
}

/// Appends a value as a template shows it: strings bare, null as nothing, the rest as JSON.
pub fn text_of(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => out.push_str(text),
        other => write!(out, "{other}").expect("a String takes any text"),
    }
}

impl Template {
    /// Appends the text.
    pub fn render(&self, scope: &Scope<'_>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Value(reference) => match scope.find(reference) {
                    Found::Json(value) => text_of(value, out),
                    Found::Number(n) => write!(out, "{n}").expect("a String takes any text"),
                },
            }
        }
    }
}

impl JsonTemplate {
    /// The value.
    #[must_use]
    pub fn value(&self, scope: &Scope<'_>) -> Value {
        match self {
            JsonTemplate::Constant(value) => value.clone(),
            JsonTemplate::Text(template) => {
                let mut text = String::new();
                template.render(scope, &mut text);
                Value::String(text)
            }
            JsonTemplate::Value(reference) => match scope.find(reference) {
                Found::Json(value) => value.clone(),
                Found::Number(n) => n.into(),
            },
            JsonTemplate::Array(items) => items.iter().map(|item| item.value(scope)).collect(),
            JsonTemplate::Object(fields) => fields
                .iter()
                .map(|(name, item)| (name.clone(), item.value(scope)))
                .collect(),
        }
    }

    /// Appends the JSON text, compact.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        match self {
            JsonTemplate::Constant(value) => json(value, out),
            JsonTemplate::Text(template) => {
                out.push(b'"');
                for part in &template.parts {
                    match part {
                        Part::Literal(text) => escape(text, out),
                        Part::Value(reference) => match scope.find(reference) {
                            Found::Json(Value::Null) => {}
                            Found::Json(Value::String(text)) => escape(text, out),
                            // The quotes inside an object's text are escaped on the way.
                            Found::Json(other) => json(other, &mut Escaping(out)),
                            Found::Number(n) => json(&n, out),
                        },
                    }
                }
                out.push(b'"');
            }
            JsonTemplate::Value(reference) => match scope.find(reference) {
                Found::Json(value) => json(value, out),
                Found::Number(n) => json(&n, out),
            },
            JsonTemplate::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.render(scope, out);
                }
                out.push(b']');
            }
            JsonTemplate::Object(fields) => {
                out.push(b'{');
                for (i, (name, item)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    json(name, out);
                    out.push(b':');
                    item.render(scope, out);
                }
                out.push(b'}');
            }
        }
    }
}

fn json<T: serde::Serialize + ?Sized>(value: &T, out: &mut (impl io::Write + ?Sized)) {
    serde_json::to_writer(out, value)
        .expect("JSON values with text keys are JSON, and memory takes all");
}

/// Appends a text as the inside of a JSON string.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (i, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..i]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            const HEX: [u8; 16] = *b"0123456789abcdef";
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'0', b'0', high, low]);
        }
        plain = i + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// A writer whose JSON ends up inside a JSON string: compact JSON holds no control characters, so two bytes matter.
struct Escaping<'a>(&'a mut Vec<u8>);

impl io::Write for Escaping<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(*byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn slot(i: usize) -> Reference {
        Reference::Slot(i, Vec::new())
    }

    #[test]
    fn values_are_shown_as_people_expect() {
        let slots = [
            json!("bare"),
            json!(1.5),
            json!(null),
            json!({"a": [10, {"b": "deep"}]}),
            json!(true),
        ];
        let scope = Scope {
            slots: &slots,
            vu: 7,
            iteration: 2,
            scenario_iteration: 40,
        };
        let path = |names: &[&str]| {
            Reference::Slot(3, names.iter().map(|name| (*name).to_owned()).collect())
        };
        let table = [
            (slot(0), "bare", "\"bare\""),
            (slot(1), "1.5", "1.5"),
            (slot(2), "", "null"),
            (slot(4), "true", "true"),
            (slot(9), "", "null"),
            (
                path(&[]),
                "{\"a\":[10,{\"b\":\"deep\"}]}",
                "{\"a\":[10,{\"b\":\"deep\"}]}",
            ),
            (path(&["a", "0"]), "10", "10"),
            (path(&["a", "1", "b"]), "deep", "\"deep\""),
            (path(&["a", "b"]), "", "null"),
            (Reference::Vu, "7", "7"),
            (Reference::Iteration, "2", "2"),
            (Reference::ScenarioIteration, "40", "40"),
        ];
        for (reference, text, json) in table {
            let mut out = String::new();
            let template = Template {
                parts: vec![Part::Value(reference.clone())],
            };
            template.render(&scope, &mut out);
            assert_eq!(out, text);
            let mut out = Vec::new();
            JsonTemplate::Value(reference).render(&scope, &mut out);
            assert_eq!(out, json.as_bytes());
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever the values are, what is sent is JSON, and it is the JSON of `value`.
        #[test]
        fn law_rendered_json_reads_back_as_the_value(a in any_json(), text in any::<String>()) {
            let slots = [a];
            let scope = Scope { slots: &slots, vu: 1, iteration: 2, scenario_iteration: 3 };
            let document = JsonTemplate::Object(vec![
                ("x\"y".to_owned(), JsonTemplate::Value(slot(0))),
                ("t".to_owned(), JsonTemplate::Text(Template { parts: vec![
                    Part::Literal(text), Part::Value(slot(0)), Part::Value(Reference::Vu),
                ]})),
                ("l".to_owned(), JsonTemplate::Array(vec![JsonTemplate::Constant(json!(1)), JsonTemplate::Value(slot(0))])),
            ]);
            let mut out = Vec::new();
            document.render(&scope, &mut out);
            let back: Value = serde_json::from_slice(&out).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(back, document.value(&scope));
        }
    }
}
