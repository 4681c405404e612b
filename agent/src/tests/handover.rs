//! Shares that change while crews work: every arrival once and never early, every VU in one place, between iterations only.

use super::fleet::{Act, Chance, Story, play};
use super::rig::{Answer, MS, Play, SECOND, Town, books_balance, totals};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}

fn at(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

const RATES: [&str; 2] = [
    "executor: constant-arrival-rate, rate: 70, duration: 9s, preAllocatedVUs: 60",
    "executor: ramping-arrival-rate, startRate: 20, preAllocatedVUs: 80, stages: [{ duration: 4s, target: 120 }, { duration: 5s, target: 30 }]",
];

fn open(executor: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ {executor} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
"
    )
}

/// What was not begun, by index, with when it was due; after a look at what was.
fn missing(story: &Story, town: &Town, seed: u64) -> BTreeMap<u64, Duration> {
    let scenario = &story.plan.scenarios[0];
    let curve = scenario.arrival_curve(seed).unwrap();
    let mut begun = BTreeSet::new();
    for hit in town.hits() {
        let index: u64 = hit.path[1..].parse().unwrap();
        assert!(begun.insert(index), "{index} began twice");
        let due = at(curve.due_at(index).unwrap());
        let late = hit.at.checked_sub(due);
        assert!(
            late.is_some_and(|late| late <= scenario.catch_up + 2 * MS),
            "{index}: due {due:?}, begun {:?}",
            hit.at
        );
    }
    let all = (0..curve.total()).map(|index| (index, at(curve.due_at(index).unwrap())));
    all.filter(|(index, _)| !begun.contains(index)).collect()
}

/// An arrival was lost if its owner was, when it was due or just before.
fn lost(story: &Story, max_vus: u64, index: u64, due: Duration) -> bool {
    let owner = story.shares.of_arrivals(max_vus).at(ns(due)).owner(index);
    let when = story.lost.iter().find(|(seat, _)| *seat == owner);
    when.is_some_and(|(_, when)| due + 2 * MS >= *when)
}

#[test]
fn arrivals_begin_once_whoever_goes_or_comes_and_only_those_of_the_lost_are_missing() {
    for seed in 0..16 {
        let mut chance = Chance::new(seed);
        let agents = 2 + u32::try_from(chance.below(2)).unwrap();
        let workers = 1 + usize::try_from(chance.below(3)).unwrap();
        let source = open(RATES[usize::try_from(seed).unwrap() % 2]);
        let acts = chance.acts(agents as usize);
        let town = Town::slow(30 * MS);
        let given = Play::of(source, &town).fleet(agents, workers);
        let story = play(&given, &acts);
        let told = format!("seed {seed}: {agents} agents, {workers} workers, {acts:?}");
        books_balance(&story.outcomes, &town);
        let max_vus = story.plan.scenarios[0].executor.max_vus();
        let missing = missing(&story, &town, given.seed);
        for (index, due) in &missing {
            assert!(
                lost(&story, max_vus, *index, *due),
                "{told}: {index}, due {due:?}"
            );
        }
        // What is missing was nobody's to begin, or was found too late and counted.
        let sum = totals(&story.outcomes);
        assert_eq!(sum.dropped, 0, "{told}");
        assert!(sum.expired <= missing.len() as u64, "{told}");
        if story.lost.is_empty() {
            assert!(missing.is_empty(), "{told}: {missing:?}");
        } else {
            assert!(!missing.is_empty(), "{told}: the gap shows");
        }
        // Everybody who stayed made load.
        let idle = story.outcomes.iter().enumerate().filter(|(seat, outcome)| {
            let lost = story.lost.iter().any(|(lost, _)| lost == seat);
            !lost && totals(std::slice::from_ref(*outcome)).begun == 0
        });
        assert_eq!(idle.count(), 0, "{told}");
    }
}

const LENGTH: Duration = Duration::from_millis(370);

fn closed(executor: &str) -> String {
    format!(
        "
scenarios: {{ main: {{ {executor} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ vu }}}}' }}] }}
"
    )
}

/// When each VU (from 0) was in an iteration, whoever ran it.
fn at_work(story: &Story, town: &Town) -> BTreeMap<u64, Vec<(Duration, Duration)>> {
    let mut vus: BTreeMap<u64, Vec<(Duration, Duration)>> = BTreeMap::new();
    for hit in town.hits() {
        let id: u64 = hit.path[1..].parse().unwrap();
        // Whoever was lost was cut.
        let owner = story.shares.at(ns(hit.at)).owner(id - 1);
        let cut = story
            .lost
            .iter()
            .filter(|(seat, when)| *seat == owner && hit.at <= *when);
        let end = cut
            .map(|(_, when)| *when)
            .fold(hit.at + LENGTH, Duration::min);
        vus.entry(id - 1).or_default().push((hit.at, end));
    }
    vus.values_mut().for_each(|times| times.sort());
    vus
}

