//! A later life of the controller: it finds what an earlier one left, and goes on with it.
//!
//! What happened is read from the journal and happens again, on connections that are gone: the same inputs, in the same order, lead
//! to the same state. Then agents dial, are known again, and send what was not acknowledged.

use super::{Director, Past, milliseconds, reckoning, runs::PAST};
use crate::Config;
use crate::active::Order;
use crate::clock;
use crate::fleet::Fleet;
use crate::journal::{Folder, Journal, Kept, Scribe};
use crate::link::Link;
use crate::service_control::compile;
use crate::service_fleet;
use prost::Message as _;
use proto::v1::record::What;
use proto::v1::{self, Record, RunInfo, RunOver, RunState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Controller time counts from a machine's start: nobody's is later than this, 146 years.
const LATEST: u64 = 1 << 62;

/// A journal as it was read.
#[derive(Debug, Default)]
struct Story {
    /// From the newest checkpoint on.
    records: Vec<Record>,
    /// Bytes that a crash left torn.
    cut: usize,
}

impl Director {
    /// One that keeps its runs in a directory, and goes on with what an earlier life left there. With a moment that is given no
    /// clock is read, and [`Director::write`] says when the disk takes something: for whoever stops time.
    #[must_use]
    pub fn resuming(config: Config, folder: Folder, at: Option<u64>) -> Self {
        let (kept, troubles) = folder.runs(PAST);
        for trouble in troubles {
            tracing::warn!("{trouble}; it is left alone");
        }
        let generation = folder.generation();
        let mut unfinished = Vec::new();
        let mut past = Vec::new();
        for kept in kept {
            match kept.file.finished {
                Some(_) => past.push(kept),
                None => {
                    let story = story(&folder, &kept.file.id);
                    unfinished.push((kept, story));
                }
            }
        }
        let scribe = Scribe::new(folder);
        let journal = match at {
            None => Journal::threaded(scribe, generation),
            Some(_) => Ok(Journal::here(scribe, generation)),
        };
        let mut director = match journal {
            Ok(journal) => Self::keeping(config, journal),
            Err(error) => {
                tracing::error!("no thread for the journal ({error}): nothing is kept");
                Self::new(config)
            }
        };
        director.past.extend(past.into_iter().map(over));
        // The oldest first: it is the one that had begun.
        unfinished.sort_by_key(|(kept, _)| kept.file.started_unix_ms);
        for (kept, story) in unfinished {
            director.take_up(kept, story, at);
        }
        director
    }

    fn take_up(&mut self, kept: Kept, story: Result<Story, String>, at: Option<u64>) {
        let run = kept.file.id.clone();
        let info = RunInfo {
            run: run.clone(),
            name: kept.file.name.clone(),
            state: RunState::StateOver.into(),
            started_unix_ms: kept.file.started_unix_ms,
            duration_ms: 0,
            agents: 0,
            exit_code: 0,
        };
        let (began_by, version) = (kept.file.version.clone(), &self.config.version);
        let mut over = RunOver {
            report: Vec::new(),
            exit_code: u32::from(crate::ExitCode::Fleet.code()),
            text: format!("run {run} cannot be gone on with: "),
        };
        let exit_code = i32::try_from(over.exit_code).unwrap_or(i32::MAX);
        let info = RunInfo { exit_code, ..info };
        if began_by != *version {
            // It stays as it is, for that version.
            over.text += &format!(
                "throng {began_by} began it, and this is {version}; start that version on the same directory"
            );
            tracing::error!("{}", over.text);
            self.past.push_front(Past::kept(info, over));
            return;
        }
        let taken = order(kept).and_then(|order| {
            let story = story?;
            let active = self.undertake(order);
            if story.records.is_empty() {
                // Its turn had not come.
                self.queue.push_back(active);
                return Ok(());
            }
            if self.active.is_some() {
                return Err("another run had begun, too".to_owned());
            }
            self.active = Some(active);
            self.relive(&run, story, at)
        });
        if let Err(why) = taken {
            over.text += &why;
            tracing::error!("{}", over.text);
            self.active = None;
            // Half of what was relived is of no use to anybody.
            self.fleet = Fleet::default();
            self.finished(at.unwrap_or_else(clock::now), &info, &over);
            self.past.push_front(Past::kept(info, over));
        }
    }

    /// Lets everything happen again, and goes on.
    fn relive(&mut self, run: &str, story: Story, at: Option<u64>) -> Result<(), String> {
        let (mut last, mut lease_ms) = (0, 0);
        let mut reading = None;
        let journal = self.journal.take();
        let quiet = tracing::subscriber::NoSubscriber::default();
        let relived = tracing::subscriber::with_default(quiet, || {
            for record in story.records {
                // Not the latest: a clock that was ahead may have been set back.
                last = record.now_ns;
                match record.what {
                    Some(What::Checkpoint(checkpoint)) => {
                        reading = checkpoint.clock.clone();
                        lease_ms = checkpoint.lease_ms;
                        self.recall(record.now_ns, checkpoint)?;
                    }
                    Some(what) => {
                        match &what {
                            What::Resumed(resumed) => {
                                reading = resumed.clock.clone();
                                lease_ms = resumed.lease_ms;
                            }
                            What::ClockSet(set) => reading = set.clock.clone(),
                            _ => {}
                        }
                        self.again(record.now_ns, what)?;
                    }
                    None => return Err("its journal tells of something unknown".to_owned()),
                }
            }
            Ok(())
        });
        self.journal = journal;
        relived?;
        if let Some(reading) = reading.filter(|_| at.is_none()) {
            self.recovering = !reckoning::go_on(&reading, last);
        }
        let now = at.unwrap_or_else(clock::now).max(last);
        if self.active.is_none() {
            // Its end was written, but not its report: now it is.
            self.fleet.all_away(now);
            if let Some(Past { info, over, .. }) = self.past.front() {
                let (info, over) = (info.clone(), over.clone());
                self.finished(now, &info, &over);
            }
            return Ok(());
        }
        let own_lease_ms = milliseconds(self.config.lease);
        self.keep_lease(lease_ms);
        let resumed = v1::Resumed {
            generation: self.generation(),
            away_ns: now - last,
            clock: Some(crate::journal::clock_reading(now)),
            lease_ms: milliseconds(self.config.lease),
            own_lease_ms,
            estimated: self.recovering,
        };
        tracing::warn!(
            run,
            "goes on after {:.1} s without a controller; {} bytes of its journal were torn",
            resumed.away_ns as f64 / 1e9,
            story.cut
        );
        if let Some(journal) = &mut self.journal {
            journal.go_on(now, run);
        }
        self.record(now, What::Resumed(resumed.clone()));
        self.resumed(now, &resumed);
        if let Some(active) = &mut self.active {
            active.outputs_go_on(now, &self.config.outputs, clock::ns(self.config.lease));
        }
        Ok(())
    }

    /// Agents that have not dialed yet may hold a lease of an earlier life: while one of them can, nobody is directed by a shorter one.
    /// As that is so for this life of the controller, whoever it says welcome to has the same.
    fn keep_lease(&mut self, lived_ms: u32) {
        let lived = Duration::from_millis(lived_ms.into());
        self.config.lease = self.config.lease.max(lived);
        for waiting in &mut self.queue {
            waiting.run.limits.set_lease(clock::ns(self.config.lease));
        }
    }

    /// What happens at the moment of going on.
    fn resumed(&mut self, now: u64, resumed: &v1::Resumed) {
        // Nobody is given up before one more lease is over.
        self.fleet.all_away(now);
        if let Some(active) = &mut self.active {
            let ns = |ms: u32| u64::from(ms) * 1_000_000;
            active.lease_kept(ns(resumed.lease_ms), ns(resumed.own_lease_ms));
            active.resumed(now, resumed.away_ns);
            if resumed.estimated {
                active.note(reckoning::ESTIMATED.to_owned());
            }
        }
    }

    fn recall(&mut self, now: u64, checkpoint: v1::Checkpoint) -> Result<(), String> {
        self.fleet
            .recall(checkpoint.next_agent, checkpoint.agents, now);
        let crashes = postcard::from_bytes(&checkpoint.crashes);
        *self.fleet.crashes() = crashes.map_err(|error| format!("its checkpoint: {error}"))?;
        let Some(mut active) = self.active.take() else {
            return Err("its journal goes on after its end".to_owned());
        };
        // It happened by the lease of that life, not by this one's.
        active
            .run
            .limits
            .set_lease(u64::from(checkpoint.lease_ms) * 1_000_000);
        if !checkpoint.state.is_empty() {
            active.restore(&checkpoint.state, &checkpoint.store)?;
        } else {
            let idle = active.candidates(&self.fleet, now);
            if active.event(&mut self.fleet, now, idle) {
                self.remember(now, &mut active);
                return Ok(());
            }
        }
        self.active = Some(active);
        Ok(())
    }

    /// Lets one thing happen again.
    fn again(&mut self, now: u64, what: What) -> Result<(), String> {
        match what {
            What::Checkpoint(_) => {}
            What::Joined(joined) => {
                let hello = joined.hello.unwrap_or_default();
                let link = Arc::new(Link::behind(None, now, Arc::default()));
                let id = self.hello(now, hello, link, 0);
                if id != Some(joined.agent) {
                    return Err("its journal and this throng disagree about who joined".to_owned());
                }
            }
            What::Said(said) => {
                let message = said.message.and_then(|message| message.message);
                if let (Some(message), Some(agent)) = (message, self.fleet.get(said.agent)) {
                    let (link, connection) = (agent.link.clone(), agent.connection);
                    let input = service_fleet::input(&link, connection, said.agent, message, now);
                    if let Some(input) = input {
                        self.do_input(now, input);
                    }
                }
            }
            What::Gone(gone) => {
                if let Some(departed) = self.fleet.went(gone, now) {
                    self.departed(now, departed);
                }
            }
            What::StreamEnded(ended) => {
                self.fleet.away(ended.agent);
                self.closed(now, ended.agent);
            }
            What::Tick(_) => self.time(now),
            What::Stop(request) => drop(self.stop(now, &request)),
            What::Change(request) => drop(self.change(now, &request)),
            What::Resumed(resumed) => self.resumed(now, &resumed),
            What::StoodStill(stood) => self.stood_still(now, stood.for_ns),
            What::ClockSet(set) => self.clock_set(set.by_ns),
            What::SawItself(seen) => self.tells(&seen),
        }
        Ok(())
    }
}

fn story(folder: &Folder, run: &str) -> Result<Story, String> {
    let (disk, dir) = (folder.disk(), folder.path(run).join("journal"));
    if let Ok(why) = disk.read(&dir.join("stopped")) {
        return Err(format!(
            "its journal had stopped ({})",
            String::from_utf8_lossy(&why).trim()
        ));
    }
    read(&*disk, &dir)
}

fn read(disk: &dyn journal::Disk, dir: &Path) -> Result<Story, String> {
    struct Bad(String);
    impl From<journal::Error> for Bad {
        fn from(error: journal::Error) -> Self {
            Self(error.to_string())
        }
    }
    let mut story = Story::default();
    let cut = journal::read::<Bad>(disk, dir, |_, frame| {
        let record = Record::decode(frame.payload)
            .map_err(|error| Bad(format!("{}: a record is none: {error}", dir.display())))?;
        if record.now_ns > LATEST {
            let at = dir.display();
            return Err(Bad(format!(
                "{at}: a record is of a time that cannot be ({} ns)",
                record.now_ns
            )));
        }
        if matches!(record.what, Some(What::Checkpoint(_))) {
            story.records.clear();
        }
        story.records.push(record);
        Ok(())
    });
    let cut = cut.map_err(|bad| bad.0)?;
    story.cut = cut.iter().map(|tail| tail.bytes).sum();
    match story.records.first().map(|record| &record.what) {
        None | Some(Some(What::Checkpoint(_))) => Ok(story),
        _ => Err(format!("{}: its beginning is missing", dir.display())),
    }
}

fn order(kept: Kept) -> Result<Order, String> {
    let (bundle, plan) = compile(&kept.bundle).map_err(|status| status.message().to_owned())?;
    Ok(Order {
        id: kept.file.id,
        name: bundle.name,
        seed: bundle.seed,
        unix_ms: kept.file.started_unix_ms,
        bundle: kept.bundle,
        plan,
        needs: kept.file.needs,
        weights: kept.file.weights,
    })
}

fn over(kept: Kept) -> Past {
    let file = kept.file;
    let (exit_code, text, duration_ms, agents) = file.finished.map_or_else(Default::default, |f| {
        (f.exit_code, f.text, f.duration_ms, f.agents)
    });
    let info = RunInfo {
        run: file.id,
        name: file.name,
        state: RunState::StateOver.into(),
        started_unix_ms: file.started_unix_ms,
        duration_ms,
        agents,
        exit_code: i32::try_from(exit_code).unwrap_or(i32::MAX),
    };
    let over = RunOver {
        report: kept.report,
        exit_code,
        text,
    };
    Past::kept(info, over)
}
