//! Flags of `throng run` that contradict each other, refused before anything is started.

use super::Args;
use crate::error::Error;

impl Args {
    /// Refuses what contradicts itself, before anything is started.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |what: &str, hint: &str| Err(Error::flags(what, hint));
        let local = self.controller.is_none();
        if self.demo && self.aim.base_url.is_some() {
            return refuse(
                "--demo and --base-url name two targets",
                "leave one of them out",
            );
        }
        if self.demo && !local {
            return refuse(
                "--demo starts a service on this host's loopback, which the agents of --controller cannot reach",
                "start `throng demo --listen ADDR` where they can, and aim at it with --base-url",
            );
        }
        if self.demo
            && self
                .listen
                .is_some_and(|address| !address.ip().is_loopback())
        {
            return refuse(
                "--demo starts a service on this host's loopback, which agents on other hosts cannot reach",
                "start `throng demo --listen ADDR` where they can, and aim at it with --base-url",
            );
        }
        if self.agents.is_some() && !local {
            return refuse(
                "--agents says how many agents this process starts itself, and with --controller it starts none",
                "--expect-agents says how many of the controller's to wait for",
            );
        }
        if self.listen.is_some() && !local {
            return refuse(
                "--listen makes this process the controller, and --controller names another one",
                "leave one of them out",
            );
        }
        if self.runs.is_some() && !local {
            return refuse(
                "--runs keeps the run of this process's own controller, and --controller names another one",
                "that one keeps its runs where its own --runs says",
            );
        }
        if self.lease.is_some() && !local {
            return refuse(
                "--lease is that of this process's own controller, and --controller names another one",
                "give --lease to that `throng controller`: it holds for every run",
            );
        }
        if self.web.web.is_some() && !local {
            return refuse(
                "--web is the page of this process's own controller, and --controller names another one",
                "that one serves a page itself, unless it was told --no-web",
            );
        }
        if self.detach && local {
            return refuse(
                "--detach needs a controller that stays when this process leaves",
                "name one with --controller",
            );
        }
        if self.detach && self.kept.summary.is_some() {
            return refuse(
                "--detach leaves before there is a summary to write",
                "give --summary to `throng wait` instead",
            );
        }
        if self.no_queue && local {
            return refuse(
                "--no-queue is about a standing controller's other runs",
                "name one with --controller, or leave it out",
            );
        }
        if !local && !self.outputs.out.is_empty() {
            return refuse(
                "--out is written by the controller, and --controller names one that is there already",
                "give --out to that `throng controller`: it holds for every run",
            );
        }
        if local && self.listen.is_none() {
            if self.agents == Some(0) {
                return refuse(
                    "--agents 0 leaves nobody to make load",
                    "start at least one, or let agents join with --listen",
                );
            }
            if self.expect_agents.is_some() || self.min_agents.is_some() {
                return refuse(
                    "--expect-agents and --min-agents are about agents that join from elsewhere",
                    "let them join with --listen or --controller; --agents says how many this process starts itself",
                );
            }
        }
        if let (Some(expect), Some(own)) = (self.expect_agents, self.agents)
            && expect < own
        {
            return refuse(
                "--expect-agents is smaller than --agents, and agents of this process count too",
                "raise it, or start fewer",
            );
        }
        if let Some(url) = &self.controller {
            self.access.address(url)?;
        }
        match (self.min_agents, self.expect_agents) {
            (Some(_), None) => refuse(
                "--min-agents says when fewer than expected are enough",
                "say with --expect-agents how many are expected",
            ),
            (Some(min), Some(expect)) if min > expect => {
                refuse("--min-agents is larger than --expect-agents", "lower it")
            }
            (Some(0), _) | (_, Some(0)) => {
                refuse("a run needs at least one agent", "expect at least 1")
            }
            _ => Ok(()),
        }
    }
}
