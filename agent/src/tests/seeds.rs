//! The same seed gives the same choices to each VU's iteration and each arrival, whatever the number of agents.

use super::fleet::{Act, play};
use super::rig::{MS, Play, Town};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CLOSED: &str = "
scenarios: { main: { executor: per-vu-iterations, vus: 12, iterations: 5 } }
data: { users: { range: [1, 1000000] } }
flows:
  default:
    - let: { a: { random: users }, b: { random: users } }
    - sleep: [0s, 300ms]
    - let: { c: { random: users } }
    - get: http://10.0.0.1/{{ vu }}/{{ iteration }}/{{ a }}/{{ b }}/{{ c }}
";
const LOOPING: &str = "
scenarios: { main: { executor: constant-vus, vus: 12, duration: 3s } }
data: { users: { range: [1, 1000000] } }
flows:
  default:
    - let: { a: { random: users }, b: { random: users } }
    - sleep: [0s, 300ms]
    - let: { c: { random: users } }
    - get: http://10.0.0.1/{{ vu }}/{{ iteration }}/{{ a }}/{{ b }}/{{ c }}
";
const OPEN: &str = "
scenarios: { main: { executor: constant-arrival-rate, rate: 30, timeUnit: 1200ms, duration: 2400ms, preAllocatedVUs: 30 } }
data: { users: { range: [1, 1000000] } }
flows:
  default:
    - let: { a: { random: users } }
    - sleep: [0s, 300ms]
    - let: { b: { random: users } }
    - get: http://10.0.0.1/{{ scenario_iteration }}/{{ a }}/{{ b }}
";

fn chosen(source: &str, agents: u32, workers: usize, seed: u64) -> Vec<String> {
    let town = Town::slow(MS);
    let play = Play::of(source, &town).fleet(agents, workers);
    Play { seed, ..play }.run();
    let mut paths: Vec<_> = town.hits().into_iter().map(|hit| hit.path).collect();
    paths.sort();
    paths
}

#[test]
fn choices_and_think_times_do_not_depend_on_the_number_of_agents() {
    for source in [CLOSED, OPEN] {
        let alone = chosen(source, 1, 1, 7);
        assert_eq!(alone.len(), 60);
        for (agents, workers) in [(1, 4), (2, 1), (3, 2), (7, 1)] {
            assert_eq!(chosen(source, agents, workers, 7), alone);
        }
        assert_ne!(
            chosen(source, 1, 1, 8),
            alone,
            "another seed, other choices"
        );
    }
}

#[test]
fn iterations_choose_differently_from_one_another() {
    for source in [CLOSED, OPEN] {
        let mut drawn: Vec<String> = chosen(source, 1, 1, 7)
            .iter()
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .collect();
        drawn.sort();
        drawn.dedup();
        assert!(
            drawn.len() >= 59,
            "of 60 draws from a million two at most are alike"
        );
    }
}

/// What was chosen by each (VU, iteration) or arrival while a fleet changed.
fn chosen_meanwhile(source: &str, acts: &[(Duration, Act)]) -> BTreeSet<String> {
    let town = Town::slow(MS);
    play(&Play::of(source, &town).fleet(3, 2), acts);
    town.hits().into_iter().map(|hit| hit.path).collect()
}

#[test]
fn choices_do_not_depend_on_who_goes_and_who_comes() {
    let acts = [
        (300 * MS, Act::Lose(2, 200 * MS)),
        (600 * MS, Act::Join(2)),
        (1400 * MS, Act::Drain(0)),
    ];
    for source in [LOOPING, OPEN] {
        let calm = chosen_meanwhile(source, &[]);
        let meanwhile = chosen_meanwhile(source, &acts);
        // Not everything that is begun in one is begun in the other; but what is, chooses alike.
        let key = |path: &str| {
            path.split('/')
                .take(source_key(source))
                .collect::<Vec<_>>()
                .join("/")
        };
        let known: BTreeMap<String, &String> = calm.iter().map(|path| (key(path), path)).collect();
        let both: Vec<&String> = meanwhile
            .iter()
            .filter(|path| known.contains_key(&key(path)))
            .collect();
        assert!(both.len() > 40, "{} in both", both.len());
        for path in both {
            assert_eq!(known[&key(path)], path);
        }
    }
}

/// Up to which part a path says who chose.
fn source_key(source: &str) -> usize {
    // "", the VU and its iteration; or "" and the arrival.
    if source == LOOPING { 3 } else { 2 }
}
