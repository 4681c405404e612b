//! What part of the load each agent takes: what was asked for, held against the agents that are there. Pure.

use plan::Stripe;
use plan::stripe::StripeError;
use proto::v1::{StartHead, weights::How};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weights {
    /// All alike.
    #[default]
    Equal,
    /// By what each says it can do: its worker threads, but no more than its cores.
    Auto,
    /// In the order of seats, which is that of names.
    Listed(Vec<u32>),
    /// By name.
    Named(BTreeMap<String, u32>),
}

/// An agent, as weights see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Able<'a> {
    /// Its name.
    pub name: &'a str,
    /// Threads that make load.
    pub workers: u32,
    /// Cores it may use.
    pub cores: u32,
}

impl Weights {
    /// Reads what the command line asks for, and refuses what cannot fit any fleet.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub fn read(head: &StartHead) -> Result<Self, String> {
        let how = head
            .weights
            .as_ref()
            .and_then(|weights| weights.how.clone());
        let weights = match how {
            None => return Ok(Self::Equal),
            Some(How::Auto(_)) => return Ok(Self::Auto),
            Some(How::Listed(listed)) => Self::Listed(listed.weights),
            Some(How::Named(named)) => Self::Named(named.weights.into_iter().collect()),
        };
        let (numbers, count) = match &weights {
            Self::Listed(list) => (list.clone(), list.len()),
            Self::Named(names) => (names.values().copied().collect(), names.len()),
            Self::Equal | Self::Auto => (vec![1], 1),
        };
        Stripe::try_new(numbers).map_err(|error| format!("weights: {error}"))?;
        let expect = head.expect_agents as usize;
        if expect > 0 && expect != count {
            return Err(format!(
                "weights are given for {count}, and {expect} agents are expected; give every agent a weight"
            ));
        }
        if head.min_agents > 0 && (head.min_agents as usize) < count {
            return Err(format!(
                "weights are given for {count} agents, and {} would do; with --min-agents nobody knows whose weights would be left: \
                 leave one of them out, or take `--weights auto`",
                head.min_agents
            ));
        }
        Ok(weights)
    }

    /// True if an agent of this name may take part.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        match self {
            Self::Named(named) => named.contains_key(name),
            Self::Equal | Self::Auto | Self::Listed(_) => true,
        }
    }

    /// The weight of an agent that comes while load is made: by the same rule as the others'; where weights were listed for seats, that
    /// of the seat that went last, which it replaces. `gone` are the weights of those that went, the newest last.
    #[must_use]
    pub fn of_newcomer(&self, agent: &Able<'_>, gone: &[u32]) -> u32 {
        match self {
            Self::Equal => 1,
            Self::Auto => agent.workers.min(agent.cores).max(1),
            Self::Listed(list) => gone.last().or(list.first()).copied().unwrap_or(1),
            Self::Named(named) => named.get(agent.name).copied().unwrap_or(1),
        }
    }

    /// The weights of these agents, seat by seat.
    ///
    /// # Errors
    /// Why what was asked for does not fit them.
    pub fn of(&self, agents: &[Able<'_>]) -> Result<Vec<u32>, String> {
        let there = || names(agents.iter().map(|agent| agent.name));
        match self {
            Self::Equal => Ok(vec![1; agents.len()]),
            Self::Auto => Ok(rounded(
                agents
                    .iter()
                    .map(|agent| agent.workers.min(agent.cores).max(1))
                    .collect(),
            )),
            Self::Listed(list) if list.len() == agents.len() => Ok(list.clone()),
            Self::Listed(list) => Err(format!(
                "--weights lists {}, and there are {} agents: {}. Say with --expect-agents how many to wait for, or take \
                 `--weights auto`.",
                list.len(),
                agents.len(),
                there(),
            )),
            Self::Named(named) => {
                let unknown: Vec<&str> = named
                    .keys()
                    .map(String::as_str)
                    .filter(|name| agents.iter().all(|agent| agent.name != *name))
                    .collect();
                if !unknown.is_empty() {
                    return Err(format!(
                        "--weights names {}, which {} not among the agents: {}",
                        names(unknown.iter().copied()),
                        if unknown.len() == 1 { "is" } else { "are" },
                        there(),
                    ));
                }
                let weights: Option<Vec<u32>> = agents
                    .iter()
                    .map(|agent| named.get(agent.name).copied())
                    .collect();
                weights.ok_or_else(|| {
                    let without = agents
                        .iter()
                        .map(|agent| agent.name)
                        .filter(|name| !named.contains_key(*name));
                    format!(
                        "--weights names no weight for {}; 0 gives an agent nothing to do",
                        names(without)
                    )
                })
            }
        }
    }
}

