//! Data sets: rows that flows draw from.

use crate::diagnostics::Place;
use crate::draft::{Kind, Node, Reader};
use crate::template::JsonTemplate;
use crate::{DataId, Step};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows for VUs.
#[derive(Debug, Clone, Serialize)]
pub struct DataSet {
    /// Its name in `data`.
    pub name: String,
    /// Its rows.
    pub rows: Rows,
    /// `recycle: true`: whoever is beyond the last row begins anew where each VU or iteration takes its own.
    pub recycle: bool,
}

/// How rows are held.
#[derive(Debug, Clone, Serialize)]
pub enum Rows {
    /// `{ range: [first, last] }`, both inclusive.
    Range(i64, i64),
    /// `{ list: […] }`, `{ csv: file }` (objects by header), `{ json: file }` (an array). Never empty.
    List(Vec<Value>),
    /// `{ setup: true }`: setup gives them. A compiled plan has none of them; an agent gets those it is to use.
    Given {
        /// How many there are in all.
        count: u64,
        /// Those at hand, by index.
        rows: BTreeMap<u64, Value>,
        /// The fields that rows have, if setup gives nothing but objects whose fields are written there.
        fields: Option<BTreeSet<String>>,
    },
}

impl Rows {
    /// How many there are; at least one, unless setup gives them.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            // A range over all of i64 has one more than u64 can say; it is refused when read.
            Rows::Range(first, last) => last.abs_diff(*first).saturating_add(1),
            Rows::List(rows) => rows.len() as u64,
            Rows::Given { count, .. } => *count,
        }
    }

    /// False for a row that setup gave to others: [`Rows::row`] has null in its place.
    #[must_use]
    pub fn at_hand(&self, i: u64) -> bool {
        match self {
            Rows::Range(..) | Rows::List(_) => true,
            Rows::Given { count, rows, .. } => rows.contains_key(&(i % (*count).max(1))),
        }
    }

    /// Row `i`, from 0; beyond the last one it begins anew.
    #[must_use]
    pub fn row(&self, i: u64) -> Value {
        let i = i % self.count().max(1);
        match self {
            Rows::Range(first, _) => first.wrapping_add_unsigned(i).into(),
            Rows::List(rows) => usize::try_from(i)
                .ok()
                .and_then(|i| rows.get(i))
                .cloned()
                .unwrap_or_default(),
            Rows::Given { rows, .. } => rows.get(&i).cloned().unwrap_or_default(),
        }
    }
}

/// Reads `data: { name: source }`. Every set is there under its name; one that is wrong has a single null row.
pub(crate) fn read(
    reader: Reader<'_>,
    node: &Node,
    files: &BTreeMap<String, Vec<u8>>,
) -> Vec<DataSet> {
    let Some(sets) = reader.fields(node, &node.place, "a map of data sets by name") else {
        return Vec::new();
    };
    sets.entries
        .iter()
        .map(|(key, node)| {
            let (rows, recycle) = read_rows(reader, &key.place, node, files);
            DataSet {
                name: key.text.clone(),
                rows: rows.unwrap_or_else(|| Rows::List(vec![Value::Null])),
                recycle,
            }
        })
        .collect()
}

/// The sets with what is known of the rows that these steps give.
pub(crate) fn learn(data: Vec<DataSet>, steps: &[Step]) -> Vec<DataSet> {
    fn collect<'s>(steps: &'s [Step], id: DataId, rows: &mut Vec<&'s JsonTemplate>) {
        for step in steps {
            match step {
                Step::Give(given) => {
                    rows.extend(given.iter().filter(|(to, _)| *to == id).map(|(_, row)| row));
                }
                Step::Each { steps, .. } | Step::Group { steps, .. } => collect(steps, id, rows),
                Step::Let(_) | Step::Request(_) | Step::Sleep { .. } | Step::Stop { .. } => {}
            }
        }
    }
    let learnt = |(id, mut set): (DataId, DataSet)| {
        if let Rows::Given { fields, .. } = &mut set.rows {
            let mut rows = Vec::new();
            collect(steps, id, &mut rows);
            *fields = rows.into_iter().map(fields_of).try_fold(
                BTreeSet::new(),
                |mut all: BTreeSet<String>, row| {
                    all.extend(row?);
                    Some(all)
                },
            );
        }
        set
    };
    data.into_iter().enumerate().map(learnt).collect()
}

