//! Running the steps of a flow: one file each, twins of the `plan` room's; the match below is closed.

mod assign;
mod give;
mod group;
mod request;
mod sleep;

use crate::clock;
use crate::vu::{Vu, nanos};
use group::Open;
use plan::Step;
use proto::v1::Level;
use std::rc::Rc;

/// Whether the flow goes on.
enum Next {
    On,
    /// The iteration is over: what comes next cannot be sent.
    End,
    /// The fence is shut: nothing more may be sent.
    Fenced,
}

/// How a list of steps ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At its end.
    Done,
    /// At a `stop`, for this reason.
    Stopped(String),
    /// At a request that cannot be sent with the values it got.
    Unsendable,
    /// Because the fence is shut.
    Fenced,
}

/// Runs the VU's flow once. False if it could not be finished because the fence is shut.
pub(crate) async fn run(vu: &mut Vu) -> bool {
    let site = Rc::clone(&vu.site);
    let plan = &site.plan;
    match list(vu, &plan.flows[plan.scenarios[vu.scenario].exec].steps).await {
        Outcome::Stopped(reason) => stopped(vu, &reason),
        Outcome::Done | Outcome::Unsendable => {}
        Outcome::Fenced => return false,
    }
    true
}

/// Runs steps in order.
pub(crate) async fn list(vu: &mut Vu, steps: &[Step]) -> Outcome {
    // Groups nest, so the way back is a stack: what is left of each list of steps, and the group it is in.
    let mut open: Vec<(std::slice::Iter<'_, Step>, Option<Open<'_>>)> = vec![(steps.iter(), None)];
    let mut outcome = Outcome::Done;
    while let Some((steps, _)) = open.last_mut() {
        let Some(step) = steps.next() else {
            if let Some((_, Some(group))) = open.pop() {
                group.close(vu);
            }
            continue;
        };
        let next = match step {
            Step::Let(values) => {
                assign::run(vu, values);
                Next::On
            }
            Step::Request(request) => request::run(vu, request).await,
            Step::Sleep { min, max } => {
                sleep::run(vu, *min, *max).await;
                Next::On
            }
            Step::Group { path, steps } => {
                open.push((steps.iter(), Some(Open::new(path, clock::now()))));
                Next::On
            }
            Step::Stop { reason, when } => {
                if when.holds(&vu.slots) {
                    outcome = Outcome::Stopped(reason.clone());
                    break;
                }
                Next::On
            }
            Step::Give(rows) => {
                give::run(vu, rows);
                Next::On
            }
            // Only at the top of setup and teardown, where they are taken before they come here.
            Step::Each { .. } => Next::On,
        };
        match next {
            Next::On => {}
            Next::End => {
                outcome = Outcome::Unsendable;
                break;
            }
            Next::Fenced => return Outcome::Fenced,
        }
    }
    // An early end closes the groups it was in.
    while let Some((_, group)) = open.pop() {
        if let Some(group) = group {
            group.close(vu);
        }
    }
    outcome
}

fn stopped(vu: &Vu, reason: &str) {
    let mut recorder = vu.site.recorder.borrow_mut();
    recorder.stopped(vu.scenario, reason);
    let scope = vu.scope();
    recorder.lines.message(
        Level::Warn,
        &format!("iteration ended early: {reason}"),
        || format!("VU {}, iteration {}", scope.vu, scope.iteration),
    );
}

fn group_duration(vu: &Vu, path: &str, since: tokio::time::Instant) {
    let ns = nanos(clock::now(), since);
    vu.site.recorder.borrow_mut().group(vu.scenario, path, ns);
}
