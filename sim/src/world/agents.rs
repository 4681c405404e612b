//! Agents' processes: the real link's core with a crew of the simulation, driven as the link's shell drives it.

use super::say::{Down, Up};
use super::spools::Writing;
use super::{Happening, MS, Process, S, World};
use crate::crew::{Crew, Orders, Scene};
use crate::net::{LineId, Packet, Way};
use crate::sabotage::Sabotage;
use crate::target::Life;
use agent::link::core::{Action, Core, Event, Failure, Look, Muster, Settings, Vitals};
use agent::{Report, StopHow};
use proto::v1::{Hello, ToAgent, from_agent, to_agent};
use std::sync::Arc;
use std::time::Duration;

/// How long an attempt to dial may take.
const ATTEMPT: u64 = 5 * S;

impl World {
    pub(super) fn birth(&mut self, number: usize) {
        let now = self.schedule.now();
        let host = &mut self.hosts[number];
        if host.process.is_some() {
            return;
        }
        let life = Life {
            host: number,
            life: host.lives,
        };
        host.lives += 1;
        host.frozen = false;
        host.waiting.clear();
        let incarnation = host.random.number();
        self.lives.insert(incarnation, life);
        let hello = Hello {
            protocol: proto::PROTOCOL,
            version: "sim".to_owned(),
            name: format!("a{number}"),
            incarnation,
            cores: host.weight,
            workers: host.weight,
            ..Hello::default()
        };
        let settings = Settings {
            hello: hello.clone(),
            controller: "http://controller".to_owned(),
            give_up: Duration::from_secs(60),
            drain: Duration::from_secs(15),
            keeps: host.random.chance(500) || self.setting.keeps,
            noise: host.random.number(),
        };
        let core = Core::new(host.clock.reads(now), settings);
        host.process = Some(Process {
            life,
            hello,
            name: String::new(),
            core,
            crew: None,
            line: None,
            dialing: None,
            begins: None,
            looking: None,
            keeps: 0,
            disk: 0,
            writing: Writing::new(host.disk.clone(), incarnation),
            doing: None,
            wake: None,
            told: false,
        });
        self.note(format_args!("a{number} begins, life {}", life.life));
        self.step(number, Event::Time);
    }

    /// Puts an event to a process's core, does what it says, and sends what it has.
    pub(super) fn step(&mut self, number: usize, event: Event) {
        let now = self.schedule.now();
        let host = &mut self.hosts[number];
        let Some(process) = &mut host.process else {
            return;
        };
        let actions = process.core.step(host.clock.reads(now), event);
        for action in actions {
            self.act(number, action);
        }
        self.settle(number);
    }

    fn act(&mut self, number: usize, action: Action) {
        let now = self.schedule.now();
        let host_clock = self.hosts[number].clock;
        let Some(process) = &mut self.hosts[number].process else {
            return;
        };
        let life = process.life;
        match action {
            Action::Dial => self.dial(number),
            Action::HangUp => {
                let lines = [
                    process.line.take(),
                    process.dialing.take().map(|(line, _)| line),
                ];
                for line in lines.into_iter().flatten() {
                    self.log.line(now, format_args!("a{number} hangs up"));
                    self.send(line, Way::Up, Packet::End);
                }
            }
            Action::Compile(run, chunks) => {
                let takes = self.random.between(MS, 40 * MS);
                let happening = Happening::Compiled(life, run, chunks);
                self.schedule.at(now + takes, happening);
            }
            Action::Look(look, _) => {
                process.looking = Some(look.clone());
                let takes = self.random.between(MS, 300 * MS);
                self.schedule.at(now + takes, Happening::Looked(life, look));
            }
            Action::StopLooking => process.looking = None,
            Action::Muster(muster) => self.muster(number, muster),
            Action::Stop(how) => {
                self.log
                    .line(now, format_args!("a{number} is to stop its crew: {how:?}"));
                if let Some((crew, _)) = &mut process.crew
                    && !(self.sabotage == Some(Sabotage::NoFencing) && how == StopHow::Interrupt)
                {
                    crew.stop(how);
                }
            }
            Action::Change(control) => {
                if let Some((crew, _)) = &mut process.crew {
                    crew.change(control);
                }
            }
            Action::Reassign(assignment) => {
                if let Some((crew, _)) = &mut process.crew {
                    let reads = host_clock.reads(now);
                    let shares = assignment.shares;
                    crew.reassign(assignment.plan, shares, &assignment.waiting, reads);
                    // Workers obey when they next look up.
                    let happening = Happening::Obeyed(life, assignment.epoch);
                    let takes = self.random.between(0, 5 * MS);
                    self.schedule.at(now + takes, happening);
                }
            }
            Action::Grant {
                scenario,
                indexes,
                last,
            } => {
                if let Some((crew, _)) = &mut process.crew {
                    crew.grant(scenario, indexes, last);
                }
            }
            Action::DropCrew => {
                process.crew = None;
                self.target.gone(life);
            }
            Action::Keep(keep) => self.keep(number, keep),
            Action::Phase(job) => self.phase(number, job),
            Action::CutPhase => self.cut_phase(number),
            Action::DropPhase => process.doing = None,
            Action::End(how) => {
                let line = process.line.take();
                // It does not end before its disk is done.
                self.write(number, u64::MAX);
                self.hosts[number].process = None;
                self.target.gone(life);
                if let Some(line) = line {
                    self.send(line, Way::Up, Packet::End);
                }
                self.note(format_args!("a{number} ends: {how:?}"));
            }
        }
    }