/// The fields of an object that is written as one.
fn fields_of(row: &JsonTemplate) -> Option<Vec<String>> {
    match row {
        JsonTemplate::Object(fields) => Some(fields.iter().map(|(name, _)| name.clone()).collect()),
        JsonTemplate::Constant(Value::Object(fields)) => Some(fields.keys().cloned().collect()),
        JsonTemplate::Constant(_)
        | JsonTemplate::Text(_)
        | JsonTemplate::Value(_)
        | JsonTemplate::Array(_) => None,
    }
}

/// The files that data sets name, for whoever is to read them.
pub(crate) fn files(reader: Reader<'_>, node: &Node) -> Vec<String> {
    let Kind::Map(sets) = &node.kind else {
        return Vec::new();
    };
    sets.iter()
        .flat_map(|(_, set)| ["csv", "json"].map(|kind| set.get(kind)))
        .flatten()
        .filter_map(|node| reader.text(node, "the name of a file"))
        .collect()
}

fn read_rows(
    reader: Reader<'_>,
    owner: &Place,
    node: &Node,
    files: &BTreeMap<String, Vec<u8>>,
) -> (Option<Rows>, bool) {
    let Some(mut fields) = reader.fields(node, owner, "a data set") else {
        return (None, false);
    };
    let recycle = fields.bool("recycle").unwrap_or(false);
    let sources = ["range", "list", "csv", "json", "setup"].map(|kind| (kind, fields.get(kind)));
    fields.finish(&[]);
    (read_source(reader, owner, node, files, sources), recycle)
}

