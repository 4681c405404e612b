//! What goes wrong: hosts, ways and the controller, and what people ask of a run meanwhile.

use super::inside::Killed;
use super::{Happening, MS, World};
use crate::net::Way;
use crate::setting::Fault;
use agent::link::core::Event;
use controller::director::Input;
use proto::v1::{
    ChangeRequest, PauseRun, ResumeRun, ScaleRun, StopMode, StopRequest, change_request, scale_run,
};
use tokio::sync::oneshot;

/// How long agents whose controller is gone for good have: their leases, what they finish, and a minute in which they look for it.
const ORPHANED: u64 = 120_000 * MS;

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.over.is_some() {
            return;
        }
        let now = self.schedule.now();
        self.note(format_args!("fault: {fault:?}"));
        match fault {
            Fault::Crash { host, closes, back } => self.crash(host, closes, back),
            Fault::Freeze { host, time } => {
                self.hosts[host].frozen = true;
                self.schedule.at(now + time, Happening::Thaw(Some(host)));
            }
            Fault::Cut {
                host,
                ways,
                time,
                resets,
            } => {
                for way in &ways {
                    self.net.cut(host, *way);
                }
                if resets {
                    self.reset(host);
                }
                self.schedule.at(now + time, Happening::Mend(host, ways));
            }
            Fault::Slow { host, rate, time } => {
                self.net.weather[host].rate = rate;
                self.schedule.at(now + time, Happening::Quick(host));
            }
            Fault::Drain { host } => {
                let process = self.hosts[host].process.as_mut();
                if process.is_some_and(|process| !std::mem::replace(&mut process.told, true)) {
                    self.short |= self.setting.min == 0 && self.t0.is_none();
                    self.step(host, Event::ShutDown);
                }
            }
            Fault::Join => {
                let free = self.hosts.iter().position(|host| host.process.is_none());
                if let Some(host) = free {
                    self.birth(host);
                }
            }
            Fault::Busy { each, time } => {
                self.controller.each = (each / 2, each);
                self.schedule.at(now + time, Happening::Thaw(None));
            }
            Fault::Stall { time } => {
                self.controller.frozen = true;
                self.schedule.at(now + time, Happening::Thaw(None));
            }
            Fault::Down {
                machine,
                time,
                lease,
            } => {
                if self.controller.full || self.controller.director.is_none() {
                    return;
                }
                self.thaw(None);
                self.inside.down = Some(now);
                for line in self.controller.crash(machine) {
                    if !machine {
                        self.send(line, Way::Down, crate::net::Packet::End);
                    }
                }
                if let Some(lease) = lease.filter(|_| self.sabotage.is_none()) {
                    self.controller.config.lease = lease;
                }
                self.schedule.at(now + time, Happening::Revive);
            }
            Fault::Gone => {
                self.orphaned = Some(now + ORPHANED);
                self.thaw(None);
                for line in self.controller.crash(true) {
                    self.send(line, Way::Down, crate::net::Packet::End);
                }
            }
            Fault::Spool { host, room } => self.hosts[host].disk.set_room(Some(room)),
            Fault::Full { room } => self.controller.fill(room),
            Fault::Pause { time } => {
                let max_ns = 600_000 * MS;
                self.change(change_request::Change::Pause(PauseRun { max_ns }));
                self.schedule.at(now + time, Happening::Resume);
            }
            Fault::Scale { factor } => {
                let scale = ScaleRun {
                    scenario: String::new(),
                    change: Some(scale_run::Change::Factor(factor)),
                };
                self.change(change_request::Change::Scale(scale));
            }
            Fault::Stop { interrupt } => {
                self.stopped = true;
                let mode = if interrupt {
                    StopMode::StopInterrupt
                } else {
                    StopMode::StopGraceful
                };
                let request = StopRequest {
                    run: self.controller.run.clone(),
                    mode: mode.into(),
                    reason: "asked to".to_owned(),
                };
                self.post(Input::Stop(request, oneshot::channel().0));
            }
        }
    }

    fn crash(&mut self, number: usize, closes: bool, back: Option<u64>) {
        let host = &mut self.hosts[number];
        host.waiting.clear();
        host.frozen = false;
        let Some(process) = host.process.take() else {
            return;
        };
        self.target.gone(process.life);
        if process.crew.is_some() && process.begins.is_none() {
            let (life, at) = (process.life, self.schedule.now());
            self.inside.killed.push(Killed { life, at });
        }
        let line = process.line;
        drop(process.writing);
        if !closes {
            // Its machine lost power, and with it what was not synced.
            host.disk.crash();
        }
        if closes && let Some(line) = line {
            self.send(line, Way::Up, crate::net::Packet::End);
        }
        if let Some(back) = back {
            let at = self.schedule.now() + back;
            self.schedule.at(at, Happening::Birth(number));
        }
    }

    /// Both ends of a host's line are told that it is gone.
    fn reset(&mut self, number: usize) {
        let Some(line) = self.hosts[number].process.as_ref().and_then(|p| p.line) else {
            return;
        };
        // A frozen process learns of it when it goes on; so it is left to find out by silence.
        if self.hosts[number].frozen {
            return;
        }
        if let Some(process) = &mut self.hosts[number].process {
            process.line = None;
        }
        self.send(line, Way::Up, crate::net::Packet::End);
        self.step(number, Event::Broken("connection reset".to_owned()));
    }

    fn change(&mut self, change: change_request::Change) {
        self.stopped = true;
        let request = ChangeRequest {
            run: self.controller.run.clone(),
            who: "sim".to_owned(),
            change: Some(change),
            asked_unix_ms: 0,
        };
        self.post(Input::Change(request, oneshot::channel().0));
    }

    pub(super) fn resume(&mut self) {
        if self.controller.director.is_none() {
            let at = self.schedule.now() + 1_000 * MS;
            self.schedule.at(at, Happening::Resume);
            return;
        }
        self.change(change_request::Change::Resume(ResumeRun {}));
    }

    pub(super) fn mend(&mut self, host: usize, ways: &[Way]) {
        let now = self.schedule.now();
        self.note(format_args!("a{host}'s way is mended"));
        for way in ways {
            for (line, at) in self.net.mend(now, host, *way) {
                self.schedule.at(at, Happening::Arrival(line, *way));
            }
        }
    }

    pub(super) fn thaw(&mut self, host: Option<usize>) {
        let now = self.schedule.now();
        let waiting = match host {
            Some(host) => {
                self.hosts[host].frozen = false;
                std::mem::take(&mut self.hosts[host].waiting)
            }
            None => {
                self.controller.frozen = false;
                self.controller.quick();
                std::mem::take(&mut self.controller.waiting)
            }
        };
        self.note(format_args!("goes on: {host:?}"));
        for happening in waiting {
            // In the order in which they came, each a moment after the other.
            let at = now + self.random.between(0, MS / 10);
            self.schedule.at(at, happening);
        }
    }
}