#[test]
fn a_vu_is_in_one_place_and_moves_between_iterations_only() {
    for seed in 0..16 {
        let mut chance = Chance::new(seed);
        let agents = 2 + u32::try_from(chance.below(2)).unwrap();
        let workers = 1 + usize::try_from(chance.below(3)).unwrap();
        let executor = if seed % 2 == 0 {
            "executor: constant-vus, vus: 17, duration: 9s, gracefulStop: 2s"
        } else {
            "executor: ramping-vus, startVUs: 3, gracefulRampDown: 2s, gracefulStop: 2s, stages: [{ duration: 4s, target: 20 }, { duration: 1s, target: 20 }, { duration: 4s, target: 2 }]"
        };
        let acts = chance.acts(agents as usize);
        let town = Town::slow(LENGTH);
        let story = play(
            &Play::of(closed(executor), &town).fleet(agents, workers),
            &acts,
        );
        let told = format!("seed {seed}: {agents} agents, {workers} workers, {acts:?}");
        books_balance(&story.outcomes, &town);
        let scenario = &story.plan.scenarios[0];
        let curve = scenario.executor.vu_curve(scenario.graceful_stop).unwrap();
        let work = at_work(&story, &town);
        for (vu, times) in &work {
            for two in times.windows(2) {
                assert!(
                    two[0].1 <= two[1].0 + MS,
                    "{told}: VU {vu} is in two places: {two:?}"
                );
            }
            let spans = curve.spans(*vu);
            let within = |begin: u64| {
                spans
                    .iter()
                    .any(|span| span.start <= begin && begin < span.stop)
            };
            assert!(
                times.iter().all(|(begin, _)| within(ns(*begin))),
                "{told}: VU {vu}"
            );
        }
        // Never more than the graceful envelope.
        let edges: BTreeSet<Duration> = work.values().flatten().map(|(begin, _)| *begin).collect();
        for edge in edges {
            let active = work
                .values()
                .flatten()
                .filter(|(begin, end)| *begin <= edge && edge < *end);
            assert!(
                active.count() as u64 <= curve.held_at(ns(edge)),
                "{told}: at {edge:?}"
            );
        }
        // The time that is missing is that of the lost until somebody took over, and of a VU on its way.
        let planned = u64::try_from(curve.vu_nanos(0..curve.max())).unwrap();
        let held = totals(&story.outcomes).vu_ns;
        let moves = moves(&story, curve.max());
        let lost = lost_time(&story, curve.max());
        // A millisecond for each time a timer wakes, and a beat and an iteration for each hand-over.
        let slack = 3 * 1_000_000 * curve.max() * (1 + acts.len() as u64);
        let way = moves * ns(LENGTH + 210 * MS);
        assert!(held <= planned + slack, "{told}: {held} of {planned}");
        assert!(
            held + lost + way + slack >= planned,
            "{told}: {held} of {planned}, {lost} lost, {moves} moves"
        );
    }
}

/// How many times a VU goes from one living agent to another.
fn moves(story: &Story, vus: u64) -> u64 {
    let shares = &story.shares;
    let changes = shares.changes().iter().enumerate();
    changes
        .map(|(i, _)| {
            let (before, after) = (shares.under(i), shares.under(i + 1));
            (0..vus)
                .filter(|vu| before.owner(*vu) != after.owner(*vu))
                .count() as u64
        })
        .sum()
}

/// VU time of the lost from then to the hand-over, at most.
fn lost_time(story: &Story, vus: u64) -> u64 {
    let of = |(seat, when): &(usize, Duration)| {
        let until = story.shares.gone_from(*seat).unwrap();
        story.shares.at(ns(*when)).count_below(*seat, vus) * (until - ns(*when))
    };
    story.lost.iter().map(of).sum()
}

#[test]
fn whoever_drains_gives_everything_up_and_is_done() {
    for executor in [
        "executor: constant-vus, vus: 10, duration: 8s",
        "executor: ramping-vus, startVUs: 10, stages: [{ duration: 8s, target: 6 }]",
        "executor: shared-iterations, vus: 10, iterations: 200",
        RATES[0],
    ] {
        let town = Town::slow(LENGTH);
        let acts = [(1300 * MS, Act::Drain(1))];
        let story = play(&Play::of(closed(executor), &town).fleet(3, 2), &acts);
        books_balance(&story.outcomes, &town);
        let left = &story.outcomes[1];
        let from = at(story.shares.gone_from(1).unwrap());
        // What is on lease is finished by whoever has it.
        let most = if executor.contains("shared") {
            3 * SECOND
        } else {
            2 * LENGTH
        };
        assert!(
            left.done >= from && left.done <= from + most,
            "{executor}: {:?}",
            left.done
        );
        assert!(!left.interrupted);
        let sum = totals(&story.outcomes);
        assert_eq!(
            (sum.interrupted, sum.dropped, sum.expired),
            (0, 0, 0),
            "{executor}"
        );
    }
}

