//! The register of agents: who is there, under which name, in which life, and who was lost.
//!
//! Decides; reads no clock and no socket. Runs are known by id only.

use crate::crashes::Crashes;
use crate::link::Link;
use crate::names;
use crate::run::AgentId;
use proto::v1::{AgentGone, AgentInfo, FleetAgent, Health, Heartbeat, Hello};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most agents at once.
pub const MOST: usize = 10_000;
/// Most ends of others that one agent may tell of.
pub const ENDS: usize = 64;
/// Most labels of one agent; more are left out.
const LABELS: usize = 32;

/// One life of one agent.
#[derive(Debug)]
pub struct Agent {
    /// As shown; unique among those present.
    pub name: String,
    /// The name it asked for.
    wish: String,
    /// What it said of itself.
    pub hello: Hello,
    /// Its newest connection.
    pub link: Arc<Link>,
    /// Number of that connection; older ones do not count any more.
    pub connection: u64,
    /// False after its stream closed, until it dials again.
    pub connected: bool,
    /// The run it is part of.
    pub run: Option<String>,
    /// Round trip, as it measured it; 0 while unknown.
    pub rtt: u64,
    /// Controller time − agent time, as it measured it.
    pub offset: i64,
    /// Its newest health.
    pub health: Option<Health>,
}

/// How a hello was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// A new life.
    New(AgentId),
    /// The same life on a new connection.
    Again(AgentId),
    /// The fleet is full.
    Full,
}

/// An agent that is no longer there.
#[derive(Debug)]
pub struct Departed {
    /// Which.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// The run it was part of.
    pub run: Option<String>,
    /// Why, for people.
    pub why: String,
    /// Controller time at which it was heard for the last time.
    pub heard: u64,
    /// Controller time from which on it surely makes no load.
    pub sure: u64,
}

/// All agents.
#[derive(Debug, Default)]
pub struct Fleet {
    agents: BTreeMap<AgentId, Agent>,
    next: AgentId,
    crashes: Crashes,
}

impl Fleet {
    /// Takes a hello that came on a connection.
    pub fn join(&mut self, hello: Hello, link: Arc<Link>, connection: u64) -> Joined {
        let wish = names::clean(&hello.name);
        // A life is known by its number, and by its certificate where there is one: nobody takes another's seat by saying its number.
        let same = self.agents.iter_mut().find(|(_, agent)| {
            agent.wish == wish
                && agent.hello.incarnation == hello.incarnation
                && agent.hello.identity == hello.identity
        });
        if let Some((id, agent)) = same {
            link.replaces(&agent.link);
            agent.link = link;
            agent.connection = connection;
            agent.connected = true;
            return Joined::Again(*id);
        }
        if self.agents.len() >= MOST {
            return Joined::Full;
        }
        let name = names::unique(&wish, |name| {
            self.agents.values().any(|agent| agent.name == name)
        });
        let id = self.next;
        self.next += 1;
        let hello = Hello {
            version: names::printable(&hello.version),
            host: names::printable(&hello.host),
            labels: hello
                .labels
                .into_iter()
                .take(LABELS)
                .map(|(key, value)| (names::printable(&key), names::printable(&value)))
                .collect(),
            ..hello
        };
        let agent = Agent {
            name,
            wish,
            hello,
            link,
            connection,
            connected: true,
            run: None,
            rtt: 0,
            offset: 0,
            health: None,
        };
        self.agents.insert(id, agent);
        Joined::New(id)
    }

    /// The agent, if this connection is still the one that counts for it.
    #[must_use]
    pub fn on(&self, id: AgentId, connection: u64) -> Option<&Agent> {
        self.agents
            .get(&id)
            .filter(|agent| agent.connection == connection)
    }

    /// An agent.
    #[must_use]
    pub fn get(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(&id)
    }

    /// Notes what a heartbeat says of the agent itself.
    pub fn heard(&mut self, id: AgentId, heartbeat: &Heartbeat) {
        if let Some(agent) = self.agents.get_mut(&id) {
            if heartbeat.rtt_ns > 0 {
                agent.rtt = heartbeat.rtt_ns.min(crate::plausible::RTT_NS);
                agent.offset = heartbeat.offset_ns;
            }
            agent.health = heartbeat.health.or(agent.health);
        }
    }

