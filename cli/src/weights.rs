//! `--weights`: what part of the load each agent takes. Whether the weights fit the agents, the controller says when they are there.

use crate::error::Error;
use std::collections::BTreeMap;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weights {
    /// `auto`: by what each agent says it can do.
    Auto,
    /// `2,1,1`: in the agents' order.
    Listed(Vec<u32>),
    /// `eu-1=2,eu-2=1`: by their names.
    Named(BTreeMap<String, u32>),
}

const HINT: &str =
    "write e.g. `2,1,1` in the agents' order, `eu-1=2,eu-2=1` by their names, or `auto`";

/// Reads `auto`, a list or names.
///
/// # Errors
/// `Flags` for anything else.
pub(crate) fn parse(text: &str) -> Result<Weights, Error> {
    let wrong = |what: String| Error::flags(format!("--weights {text}: {what}"), HINT);
    let text = text.trim();
    if text == "auto" {
        return Ok(Weights::Auto);
    }
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<u32>()
            .map_err(|_| wrong(format!("`{text}` is not a whole number")))
    };
    if !text.contains('=') {
        let list: Result<Vec<u32>, Error> = text.split(',').map(number).collect();
        return list.map(Weights::Listed);
    }
    let mut named = BTreeMap::new();
    for pair in text.split(',') {
        let Some((name, weight)) = pair
            .split_once('=')
            .filter(|(name, _)| !name.trim().is_empty())
        else {
            return Err(wrong(format!("`{pair}` names no agent, and others do")));
        };
        if named
            .insert(name.trim().to_owned(), number(weight)?)
            .is_some()
        {
            return Err(wrong(format!("`{}` is there twice", name.trim())));
        }
    }
    Ok(Weights::Named(named))
}

impl Weights {
    /// How many agents they are for, where that is said.
    pub(crate) fn agents(&self) -> Option<u32> {
        let agents = match self {
            Self::Auto => return None,
            Self::Listed(list) => list.len(),
            Self::Named(named) => named.len(),
        };
        u32::try_from(agents).ok()
    }

    /// As it is asked of a controller.
    pub(crate) fn wanted(self) -> proto::v1::Weights {
        use proto::v1::weights::How;
        let how = match self {
            Self::Auto => How::Auto(true),
            Self::Listed(weights) => How::Listed(proto::v1::WeightList { weights }),
            Self::Named(named) => How::Named(proto::v1::WeightNames {
                weights: named.into_iter().collect(),
            }),
        };
        proto::v1::Weights { how: Some(how) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ways_to_write_them() {
        let named = |pairs: &[(&str, u32)]| {
            Weights::Named(
                pairs
                    .iter()
                    .map(|(name, w)| ((*name).to_owned(), *w))
                    .collect(),
            )
        };
        let table = [
            ("auto", Some(Weights::Auto)),
            ("2, 1,0", Some(Weights::Listed(vec![2, 1, 0]))),
            ("7", Some(Weights::Listed(vec![7]))),
            ("a=2,b-1=1", Some(named(&[("a", 2), ("b-1", 1)]))),
            ("", None),
            ("2,,1", None),
            ("-1,2", None),
            ("a=2,1", None),
            ("a=2,a=1", None),
            ("=2", None),
            ("a=x", None),
            ("1.5", None),
        ];
        for (text, wanted) in table {
            assert_eq!(parse(text).ok(), wanted, "{text}");
        }
    }
}