#[test]
fn whoever_comes_late_begins_at_the_current_point_of_the_ramp() {
    let town = Town::slow(30 * MS);
    let acts = [(4 * SECOND, Act::Join(1))];
    let story = play(&Play::of(open(RATES[1]), &town).fleet(1, 2), &acts);
    let came = &story.outcomes[1];
    let (from, _) = story.shares.changes()[0];
    let sum = totals(std::slice::from_ref(came));
    assert_eq!((sum.expired, sum.dropped), (0, 0), "nothing is made up for");
    let curve = story.plan.scenarios[0].arrival_curve(7).unwrap();
    let after = curve.total() - curve.due_by(from - 1);
    assert!(
        sum.begun.abs_diff(after / 2) <= 1,
        "{} of {after}",
        sum.begun
    );
    // Its intervals begin with the second in which it came.
    assert_eq!(came.intervals[0].0, 4_000_000_000);
}

#[test]
fn vus_that_count_their_own_iterations_do_not_move() {
    let source = closed("executor: per-vu-iterations, vus: 9, iterations: 8");
    let town = Town::slow(LENGTH);
    let acts = [
        (700 * MS, Act::Lose(1, 1500 * MS)),
        (800 * MS, Act::Join(1)),
    ];
    let story = play(&Play::of(source, &town).fleet(3, 1), &acts);
    books_balance(&story.outcomes, &town);
    let begun: Vec<u64> = story
        .outcomes
        .iter()
        .map(|outcome| outcome.totals["main"].begun)
        .collect();
    assert_eq!(begun, [24, 6, 24, 0]);
}

#[test]
fn shared_iterations_go_on_with_the_vus_of_the_lost() {
    for seed in 0..12 {
        let mut chance = Chance::new(seed);
        let workers = 1 + usize::try_from(chance.below(3)).unwrap();
        // One agent has all the VUs there are: without them nobody would go on.
        let (agents, vus) = if seed % 2 == 0 { (3, 12) } else { (2, 1) };
        let source = format!(
            "
scenarios: {{ main: {{ executor: shared-iterations, vus: {vus}, iterations: {} }} }}
flows: {{ default: [{{ get: 'http://10.0.0.1/{{{{ scenario_iteration }}}}' }}] }}
",
            vus * 40
        );
        let town = Town::new(|_| Answer::after(200 * MS));
        let later = 1500 * MS + MS * u32::try_from(chance.below(900)).unwrap();
        let acts = [(SECOND, Act::Lose(0, later))];
        let story = play(&Play::of(source, &town).fleet(agents, workers), &acts);
        books_balance(&story.outcomes, &town);
        let mut seen = BTreeSet::new();
        for hit in town.hits() {
            assert!(
                seen.insert(hit.path[1..].parse::<u64>().unwrap()),
                "{} twice",
                hit.path
            );
        }
        // Only what was on lease to the lost agent is missing.
        let sum = totals(&story.outcomes);
        let leased = story.outcomes[0].granted - totals(&story.outcomes[..1]).begun;
        assert_eq!(
            seen.len() as u64 + leased + sum.dropped,
            vus * 40,
            "seed {seed}"
        );
        assert_eq!(sum.dropped, 0, "seed {seed}: dropped");
        assert!(story.outcomes[1].done > 2 * SECOND, "seed {seed}");
    }
}

#[test]
fn rows_come_with_the_vus_and_arrivals_that_take_them() {
    let source = "
data: { s: { setup: true } }
setup: [{ give: { s: 1 } }]
scenarios:
  closed: { executor: constant-vus, vus: 12, duration: 7s, exec: a }
  open: { executor: constant-arrival-rate, rate: 30, duration: 7s, preAllocatedVUs: 30, exec: b }
flows:
  a:
    - let: { row: { own: s } }
    - get: 'http://10.0.0.1/closed/{{ vu }}/{{ row }}'
  b:
    - let: { row: { per_iteration: s } }
    - get: 'http://10.0.0.1/open/{{ scenario_iteration }}/{{ row }}'
";
    let town = Town::slow(130 * MS);
    let acts = [
        (700 * MS, Act::Join(1)),
        (2500 * MS, Act::Lose(0, SECOND)),
        (4300 * MS, Act::Drain(1)),
    ];
    let story = play(&Play::of(source, &town).fleet(2, 2), &acts);
    books_balance(&story.outcomes, &town);
    let mut open = 0;
    for hit in town.hits() {
        let words: Vec<&str> = hit.path[1..].split('/').collect();
        let [kind, number, row] = words[..] else {
            panic!("{}", hit.path)
        };
        let (number, row): (u64, u64) = (number.parse().unwrap(), row.parse().unwrap());
        let first = if kind == "closed" { 1 } else { 0 };
        assert_eq!(number - first, row, "{}", hit.path);
        open += u64::from(kind == "open");
    }
    // All but the lost agent's until it was known.
    assert!((160..=205).contains(&open), "{open} of 210");
    let lines = story.outcomes.iter().flat_map(|outcome| &outcome.lines);
    assert_eq!(lines.filter(|line| line.text.contains("handed")).count(), 0);
}
