//! `${NAME}` and `${NAME:-default}` in any value; `$${` is a literal `${`.

use std::collections::BTreeMap;

/// Why a text could not be expanded; the first field is the piece to point at.
pub(super) enum Trouble {
    /// The variable is unset and has no default.
    Unset(String, String),
    /// Not of the form.
    Malformed(String),
}

/// True for `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A piece of a text.
enum Piece<'a> {
    Literal(&'a str),
    Variable {
        written: &'a str,
        name: &'a str,
        default: Option<&'a str>,
    },
    Malformed(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Literal(&rest[..at - 1]));
            pieces.push(Piece::Literal("${"));
            rest = &rest[at + 2..];
            continue;
        }
        pieces.push(Piece::Literal(&rest[..at]));
        let Some(end) = rest[at..].find('}') else {
            pieces.push(Piece::Malformed(&rest[at..]));
            return pieces;
        };
        let written = &rest[at..=at + end];
        let inner = &written[2..written.len() - 1];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        pieces.push(if valid_name(name) {
            Piece::Variable {
                written,
                name,
                default,
            }
        } else {
            Piece::Malformed(written)
        });
        rest = &rest[at + end + 1..];
    }
    pieces.push(Piece::Literal(rest));
    pieces
}

/// The variables a text names.
pub(crate) fn names(text: &str) -> Vec<String> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Variable { name, .. } => Some(name.to_owned()),
            Piece::Literal(_) | Piece::Malformed(_) => None,
        })
        .collect()
}

/// The text with its variables in place. An empty variable counts as unset where there is a default, as in a shell.
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> Result<String, Trouble> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Malformed(written) => return Err(Trouble::Malformed(written.to_owned())),
            Piece::Variable {
                written,
                name,
                default,
            } => match (env.get(name), default) {
                (Some(value), None) => out.push_str(value),
                (Some(value), Some(_)) if !value.is_empty() => out.push_str(value),
                (_, Some(default)) => out.push_str(default),
                (None, None) => return Err(Trouble::Unset(written.to_owned(), name.to_owned())),
            },
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_a_shell_does() {
        let env = BTreeMap::from([
            ("A".to_owned(), "1".to_owned()),
            ("E".to_owned(), String::new()),
        ]);
        let table = [
            ("${A}", Some("1")),
            ("x${A}y${A}", Some("x1y1")),
            ("${B:-2}", Some("2")),
            ("${A:-2}", Some("1")),
            ("${E:-2}", Some("2")),
            ("${E}", Some("")),
            ("${B:-}", Some("")),
            ("$${A}", Some("${A}")),
            ("$A $$ $", Some("$A $$ $")),
            ("${B}", None),
            ("${A", None),
            ("${}", None),
            ("${a b}", None),
        ];
        for (text, expected) in table {
            assert_eq!(expand(text, &env).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_those_it_would_look_up() {
        assert_eq!(names("${A} ${B:-${} $${C} ${D"), ["A", "B"]);
    }
}
