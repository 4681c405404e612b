//! What the target saw in the chaos, held against the plan and against the report.

use crate::chaos::{LENGTH, RATE, VUS};
use crate::common::Said;
use crate::deck::{self, AGENTS, AWAY, Fault, LONG};
use serde_json::Value;

/// Seconds: what is found later than that after it was due is not begun (`catchUp`).
const CATCH_UP: f64 = 1.0;

/// A look at what the target saw, in seconds since nothing had come for the last time.
pub(crate) struct Look {
    pub(crate) asked: f64,
    pub(crate) answered: f64,
    pub(crate) requests: u64,
}

/// What was done to an agent.
pub(crate) struct Hit {
    pub(crate) at: f64,
    pub(crate) fault: Fault,
    pub(crate) name: String,
}

impl Hit {
    /// The report has it: nothing was hit beside the mark, and nothing that happened is passed over.
    pub(crate) fn took_effect(&self, summary: &Value, controller_killed: Option<f64>) {
        let Self { at, fault, name } = self;
        if !deck::told(*at, *fault, controller_killed) {
            return;
        }
        let agents = summary["agents"].as_array().expect("agents");
        let mut lives = agents.iter().filter(|agent| agent["name"] == **name);
        let fate = lives.next().and_then(|agent| agent["fate"].as_str());
        let fate = fate.expect("it took part");
        let changes = summary["fleet"].as_array().expect("changes");
        let of = changes.iter().filter(|change| change["agent"] == **name);
        let events: Vec<&str> = of.filter_map(|change| change["event"].as_str()).collect();
        let shown = match fault {
            Fault::Kill => fate == "lost" && events.contains(&"lost"),
            Fault::End => fate == "drained" && events.contains(&"left"),
            // It came back and told what it had done; its lease was over.
            Fault::Freeze(LONG) | Fault::Cut(LONG) => fate == "left" && events.contains(&"lost"),
            // On a machine that is busy with other things it may take longer than its lease.
            Fault::Freeze(_) | Fault::Cut(_) => {
                events.contains(&"silent") || (fate == "left" && events.contains(&"lost"))
            }
        };
        assert!(
            shown,
            "{fault:?} of {name}: {fate}, {events:?}: {changes:?}"
        );
    }
}

/// The load was never above the plan, neither from the beginning nor between any two looks, and the whole of it was there in the end; the
/// report adds up.
pub(crate) fn judge(looks: &[Look], truth: u64, summary: &Value, told: &Said) {
    // A busy machine may make a run INVALID by lateness; what is counted must agree all the same.
    assert!(matches!(told.code, 0 | 121), "{}", told.code);
    for Look {
        answered, requests, ..
    } in looks
    {
        // When nothing had come yet, what was due first may have been late.
        let due = (RATE as f64 * (answered + CATCH_UP)).min((RATE * LENGTH) as f64);
        assert!(
            *requests as f64 <= due + 1.0,
            "{requests} requests after {answered:.2} s"
        );
    }
    never_steeper_than_the_plan(looks);
    let line = &summary["conservation"]["scenarios"][0];
    let of = |name: &str| line[name].as_f64().expect("a number") as u64;
    // Between these two answers at least so much was due. (What expires or is dropped, a machine that is busy with other things did.)
    let from = looks.iter().rfind(|look| look.answered <= 29.5);
    let from = from.expect("a look before second 29.5");
    let to = looks.last().expect("a look");
    // If the first was late, the load was over that much sooner. Without one agent of four there would be less all the same.
    let seconds = to.asked.min(LENGTH as f64 - CATCH_UP) - from.answered;
    let late = to.requests - from.requests + of("expired") + of("dropped");
    assert!(
        late as f64 >= 0.95 * RATE as f64 * seconds,
        "{late} requests, due within {seconds:.1} s at the end"
    );

    assert_eq!(of("planned"), RATE * LENGTH);
    assert_eq!(
        of("made") + of("dropped") + of("expired") + of("lost") + of("unaccounted"),
        RATE * LENGTH,
        "{line}"
    );
    let cut = summary["conservation"]["iterations"]["interrupted"]
        .as_u64()
        .expect("a number");
    // What was cut, or failed on a host without a network, may never have come to the target.
    let failed = summary["metrics"]["http_req_failed"]["values"]["passes"]
        .as_u64()
        .expect("a number");
    assert!(
        of("made") - cut - failed <= truth && truth <= of("made") + of("silent"),
        "{truth} requests, {cut} iterations cut, {failed} requests failed: {line}"
    );
    let requests = &summary["conservation"]["requests"];
    assert_eq!(requests["unaccounted"].as_i64(), Some(0), "{requests}");
}