    fn dial(&mut self, number: usize) {
        let now = self.schedule.now();
        let line = self.net.open(number);
        let host = &mut self.hosts[number];
        let reads = host.clock.reads(now);
        let Some(process) = &mut host.process else {
            return;
        };
        process.dialing = Some((line, reads));
        let unanswered = Happening::Unanswered(process.life, line);
        let hello = process.hello.clone();
        self.note(format_args!("a{number} dials"));
        // Where no process listens, the machine says so.
        let patience = if self.controller.director.is_some() {
            ATTEMPT
        } else {
            5 * MS
        };
        self.schedule.at(now + patience, unanswered);
        self.send(line, Way::Up, Packet::Up(from_agent::Message::Hello(hello)));
    }

    pub(super) fn unanswered(&mut self, life: Life, line: LineId) {
        if self.frozen(life.host, Happening::Unanswered(life, line)) || !self.is_here(life) {
            return;
        }
        let Some(process) = &mut self.hosts[life.host].process else {
            return;
        };
        if process.dialing.is_some_and(|(dialed, _)| dialed == line) {
            process.dialing = None;
            self.send(line, Way::Up, Packet::End);
            let failure = Failure::Unreachable("no answer within 5 s".to_owned());
            self.step(life.host, Event::Dialed(Err(failure)));
        }
    }

    fn muster(&mut self, number: usize, muster: Muster) {
        let Some(process) = &mut self.hosts[number].process else {
            return;
        };
        // Every host here has booted before the run.
        let t0 = u64::try_from(muster.t0).unwrap_or(0);
        let crew = Crew::new(Orders {
            plan: muster.plan,
            shares: muster.part.shares,
            waiting: muster.part.waiting,
            seat: muster.part.seat as usize,
            t0,
            control: muster.control,
            life: process.life,
        });
        process.crew = Some((crew, Arc::clone(&muster.fence)));
        process.begins = Some(t0);
        self.mustered.insert(process.life);
        self.note(format_args!("a{number} musters"));
    }

    pub(super) fn looked(&mut self, number: usize, look: Look) {
        let Some(process) = &mut self.hosts[number].process else {
            return;
        };
        if process.looking.as_ref() == Some(&look) {
            process.looking = None;
            self.step(number, Event::Looked(look, Ok(())));
        }
    }

    /// All workers of a crew go by an assignment.
    pub(super) fn obeyed(&mut self, number: usize, epoch: u32) {
        let process = self.hosts[number].process.as_ref();
        if let Some((crew, _)) = process.and_then(|process| process.crew.as_ref()) {
            let held = crew.held();
            self.step(number, Event::Report(Report::Taken { epoch, held }));
        }
    }

    pub(super) fn wake(&mut self, life: Life) {
        if self.frozen(life.host, Happening::Wake(life)) || !self.is_here(life) {
            return;
        }
        let now = self.schedule.now();
        let Some(process) = &mut self.hosts[life.host].process else {
            return;
        };
        // A wake that was overtaken by an earlier one.
        if process.wake.is_none_or(|(_, at)| at > now) {
            return;
        }
        process.wake = None;
        // Workers and link are threads of their own: after a pause either may be first.
        if self.random.chance(500) {
            self.turn(life.host);
            self.step(life.host, Event::Time);
        } else {
            self.step(life.host, Event::Time);
            self.turn(life.host);
        }
    }

    /// Lets the crew do what is due.
    fn turn(&mut self, number: usize) {
        let now = self.schedule.now();
        let host = &mut self.hosts[number];
        let Some(process) = &mut host.process else {
            return;
        };
        let Some((crew, fence)) = &mut process.crew else {
            return;
        };
        let reads = host.clock.reads(now);
        if process.begins.is_some_and(|t0| reads >= t0) {
            process.begins = None;
            let name = process.name.clone();
            self.begins.entry(name).or_default().push(now);
        }
        let open_until = match self.sabotage {
            Some(Sabotage::NoFencing) => u64::MAX,
            _ => fence.until(),
        };
        let mut scene = Scene {
            at: now,
            clock: host.clock,
            target: &mut self.target,
            random: &mut host.random,
            open_until,
            reports: Vec::new(),
        };
        let over = crew.turn(&mut scene);
        let last = over.then(|| vitals(crew, reads));
        let interrupted = crew.was_interrupted();
        for report in scene.reports {
            self.step(number, Event::Report(report));
        }
        if let Some(last) = last {
            self.note(format_args!("a{number}'s crew is done"));
            if let Some(process) = &mut self.hosts[number].process {
                process.crew = None;
            }
            self.step(number, Event::CrewOver { interrupted, last });
        } else {
            self.settle(number);
        }
    }

