//! k6's grammar of thresholds, read with errors that say what is allowed. Knows nothing of data.

use super::{Aggregation, Operator};
use crate::{Kind, Metric, Tags};
use thiserror::Error;

/// Why a threshold cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ThresholdError {
    /// No such metric.
    #[error("no metric is called `{name}`{}", near.map(|metric| format!("; did you mean `{metric}`?")).unwrap_or_else(|| format!("; there are {}", names())))]
    UnknownMetric {
        /// As written.
        name: String,
        /// The nearest one, if any is near.
        near: Option<Metric>,
    },
    /// The part in braces is not a list of tags.
    #[error("`{key}`: {problem}; a filter is written `metric{{tag:value,tag2:value2}}`")]
    Filter {
        /// As written.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// k6 keeps these out of metrics, too.
    #[error("`{tag}` is not a tag that series are kept by, so a threshold cannot select it")]
    NotATag {
        /// `vu` or `iter`.
        tag: String,
    },
    /// Not `aggregation operator number`.
    #[error("`{expression}`: {problem}; a threshold is written like `{example}`")]
    Expression {
        /// As written.
        expression: String,
        /// What is wrong with it.
        problem: String,
        /// A right one for this metric.
        example: &'static str,
    },
    /// An aggregation of another kind of metric.
    #[error("`{metric}` is a {kind}: it has {}, not `{found}`", Aggregation::allowed(*kind))]
    Aggregation {
        /// What is measured.
        metric: Metric,
        /// Its kind.
        kind: Kind,
        /// As written.
        found: String,
    },
}

fn names() -> String {
    let names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    names.join(", ")
}

/// `metric` or `metric{tag:value,…}`. Names and values may be quoted; a quoted value may hold commas.
pub(super) fn key(key: &str) -> Result<(Metric, Tags), ThresholdError> {
    let (name, filter) = match key.split_once('{') {
        None => (key, None),
        Some((name, rest)) => (name, Some(rest)),
    };
    let name = name.trim();
    let metric = Metric::from_name(name).ok_or_else(|| ThresholdError::UnknownMetric {
        name: name.to_owned(),
        near: nearest(name),
    })?;
    let mut tags = Tags::default();
    if let Some(filter) = filter {
        let wrong = |problem| ThresholdError::Filter {
            key: key.to_owned(),
            problem,
        };
        let inside = filter
            .trim_end()
            .strip_suffix('}')
            .ok_or_else(|| wrong("the brace is not closed at the end"))?;
        for pair in split(inside, ',') {
            let (tag, value) = split_once(pair, ':')
                .ok_or_else(|| wrong("a tag and its value are separated by a colon"))?;
            let (tag, value) = (unquote(tag), unquote(value));
            if tag.is_empty() {
                return Err(wrong("a tag has no name"));
            }
            if tag == "vu" || tag == "iter" {
                return Err(ThresholdError::NotATag {
                    tag: tag.to_owned(),
                });
            }
            if tags.0.insert(tag.to_owned(), value.to_owned()).is_some() {
                return Err(wrong("a tag is named twice"));
            }
        }
    }
    Ok((metric, tags))
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quote = None;
    text.split(move |c| {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        c == separator && quote.is_none()
    })
}

fn split_once(text: &str, separator: char) -> Option<(&str, &str)> {
    let head = split(text, separator).next()?;
    Some((head, text.get(head.len() + separator.len_utf8()..)?))
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    ['"', '\'']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

/// The metric of the nearest name, if it is as near as a slip of the hand.
fn nearest(name: &str) -> Option<Metric> {
    // Longer names are nobody's slip; this bounds the work.
    let name: String = name.chars().take(64).collect();
    let (distance, metric) = Metric::ALL
        .iter()
        .map(|&metric| (strsim::damerau_levenshtein(&name, metric.name()), metric))
        .min_by_key(|&(distance, _)| distance)?;
    (distance <= 1 + metric.name().len() / 5).then_some(metric)
}

/// `aggregation operator number`.
pub(super) fn expression(
    metric: Metric,
    text: &str,
) -> Result<(Aggregation, Operator, f64), ThresholdError> {
    let wrong = |problem: String| ThresholdError::Expression {
        expression: text.to_owned(),
        problem,
        example: example(metric.kind()),
    };
    let place = text
        .find(['<', '>', '=', '!'])
        .ok_or_else(|| wrong("there is no comparison (<, <=, >, >=, ==, !=)".to_owned()))?;
    let (left, rest) = text.split_at(place);
    let left = left.trim();
    let aggregation = aggregation(left).ok_or_else(|| {
        wrong(format!(
            "`{left}` is not an aggregation; a {} has {}",
            metric.kind(),
            Aggregation::allowed(metric.kind())
        ))
    })?;
    if !aggregation.suits(metric.kind()) {
        return Err(ThresholdError::Aggregation {
            metric,
            kind: metric.kind(),
            found: left.to_owned(),
        });
    }
    let end = rest
        .find(|c| !matches!(c, '<' | '>' | '=' | '!'))
        .unwrap_or(rest.len());
    let (sign, number) = rest.split_at(end);
    let operator = match sign {
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "==" | "===" => Operator::Equal,
        "!=" => Operator::NotEqual,
        _ => {
            return Err(wrong(format!(
                "`{sign}` is not a comparison (<, <=, >, >=, ==, !=)"
            )));
        }
    };
    let number = number.trim();
    // Rust also reads `inf` and `nan`, which no grammar of k6's has.
    let value = number
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite() && !number.contains(['n', 'N', 'i', 'I']))
        .ok_or_else(|| {
            wrong(if number.is_empty() {
                format!("there is nothing after `{sign}`")
            } else {
                format!("`{number}` is not a number{}", unit_hint(metric, number))
            })
        })?;
    Ok((aggregation, operator, value))
}

fn unit_hint(metric: Metric, number: &str) -> &'static str {
    let unit = number.ends_with('s') || number.ends_with('m');
    match metric.kind() {
        Kind::Trend if unit => " (times are in milliseconds, without a unit)",
        Kind::Rate if number.ends_with('%') => " (rates are from 0 to 1)",
        _ => "",
    }
}

fn aggregation(text: &str) -> Option<Aggregation> {
    Some(match text {
        "count" => Aggregation::Count,
        "rate" => Aggregation::Rate,
        "value" => Aggregation::Value,
        "avg" => Aggregation::Avg,
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "med" => Aggregation::Med,
        _ => {
            let percent = text.strip_prefix("p(")?.strip_suffix(')')?.trim();
            let percent = percent.parse().ok()?;
            if !(0.0..=100.0).contains(&percent) {
                return None;
            }
            Aggregation::Percentile(percent)
        }
    })
}

const fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "count>100",
        Kind::Gauge => "value<50",
        Kind::Rate => "rate<0.01",
        Kind::Trend => "p(95)<500",
    }
}
