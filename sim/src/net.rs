//! The network: lines between agents and the controller, each a pair of pipes that keep their order, in weather that delays, loses
//! (which is a delay of retransmission on a stream), cuts one way or both, and mends.
//!
//! Knows messages, not what they mean.

use crate::random::Random;
use crate::schedule::Time;
use proto::v1::{from_agent, to_agent};
use std::collections::{BTreeMap, VecDeque};

/// Messages that one pipe holds before its sender has to wait.
const WINDOW: usize = 256;
const MS: u64 = 1_000_000;
/// What a lost packet costs: a retransmission.
const RETRANSMISSION: u64 = 200 * MS;

/// A connection's number.
pub type LineId = u64;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the agent to the controller.
    Up,
    /// From the controller to the agent.
    Down,
}

/// What a pipe carries.
#[derive(Debug)]
pub enum Packet {
    /// To the controller.
    Up(from_agent::Message),
    /// To the agent.
    Down(to_agent::Message),
    /// The sender ended its side, or its process did.
    End,
}

/// One agent's way to the controller.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The shortest delay, nanoseconds.
    pub delay: u64,
    /// How much longer it may take.
    pub jitter: u64,
    /// Packets lost, of a thousand.
    pub loss: u64,
    /// Messages per second that fit through; 0: any number.
    pub rate: u64,
    cut: [bool; 2],
}

impl Weather {
    /// Fair, with these.
    #[must_use]
    pub fn new(delay: u64, jitter: u64, loss: u64) -> Self {
        Self {
            delay,
            jitter,
            loss,
            rate: 0,
            cut: [false, false],
        }
    }

    /// True if nothing comes through that way.
    #[must_use]
    pub fn is_cut(&self, way: Way) -> bool {
        self.cut[way as usize]
    }
}

#[derive(Debug, Default)]
struct Pipe {
    queue: VecDeque<(Time, Packet)>,
    last: Time,
    ended: bool,
}

#[derive(Debug)]
struct Line {
    agent: usize,
    pipes: [Pipe; 2],
}

/// All lines.
#[derive(Debug)]
pub struct Net {
    lines: BTreeMap<LineId, Line>,
    next: LineId,
    /// By agent's host.
    pub weather: Vec<Weather>,
    random: Random,
}

impl Net {
    /// Without lines.
    #[must_use]
    pub fn new(weather: Vec<Weather>, random: Random) -> Self {
        Self {
            lines: BTreeMap::new(),
            next: 1,
            weather,
            random,
        }
    }

    /// A new line from an agent's host.
    pub fn open(&mut self, agent: usize) -> LineId {
        let id = self.next;
        self.next += 1;
        let pipes = [Pipe::default(), Pipe::default()];
        self.lines.insert(id, Line { agent, pipes });
        id
    }

    /// Whose line it is.
    #[must_use]
    pub fn agent(&self, line: LineId) -> Option<usize> {
        self.lines.get(&line).map(|line| line.agent)
    }

    /// True if a sender need not wait.
    #[must_use]
    pub fn has_room(&self, line: LineId, way: Way) -> bool {
        self.lines
            .get(&line)
            .is_some_and(|line| line.pipes[way as usize].queue.len() < WINDOW)
    }

    /// Puts a packet on its way; when it arrives, if nothing is cut meanwhile. `None` if that side has ended.
    pub fn send(&mut self, now: Time, line: LineId, way: Way, packet: Packet) -> Option<Time> {
        let line = self.lines.get_mut(&line)?;
        let weather = self.weather[line.agent];
        let pipe = &mut line.pipes[way as usize];
        if pipe.ended {
            return None;
        }
        let mut delay = weather.delay + self.random.between(0, weather.jitter);
        while self.random.chance(weather.loss) {
            delay += RETRANSMISSION;
        }
        let mut at = (now + delay).max(pipe.last);
        if let Some(each) = 1_000_000_000_u64.checked_div(weather.rate) {
            at = at.max(pipe.last + each);
        }
        pipe.last = at;
        pipe.ended = matches!(packet, Packet::End);
        pipe.queue.push_back((at, packet));
        Some(at)
    }

    /// What has arrived, the oldest first.
    pub fn receive(&mut self, now: Time, line: LineId, way: Way) -> Option<Packet> {
        let line = self.lines.get_mut(&line)?;
        if self.weather[line.agent].is_cut(way) {
            return None;
        }
        let queue = &mut line.pipes[way as usize].queue;
        if queue.front()?.0 > now {
            return None;
        }
        queue.pop_front().map(|(_, packet)| packet)
    }

    /// Both sides are done with it.
    pub fn forget(&mut self, line: LineId) {
        self.lines.remove(&line);
    }

    /// Lets nothing through that way.
    pub fn cut(&mut self, agent: usize, way: Way) {
        self.weather[agent].cut[way as usize] = true;
    }

    /// Lets everything through again, what was on its way included. When what waits on which line arrives.
    pub fn mend(&mut self, now: Time, agent: usize, way: Way) -> Vec<(LineId, Time)> {
        self.weather[agent].cut[way as usize] = false;
        let mut arrivals = Vec::new();
        for (id, line) in self
            .lines
            .iter_mut()
            .filter(|(_, line)| line.agent == agent)
        {
            let pipe = &mut line.pipes[way as usize];
            // A stream tries again ever more rarely, up to about a second here.
            let late = now + self.random.between(0, 1_000 * MS);
            for (at, _) in &mut pipe.queue {
                *at = (*at).max(late);
                arrivals.push((*id, *at));
            }
            pipe.last = pipe.last.max(late);
        }
        arrivals
    }
}