    /// Sends what there is room for, and sees to it that the process wakes up in time.
    fn settle(&mut self, number: usize) {
        let now = self.schedule.now();
        let mut stuck = false;
        loop {
            let host = &mut self.hosts[number];
            let reads = host.clock.reads(now);
            let Some(process) = &mut host.process else {
                return;
            };
            let Some(line) = process.line.filter(|_| process.core.has_outgoing(reads)) else {
                break;
            };
            if !self.net.has_room(line, Way::Up) {
                stuck = true;
                break;
            }
            let crew = process.crew.as_ref().map(|(crew, _)| crew);
            let message = process
                .core
                .next(reads, || crew.map(|crew| vitals(crew, reads)));
            let Some(mut message) = message else { break };
            if self.sabotage == Some(Sabotage::OtherBytes)
                && let from_agent::Message::Interval(interval) = &mut message
            {
                let of = (interval.incarnation, interval.agent, interval.sequence);
                if self.intervals.contains_key(&of) {
                    interval.to_ns += 1;
                }
            }
            self.note(format_args!("a{number} says {}", Up(&message)));
            if let from_agent::Message::Started(started) = &message {
                self.target.stated(number, started.uncertainty_ns);
            }
            let leaves = matches!(message, from_agent::Message::Leave(_));
            self.send(line, Way::Up, Packet::Up(message));
            if leaves {
                self.send(line, Way::Up, Packet::End);
            }
        }
        let host = &mut self.hosts[number];
        let reads = host.clock.reads(now);
        let Some(process) = &mut host.process else {
            return;
        };
        let crew = process.crew.as_ref();
        if let Some((_, fence)) = crew {
            self.target
                .extend(process.life, host.clock.when(fence.until()));
        }
        let fence = crew.map(|(_, fence)| fence.until());
        let next = crew.and_then(|(crew, _)| crew.next(reads));
        let due = [
            process.core.deadline(),
            next,
            fence.filter(|at| *at > reads),
        ];
        let Some(due) = due.into_iter().flatten().min() else {
            return;
        };
        let due = if stuck { due.min(reads + 20 * MS) } else { due };
        if process.wake.is_none_or(|(first, _)| due < first) {
            let late = host.random.between(0, host.late);
            let at = host.clock.when(due).max(now) + late;
            process.wake = Some((due, at));
            let life = process.life;
            self.schedule.at(at, Happening::Wake(life));
        }
    }

    pub(super) fn arrived_down(&mut self, number: usize, line: LineId) {
        let now = self.schedule.now();
        while let Some(packet) = self.net.receive(now, line, Way::Down) {
            let Some(process) = &mut self.hosts[number].process else {
                return;
            };
            if let Some((_, sent)) = process.dialing.filter(|(dialed, _)| *dialed == line) {
                process.dialing = None;
                let result = match packet {
                    Packet::Down(to_agent::Message::Welcome(mut welcome)) => {
                        if self.sabotage == Some(Sabotage::LongLease) {
                            welcome.lease_ms *= 2;
                        }
                        process.line = Some(line);
                        process.name.clone_from(&welcome.name);
                        Ok((welcome, sent))
                    }
                    Packet::Down(to_agent::Message::Refused(refused)) => Err(Failure::Refused {
                        reason: refused.reason,
                        retry: refused.retry,
                    }),
                    Packet::Down(to_agent::Message::Goodbye(_)) => Err(Failure::SentHome),
                    _ => Err(Failure::Unreachable("the stream closed".to_owned())),
                };
                self.note(format_args!("a{number} is answered: {result:?}"));
                self.step(number, Event::Dialed(result));
            } else if process.line == Some(line) {
                match packet {
                    Packet::Down(message) => {
                        self.log
                            .line(now, format_args!("a{number} hears {}", Down(&message)));
                        self.heard(number, message);
                    }
                    Packet::Up(_) | Packet::End => {
                        process.line = None;
                        self.log.line(now, format_args!("a{number}'s line ends"));
                        let why = "the controller closed the stream".to_owned();
                        self.step(number, Event::Broken(why));
                    }
                }
            }
        }
    }

    fn heard(&mut self, number: usize, message: to_agent::Message) {
        let message = ToAgent {
            message: Some(message),
        };
        self.step(number, Event::Message(message));
        self.turn(number);
    }
}

fn vitals(crew: &Crew, reads: u64) -> Vitals {
    Vitals {
        totals: crew.totals(reads),
        health: None,
        vus: crew.vus(),
        held: crew.held(),
    }
}
