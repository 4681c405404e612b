//! Agents that are lost, leave and come in the life of a run: more stories, told as those of the parent.

use super::*;

fn policy(on_loss: OnAgentLoss) -> Needs {
    Needs {
        on_loss,
        ..needs(2, 0)
    }
}

/// What a loss leads to, by policy; and who is waited for when nobody is left.
pub(super) fn losses() -> Vec<Story<'static>> {
    vec![
        (
            "an agent is lost under load",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share goes to those that remain",
                ),
                (3, gone(2), ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), "teardown | END Finished 0"),
            ]),
        ),
        (
            "an agent is lost under load, and nobody is to take over",
            policy(OnAgentLoss::Continue),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share is not made by anyone else",
                ),
                (
                    4,
                    gone(1),
                    "! a1 lost: silent; its share is not made by anyone else | teardown | END FleetLost 122",
                ),
            ]),
        ),
        (
            "an agent is lost under load, and that is to end the run",
            policy(OnAgentLoss::Abort),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share is not made by anyone else | drain | cut",
                ),
                (4, Event::Done(1), "teardown | END AgentLost 122"),
            ]),
        ),
        (
            "an agent's lease was over while nobody was there to notice, and a loss is to end the run",
            policy(OnAgentLoss::Abort),
            after(vec![
                (3, Event::Left(2), "drain | cut"),
                (4, Event::Done(1), "teardown | END AgentLost 122"),
            ]),
        ),
        (
            "the only agent is lost, and that is to end the run",
            policy(OnAgentLoss::Abort),
            after(vec![
                (2, Event::Done(1), ""),
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share is not made by anyone else | drain | teardown | END AgentLost 122",
                ),
            ]),
        ),
        (
            "all agents are lost, and nobody comes",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (
                    4,
                    gone(2),
                    "! a2 lost: silent; nobody is left to take over its share | load",
                ),
                (5, Event::Tick, ""),
                (6, Event::Tick, "teardown | END FleetLost 122"),
            ]),
        ),
        (
            "all agents are lost, and the run is stopped",
            needs(1, 0),
            vec![
                (0, idle(1), "enlisting | preflight | assign 1 to [1] look"),
                (1, ready(1, 1), "ready | setup | go 1.25 | load"),
                (
                    4,
                    gone(1),
                    "! a1 lost: silent; nobody is left to take over its share | load",
                ),
                (5, graceful(), "teardown | END FleetLost 122"),
            ],
        ),
        (
            "all agents are lost, and one who comes is waited for",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (
                    4,
                    gone(2),
                    "! a2 lost: silent; nobody is left to take over its share | load",
                ),
                (5, Event::Coming(9 * S), ""),
                (8, Event::Tick, ""),
                (8, Event::Joined(7, "a7".to_owned()), ""),
                (10, Event::Tick, ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(7), "teardown | END Finished 0"),
            ]),
        ),
        (
            "all agents are lost, and one who comes is not waited for longer than the load",
            needs(1, 0),
            vec![
                (0, idle(1), "enlisting | preflight | assign 1 to [1] look"),
                (1, ready(1, 1), "ready | setup | go 1.25 | load"),
                (
                    4,
                    gone(1),
                    "! a1 lost: silent; nobody is left to take over its share | load",
                ),
                (5, Event::Coming(90 * S), ""),
                (11, Event::Tick, ""),
                (12, Event::Tick, "teardown | END FleetLost 122"),
            ],
        ),
        (
            "the last one leaves before its part is over",
            needs(2, 0),
            after(vec![
                (2, Event::Left(1), ""),
                (3, Event::Left(2), "load"),
                (5, Event::Tick, "drain | teardown | END FleetLost 122"),
            ]),
        ),
        (
            "a lost agent comes back to report its end",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share goes to those that remain",
                ),
                (4, Event::Done(2), ""),
                (
                    5,
                    gone(1),
                    "! a1 lost: silent; nobody is left to take over its share | load",
                ),
                (7, Event::Tick, "drain | teardown | END FleetLost 122"),
            ]),
        ),
        (
            "a lost agent that came back is heard out",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share goes to those that remain",
                ),
                (5, Event::Returned(2), ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), "drain"),
                (13, Event::Left(2), "teardown | END Finished 0"),
            ]),
        ),
        (
            "a lost agent that came back is not heard for ever",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share goes to those that remain",
                ),
                (5, Event::Returned(2), ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), "drain"),
                (13, Event::Tick, ""),
                (
                    14,
                    Event::Tick,
                    "! a2 never reported an end | teardown | END Finished 0",
                ),
            ]),
        ),
        (
            "a lost agent came back, and is gone again",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(2),
                    "! a2 lost: silent; its share goes to those that remain",
                ),
                (5, Event::Returned(2), ""),
                (12, Event::Tick, "drain"),
                (12, Event::Done(1), "drain"),
                (13, Event::GoneAgain(2), "teardown | END Finished 0"),
            ]),
        ),
        (
            "all agents are lost, and one is back and tells what it saw",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (
                    4,
                    gone(2),
                    "! a2 lost: silent; nobody is left to take over its share | load",
                ),
                (5, Event::Returned(1), ""),
                (6, Event::Tick, "drain"),
                (7, Event::Done(1), "teardown | END FleetLost 122"),
            ]),
        ),
        (
            "two that were lost come back by turns, and the end waits once",
            needs(2, 0),
            after(vec![
                (
                    3,
                    gone(1),
                    "! a1 lost: silent; its share goes to those that remain",
                ),
                (
                    4,
                    gone(2),
                    "! a2 lost: silent; nobody is left to take over its share | load",
                ),
                (5, Event::Returned(1), ""),
                (6, Event::Tick, "drain"),
                (7, Event::Returned(2), ""),
                (7, Event::GoneAgain(1), "drain"),
                (
                    8,
                    Event::Tick,
                    "! a2 never reported an end | teardown | END FleetLost 122",
                ),
            ]),
        ),
    ]
}