fn read_source(
    reader: Reader<'_>,
    owner: &Place,
    node: &Node,
    files: &BTreeMap<String, Vec<u8>>,
    sources: [(&'static str, Option<&Node>); 5],
) -> Option<Rows> {
    let mut given = sources
        .into_iter()
        .filter_map(|(kind, node)| node.map(|node| (kind, node)));
    let Some((kind, source)) = given.next() else {
        if fields_are_empty(node) {
            reader.error_help(
                owner,
                "a data set needs a source",
                "for example `{ range: [1, 1000] }`, `{ list: [a, b] }`, `{ csv: users.csv }`, `{ json: users.json }` or `{ setup: true }`",
            );
        }
        return None;
    };
    if let Some((second, node)) = given.next() {
        reader.error(
            &node.place,
            format!("a data set has one source, not both `{kind}` and `{second}`"),
        );
        return None;
    }
    match kind {
        "range" => read_range(reader, source),
        "list" => read_list(reader, source),
        "setup" => {
            if reader.bool(source)? {
                return Some(Rows::Given {
                    count: 0,
                    rows: BTreeMap::new(),
                    fields: None,
                });
            }
            reader.error_help(
                &source.place,
                "`setup: false` is no source of rows",
                "`setup: true` says that setup gives them",
            );
            None
        }
        "csv" => read_file(reader, source, files).and_then(|(name, bytes)| {
            let rows = read_csv(reader, &name, bytes)?;
            not_empty(reader, &source.place, &name, rows)
        }),
        _ => read_file(reader, source, files).and_then(|(name, bytes)| {
            let rows = read_json(reader, &name, bytes)?;
            not_empty(reader, &source.place, &name, rows)
        }),
    }
}

fn fields_are_empty(node: &Node) -> bool {
    matches!(&node.kind, Kind::Map(entries) if entries.iter().all(|(key, _)| key.text == "recycle"))
}

fn not_empty(reader: Reader<'_>, place: &Place, name: &str, rows: Vec<Value>) -> Option<Rows> {
    if rows.is_empty() {
        reader.error(place, format!("{name} has no rows"));
        return None;
    }
    Some(Rows::List(rows))
}

fn read_range(reader: Reader<'_>, node: &Node) -> Option<Rows> {
    const EXPECTED: &str = "two whole numbers, `[first, last]`";
    let items = reader.list(node, EXPECTED)?;
    let [first, last] = items else {
        reader.error(
            &node.place,
            format!("expected {EXPECTED}, found {} items", items.len()),
        );
        return None;
    };
    let number = |node: &Node| {
        let text = reader.text(node, "a whole number")?;
        let number = text.trim().parse::<i64>().ok();
        if number.is_none() {
            reader.unexpected(node, "a whole number");
        }
        number
    };
    let (first, last) = (number(first), number(last));
    let (first, last) = (first?, last?);
    if first > last {
        reader.error_help(
            &node.place,
            format!("the range from {first} to {last} is empty"),
            format!("write `[{last}, {first}]`"),
        );
        return None;
    }
    if last.abs_diff(first) == u64::MAX {
        reader.error(&node.place, "the range has more rows than can be counted");
        return None;
    }
    Some(Rows::Range(first, last))
}

fn read_list(reader: Reader<'_>, node: &Node) -> Option<Rows> {
    let items = reader.list(node, "a list of rows")?;
    if items.is_empty() {
        reader.error(&node.place, "the list has no rows");
        return None;
    }
    let rows = items.iter().map(|item| constant(reader, item));
    rows.collect::<Option<Vec<_>>>().map(Rows::List)
}

/// A value as JSON; variables are expanded, templates have no meaning here.
fn constant(reader: Reader<'_>, node: &Node) -> Option<Value> {
    match &node.kind {
        Kind::Null => Some(Value::Null),
        Kind::Bool(value) => Some((*value).into()),
        Kind::Number(_, number) => Some(Value::Number(number.clone())),
        Kind::Text(text) => reader.expand(text, &node.place).map(Value::String),
        Kind::List(items) => items.iter().map(|item| constant(reader, item)).collect(),
        Kind::Map(_) if node.is_unquoted_template() => {
            reader.unexpected(node, "a row");
            None
        }
        Kind::Map(entries) => entries
            .iter()
            .map(|(key, item)| Some((key.text.clone(), constant(reader, item)?)))
            .collect(),
    }
}

fn read_file<'f>(
    reader: Reader<'_>,
    node: &Node,
    files: &'f BTreeMap<String, Vec<u8>>,
) -> Option<(String, &'f [u8])> {
    let name = reader.text(node, "the name of a file")?;
    match files.get(&name) {
        Some(bytes) => Some((name, bytes)),
        None => {
            reader.error_help(
                &node.place,
                format!("the file {name} is not in the bundle"),
                "its name is relative to the scenario file",
            );
            None
        }
    }
}

/// Rows as objects by the header's names; all values are texts.
fn read_csv(reader: Reader<'_>, name: &str, bytes: &[u8]) -> Option<Vec<Value>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut csv = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let wrong = |error: &csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        let what = match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("this row has {len} fields, the header has {expected_len}"),
            csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
            _ => error.to_string(),
        };
        reader.error(&Place::File(name.to_owned(), line), what);
    };
    let header = match csv.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            wrong(&error);
            return None;
        }
    };
    for (i, column) in header.iter().enumerate() {
        if column.is_empty() || header.iter().take(i).any(|other| other == column) {
            let what = if column.is_empty() {
                format!("column {} of the header has no name", i + 1)
            } else {
                format!("the header names `{column}` twice")
            };
            reader.error(&Place::File(name.to_owned(), 1), what);
            return None;
        }
    }
    let mut rows = Vec::new();
    for record in csv.records() {
        match record {
            Err(error) => {
                wrong(&error);
                return None;
            }
            Ok(record) => rows.push(
                header
                    .iter()
                    .zip(record.iter())
                    .map(|(column, field)| (column.to_owned(), Value::from(field)))
                    .collect(),
            ),
        }
    }
    Some(rows)
}

fn read_json(reader: Reader<'_>, name: &str, bytes: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Array(rows)) => Some(rows),
        Ok(_) => {
            reader.error(
                &Place::File(name.to_owned(), 0),
                "expected a JSON array of rows",
            );
            None
        }
        Err(error) => {
            let place = Place::File(name.to_owned(), error.line() as u64);
            reader.error(&place, format!("not readable as JSON: {error}"));
            None
        }
    }
}