/// Whole machines of any size: where the pattern would be too long, all are halved until it fits.
fn rounded(mut weights: Vec<u32>) -> Vec<u32> {
    while matches!(
        Stripe::try_new(weights.clone()),
        Err(StripeError::TooFine(_))
    ) && weights.iter().any(|weight| *weight > 1)
    {
        for weight in &mut weights {
            *weight = weight.div_ceil(2);
        }
    }
    weights
}

fn names<'a>(list: impl Iterator<Item = &'a str>) -> String {
    list.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{WeightList, WeightNames, Weights as Wire};

    const FLEET: [Able<'_>; 3] = [
        Able {
            name: "a",
            workers: 8,
            cores: 8,
        },
        Able {
            name: "b",
            workers: 4,
            cores: 2,
        },
        Able {
            name: "c",
            workers: 0,
            cores: 0,
        },
    ];

    fn named(pairs: &[(&str, u32)]) -> Weights {
        Weights::Named(
            pairs
                .iter()
                .map(|(name, w)| ((*name).to_owned(), *w))
                .collect(),
        )
    }

    #[test]
    fn weights_are_held_against_the_agents_that_are_there() {
        let table: [(Weights, Result<Vec<u32>, &str>); 8] = [
            (Weights::Equal, Ok(vec![1, 1, 1])),
            (Weights::Auto, Ok(vec![8, 2, 1])),
            (Weights::Listed(vec![3, 0, 1]), Ok(vec![3, 0, 1])),
            (
                Weights::Listed(vec![3, 1]),
                Err("lists 2, and there are 3 agents: a, b, c"),
            ),
            (named(&[("c", 1), ("a", 5), ("b", 2)]), Ok(vec![5, 2, 1])),
            (named(&[("a", 5), ("b", 2)]), Err("names no weight for c")),
            (
                named(&[("a", 5), ("b", 2), ("C", 1)]),
                Err("names C, which is not among the agents: a, b, c"),
            ),
            (
                named(&[("x", 5), ("y", 2)]),
                Err("names x, y, which are not"),
            ),
        ];
        for (weights, wanted) in table {
            match (weights.of(&FLEET), wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
                (found, wanted) => panic!("{weights:?}: {found:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn names_say_whom_they_are_for() {
        let weights = named(&[("b", 1), ("c", 0)]);
        assert_eq!(
            ["a", "b", "c"].map(|name| weights.wants(name)),
            [false, true, true]
        );
        assert!(Weights::Auto.wants("a"));
    }

    #[test]
    fn machines_of_any_size_can_be_striped() {
        let huge = |workers| Able {
            name: "h",
            workers,
            cores: u32::MAX,
        };
        for sizes in [[1, 9_999, 77], [u32::MAX, 3, 1], [64, 48, 96]] {
            let weights = Weights::Auto.of(&sizes.map(huge)).unwrap_or_default();
            assert!(Stripe::try_new(weights.clone()).is_ok(), "{weights:?}");
        }
    }

    #[test]
    fn what_fits_no_fleet_is_refused_at_once() {
        let head = |how, expect_agents, min_agents| StartHead {
            weights: Some(Wire { how: Some(how) }),
            expect_agents,
            min_agents,
            ..StartHead::default()
        };
        let listed = |list: &[u32]| {
            How::Listed(WeightList {
                weights: list.to_vec(),
            })
        };
        assert_eq!(Weights::read(&StartHead::default()), Ok(Weights::Equal));
        assert_eq!(
            Weights::read(&head(How::Auto(true), 3, 1)),
            Ok(Weights::Auto)
        );
        assert_eq!(
            Weights::read(&head(listed(&[2, 1]), 2, 0)),
            Ok(Weights::Listed(vec![2, 1]))
        );
        let one = WeightNames {
            weights: [("a".to_owned(), 2)].into(),
        };
        assert_eq!(
            Weights::read(&head(How::Named(one), 0, 0)),
            Ok(named(&[("a", 2)]))
        );
        let refused = [
            (listed(&[0, 0]), 0, 0, "above zero"),
            (listed(&[]), 0, 0, "above zero"),
            (listed(&[9_999, 2]), 0, 0, "rounder"),
            (listed(&[1, 2]), 3, 0, "3 agents are expected"),
            (listed(&[1, 2]), 2, 1, "leave one of them out"),
        ];
        for (how, expect, min, wanted) in refused {
            let found = Weights::read(&head(how, expect, min))
                .err()
                .unwrap_or_default();
            assert!(found.contains(wanted), "{found}");
        }
    }
}