    /// A stream ended: suspicion only. False if it was not the agent's newest.
    pub fn closed(&mut self, id: AgentId, connection: u64) -> bool {
        match self.agents.get_mut(&id) {
            Some(agent) if agent.connection == connection => {
                agent.connected = false;
                true
            }
            _ => false,
        }
    }

    /// An agent leaves on purpose.
    pub fn leave(&mut self, id: AgentId, why: String, now: u64) -> Option<Departed> {
        let agent = self.agents.remove(&id)?;
        agent.link.close();
        Some(Departed {
            id,
            name: agent.name,
            run: agent.run,
            why,
            heard: now,
            sure: now,
        })
    }

    /// The agents whose newest answer is older than `lease` plus 1 %: they are fenced and struck off.
    pub fn expire(&mut self, now: u64, lease: u64) -> Vec<Departed> {
        let limit = now.saturating_sub(lease + lease / 100);
        let lost: Vec<AgentId> = self
            .agents
            .iter()
            .filter_map(|(id, agent)| agent.link.fence_if_older(limit).then_some(*id))
            .collect();
        lost.into_iter()
            .filter_map(|id| {
                let agent = self.agents.get(&id)?;
                let heard = agent.link.answered();
                if agent.run.is_some() {
                    self.crashes.note(&agent.wish, now);
                }
                let silent = now.saturating_sub(heard);
                let departed =
                    self.leave(id, format!("unheard for {:.1} s", silent as f64 / 1e9), now)?;
                Some(Departed {
                    heard,
                    sure: heard.saturating_add(lease),
                    ..departed
                })
            })
            .collect()
    }

    /// A successor shows that the process of an earlier life has ended: it makes no load any more, and its lease need not be waited
    /// for. Of its own name and certificate only.
    pub fn ended(&mut self, successor: &Hello, incarnation: u64, now: u64) -> Option<Departed> {
        let wish = names::clean(&successor.name);
        let (id, agent) = self.agents.iter().find(|(_, agent)| {
            agent.wish == wish
                && agent.hello.incarnation == incarnation
                && agent.hello.identity == successor.identity
                && incarnation != successor.incarnation
        })?;
        let (id, heard) = (*id, agent.link.answered());
        if agent.run.is_some() {
            self.crashes.note(&wish, now);
        }
        let why = "its process has ended, as its successor shows".to_owned();
        let departed = self.leave(id, why, now)?;
        Some(Departed { heard, ..departed })
    }

    /// It is known from the journal that one left, or was struck off.
    pub fn went(&mut self, gone: AgentGone, now: u64) -> Option<Departed> {
        let agent = self.agents.get(&gone.agent)?;
        if agent.run.is_some() && gone.heard_ns < now {
            self.crashes.note(&agent.wish, now);
        }
        let departed = self.leave(gone.agent, gone.why, now)?;
        Some(Departed {
            heard: gone.heard_ns,
            sure: gone.sure_ns,
            ..departed
        })
    }

    /// Connected agents without a run, in the order of their names; without those whose lives end too often.
    #[must_use]
    pub fn idle(&self, now: u64) -> Vec<(AgentId, String)> {
        let mut idle: Vec<(AgentId, String)> = self
            .agents
            .iter()
            .filter(|(_, agent)| agent.connected && agent.run.is_none())
            .filter(|(_, agent)| self.crashes.quarantined(&agent.wish, now).is_none())
            .map(|(id, agent)| (*id, agent.name.clone()))
            .collect();
        idle.sort_by_key(|(_, name)| names::order(name));
        idle
    }

    /// Until when an agent gets no work, for its lives end too often.
    #[must_use]
    pub fn quarantined(&self, id: AgentId, now: u64) -> Option<u64> {
        self.crashes.quarantined(&self.agents.get(&id)?.wish, now)
    }