/// Between two looks at least 3 s apart no more comes than was due between them, and what was due before and came late: in the last
/// `catchUp` before the first look, since later it would not have begun; or it had begun, and lay on a way that was cut or in a process
/// that stood still, of which there is at most one for each VU. Over 3 s this is less than 1.5 of the plan; a load that is made twice,
/// also after a gap, is 2.
fn never_steeper_than_the_plan(looks: &[Look]) {
    for (number, from) in looks.iter().enumerate() {
        for to in looks[number..]
            .iter()
            .filter(|to| to.asked >= from.answered + 3.0)
        {
            let seconds = to.answered - from.asked;
            let most = RATE as f64 * (seconds + CATCH_UP) + VUS as f64 + 1.0;
            let came = to.requests - from.requests;
            assert!(
                came as f64 <= most,
                "{came} requests within {seconds:.2} s from {:.2} s on",
                from.asked
            );
        }
    }
}

/// The target saw no more than is reported and what killed agents did in their last second, which they could not tell: they tell twice a
/// second what they began, so that a word may come late once. Beside that there is what a controller that was away could not hear, or
/// had heard and not yet written down.
pub(crate) fn only_last_words_are_missing(
    truth: u64,
    summary: &Value,
    hits: &[Hit],
    controller_killed: Option<f64>,
) {
    let made = &summary["conservation"]["scenarios"][0]["made"];
    let made = made.as_f64().expect("a number") as u64;
    let killed = hits.iter().filter(|hit| hit.fault == Fault::Kill);
    let untold: f64 = killed
        .map(|hit| {
            // Whoever was hit before may have been lost since, and this one have a part of that share.
            let before = hits.iter().filter(|other| other.at < hit.at).count();
            let share = 1.0 / (AGENTS.len() - before) as f64;
            let unheard = controller_killed.map_or(0.0, |killed| {
                if hit.at < killed + AWAY + 5.0 {
                    (hit.at - killed).max(1.0)
                } else {
                    0.0
                }
            });
            // What it was about to do when it told for the last time is within the second, as is what was on its way.
            share * (RATE as f64 * (1.0 + unheard) + VUS as f64) + 1.0
        })
        .sum();
    let untold = untold.ceil() as u64;
    println!("{truth} requests, {made} reported, at most {untold} untold");
    assert!(
        truth <= made + untold,
        "{truth} requests, {made} reported, and last words of {untold}"
    );
}

#[test]
fn a_load_that_is_made_twice_after_a_gap_is_seen() {
    let looks = |twice: bool| -> Vec<Look> {
        (0..200)
            .map(|tenth| {
                let at = f64::from(tenth) / 10.0;
                // Nothing from second 5 to 12, and then one load, or two of it.
                let after = (at - 12.0).max(0.0) * if twice { 2.0 } else { 1.0 };
                Look {
                    asked: at,
                    answered: at + 0.05,
                    requests: (RATE as f64 * (at.min(5.0) + after)) as u64,
                }
            })
            .collect()
    };
    never_steeper_than_the_plan(&looks(false));
    let found = std::panic::catch_unwind(|| never_steeper_than_the_plan(&looks(true)));
    assert!(
        found.is_err(),
        "it would be below the line from the beginning"
    );
}