    /// Says whose run an agent is in.
    pub fn assign(&mut self, id: AgentId, run: Option<String>) {
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.run = run;
        }
    }

    /// Whose lives ended, for a checkpoint.
    pub fn crashes(&mut self) -> &mut Crashes {
        &mut self.crashes
    }

    /// The number that the next agent gets.
    #[must_use]
    pub fn next_number(&self) -> AgentId {
        self.next
    }

    /// Everybody, for a checkpoint.
    #[must_use]
    pub fn kept(&self) -> Vec<FleetAgent> {
        let kept = |(id, agent): (&AgentId, &Agent)| FleetAgent {
            agent: *id,
            hello: Some(agent.hello.clone()),
            name: agent.name.clone(),
            wish: agent.wish.clone(),
            connected: agent.connected,
            run: agent.run.clone().unwrap_or_default(),
            rtt_ns: agent.rtt,
            offset_ns: agent.offset,
        };
        self.agents.iter().map(kept).collect()
    }

    /// As a checkpoint tells; the connections are an earlier life's.
    pub fn recall(&mut self, next: AgentId, kept: Vec<FleetAgent>, now: u64) {
        self.next = next;
        let known = kept.into_iter().map(|kept| {
            let agent = Agent {
                name: kept.name,
                wish: kept.wish,
                hello: kept.hello.unwrap_or_default(),
                link: Arc::new(Link::behind(None, now, Arc::default())),
                connection: 0,
                connected: kept.connected,
                run: Some(kept.run).filter(|run| !run.is_empty()),
                rtt: kept.rtt_ns,
                offset: kept.offset_ns,
                health: None,
            };
            (kept.agent, agent)
        });
        self.agents = known.collect();
    }

    /// The stream of one ended.
    pub fn away(&mut self, id: AgentId) {
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.connected = false;
        }
    }

    /// Every stream ended with an earlier life of the controller; each agent has its lease, from now on, to dial.
    pub fn all_away(&mut self, now: u64) {
        for agent in self.agents.values_mut() {
            agent.link = Arc::new(Link::behind(None, now, Arc::default()));
            agent.connection = 0;
            agent.connected = false;
        }
    }

    /// Everybody.
    pub fn iter(&self) -> impl Iterator<Item = (AgentId, &Agent)> {
        self.agents.iter().map(|(id, agent)| (*id, agent))
    }

    /// For `throng agents`, in the order of their names.
    #[must_use]
    pub fn list(&self, now: u64) -> Vec<AgentInfo> {
        let mut all: Vec<&Agent> = self.agents.values().collect();
        all.sort_by_key(|agent| names::order(&agent.name));
        all.into_iter()
            .map(|agent| AgentInfo {
                name: agent.name.clone(),
                host: agent.hello.host.clone(),
                version: agent.hello.version.clone(),
                labels: agent.hello.labels.clone(),
                cores: agent.hello.cores,
                workers: agent.hello.workers,
                rtt_ns: agent.rtt,
                heard_ms_ago: now.saturating_sub(agent.link.answered()) / 1_000_000,
                run: agent.run.clone().unwrap_or_default(),
                offset_ns: agent.offset,
                health: agent.health,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tokio::sync::mpsc;

    const S: u64 = 1_000_000_000;

    fn hello(name: &str, incarnation: u64) -> Hello {
        Hello {
            name: name.to_owned(),
            incarnation,
            ..Hello::default()
        }
    }

    fn link(now: u64) -> (Arc<Link>, mpsc::Receiver<crate::link::Outgoing>) {
        let (outbox, stream) = mpsc::channel(4);
        (Arc::new(Link::new(outbox, now)), stream)
    }

    #[test]
    fn one_name_is_never_two_agents_and_one_life_never_two_seats() {
        let mut fleet = Fleet::default();
        assert_eq!(fleet.join(hello("a", 1), link(0).0, 1), Joined::New(0));
        assert_eq!(fleet.join(hello("a", 2), link(0).0, 2), Joined::New(1));
        assert_eq!(fleet.join(hello("a", 2), link(0).0, 3), Joined::Again(1));
        let names: Vec<String> = fleet.idle(0).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "a-2"]);
        assert!(
            fleet.on(1, 2).is_none(),
            "the old connection counts no more"
        );
        assert!(!fleet.closed(1, 2), "and its end means nothing");
        assert!(fleet.closed(1, 3));
        assert_eq!(
            fleet.idle(0).len(),
            1,
            "a closed stream is suspicion: not enlisted, not struck off"
        );
        assert!(fleet.get(1).is_some());
    }

    #[test]
    fn nobody_takes_the_seat_of_another_certificate() {
        let of = |identity: &str| Hello {
            identity: identity.to_owned(),
            ..hello("a", 1)
        };
        let mut fleet = Fleet::default();
        let mut join = |hello, connection| fleet.join(hello, link(0).0, connection);
        assert_eq!(join(of("throng://agent/a/01"), 1), Joined::New(0));
        assert_eq!(
            join(of("throng://agent/a/02"), 2),
            Joined::New(1),
            "the same life, it says, with another certificate"
        );
        assert_eq!(join(of(""), 3), Joined::New(2));
        assert_eq!(join(of("throng://agent/a/01"), 4), Joined::Again(0));
        assert!(
            fleet.on(1, 2).is_some(),
            "and the other is still who it was"
        );
    }

    #[test]
    fn silence_beyond_the_lease_and_a_hundredth_is_a_loss_and_fences() {
        let mut fleet = Fleet::default();
        let (first, _stream) = link(0);
        fleet.join(hello("a", 1), first.clone(), 1);
        assert!(first.answer(1, 10 * S));
        assert!(fleet.expire(15 * S, 5 * S).is_empty());
        assert!(fleet.expire(15 * S + S / 20, 5 * S).is_empty());
        let lost = fleet.expire(15 * S + S / 20 + 1, 5 * S);
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].why, "unheard for 5.1 s");
        assert!(
            !first.answer(2, 16 * S),
            "a lost agent gets no answer, so its lease stays over"
        );
        assert_eq!(
            fleet.join(hello("a", 1), link(17 * S).0, 2),
            Joined::New(1),
            "its name is free again"
        );
    }

    #[test]
    fn only_a_successor_of_the_same_name_and_certificate_ends_a_life() {
        let of = |name: &str, identity: &str, incarnation: u64| Hello {
            identity: identity.to_owned(),
            ..hello(name, incarnation)
        };
        let mut fleet = Fleet::default();
        let (first, _stream) = link(0);
        fleet.join(of("a", "x", 1), first.clone(), 1);
        assert!(first.answer(1, 10 * S));
        for other in [of("b", "x", 2), of("a", "y", 2), of("a", "x", 1)] {
            assert!(fleet.ended(&other, 1, 11 * S).is_none());
        }
        assert!(fleet.ended(&of("a", "x", 2), 3, 11 * S).is_none());
        let departed = fleet.ended(&of("a", "x", 2), 1, 11 * S).unwrap();
        assert_eq!((departed.heard, departed.sure), (10 * S, 11 * S));
        assert!(!first.answer(2, 11 * S), "it is answered no more");
        let again = fleet.join(of("a", "x", 2), link(11 * S).0, 2);
        assert_eq!(again, Joined::New(1));
        assert_eq!(fleet.get(1).unwrap().name, "a", "its name is free");
    }

    #[test]
    fn a_stream_that_ends_prolongs_nothing_and_shortens_nothing() {
        let mut fleet = Fleet::default();
        let (first, _stream) = link(0);
        fleet.join(hello("a", 1), first.clone(), 1);
        assert!(first.answer(1, 10 * S));
        first.end();
        fleet.closed(0, 1);
        assert!(
            fleet.expire(15 * S, 5 * S).is_empty(),
            "it has its lease to come back"
        );
        assert_eq!(fleet.expire(16 * S, 5 * S).len(), 1);
    }

    #[test]
    fn a_hello_that_comes_late_on_an_older_connection_shortens_no_lease() {
        let mut fleet = Fleet::default();
        // The older one is opened, and its hello is stuck; the agent dials again, and is answered there.
        let ((older, _older_stream), (newer, _stream)) = (link(4 * S), link(8 * S));
        fleet.join(hello("a", 1), newer.clone(), 2);
        assert!(newer.answer(1, 10 * S));
        assert_eq!(fleet.join(hello("a", 1), older, 1), Joined::Again(0));
        assert!(!newer.answer(2, 11 * S), "it was replaced");
        assert!(
            fleet.expire(15 * S, 5 * S).is_empty(),
            "it was answered at 10 s"
        );
        assert_eq!(fleet.expire(16 * S, 5 * S)[0].sure, 15 * S);
    }

    #[test]
    fn an_agent_that_does_not_read_is_cut_off() {
        let (link, mut stream) = link(0);
        for echo in 0..6 {
            let _ = link.answer(echo, 0);
        }
        let mut received = 0;
        while let Ok(message) = stream.try_recv() {
            assert!(message.is_ok());
            received += 1;
        }
        assert_eq!(received, 4);
        assert_eq!(
            stream.try_recv().unwrap_err(),
            mpsc::error::TryRecvError::Disconnected
        );
    }
}
