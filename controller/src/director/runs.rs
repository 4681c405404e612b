//! Runs one after the other: whose turn it is, who waits, and what is remembered of those that are over.

use super::{Director, Past, Watched};
use crate::Refusal;
use crate::active::{Active, Order};
use crate::clock;
use crate::names;
use crate::run::{Event, Limits};
use proto::v1::record::What;
use proto::v1::{self, RunEvent, RunInfo, RunState};
use std::collections::BTreeSet;

/// Runs that may wait for their turn.
const QUEUE: usize = 100;
/// Runs that are remembered after their end.
pub(super) const PAST: usize = 50;

impl Director {
    pub(super) fn start(
        &mut self,
        now: u64,
        mut order: Order,
        queue: bool,
    ) -> Result<v1::StartReply, Refusal> {
        if self.closing {
            return Err(Refusal::Busy("the controller is ending".to_owned()));
        }
        if let Some(active) = self.active.as_ref().filter(|_| !queue) {
            let id = &active.order.id;
            return Err(Refusal::Busy(format!(
                "run {id} is in progress ({}), and this one was not to wait; watch it with `throng wait {id}`, or end it with \
                 `throng stop {id}`",
                state_word(active.run.state())
            )));
        }
        if self.queue.len() >= QUEUE {
            return Err(Refusal::Full(format!(
                "{QUEUE} runs wait for their turn already"
            )));
        }
        order.id = names::run_id(order.unix_ms, &self.ids());
        let run = order.id.clone();
        self.ordered(now, &order);
        let mut active = self.undertake(order);
        let queued_behind = match &self.active {
            Some(first) => {
                let text = match self.queue.len() {
                    0 => format!("queued behind {}", first.order.id),
                    more => format!("queued behind {} and {more} more", first.order.id),
                };
                active.announce(RunState::StateQueued, text);
                self.queue.len() as u32 + 1
            }
            None => 0,
        };
        self.queue.push_back(active);
        self.begin(now);
        Ok(v1::StartReply { run, queued_behind })
    }

    /// A run whose turn has not come.
    pub(super) fn undertake(&self, order: Order) -> Active {
        let prepare = clock::ns(self.config.prepare);
        let limits = Limits::new(prepare, clock::ns(self.config.lease));
        Active::new(order, limits, self.config.version.clone())
    }

    fn ids(&self) -> BTreeSet<String> {
        let present = self
            .active
            .iter()
            .chain(&self.queue)
            .map(|active| active.order.id.clone());
        present
            .chain(self.past.iter().map(|past| past.info.run.clone()))
            .collect()
    }

    /// Lets the next run begin if none is active. Loops, for a run may end at once.
    pub(super) fn begin(&mut self, now: u64) {
        while self.active.is_none() {
            let Some(mut active) = self.queue.pop_front() else {
                return;
            };
            active.outputs_start(&self.config.outputs, clock::ns(self.config.lease));
            self.begun(now, &active);
            let idle = active.candidates(&self.fleet, now);
            let over = active.event(&mut self.fleet, now, idle);
            if over {
                self.remember(now, &mut active);
            } else {
                self.active = Some(active);
            }
        }
    }

    /// The active run is over.
    pub(super) fn next(&mut self, now: u64) {
        if let Some(mut active) = self.active.take() {
            self.remember(now, &mut active);
        }
        self.begin(now);
    }

    pub(super) fn remember(&mut self, now: u64, active: &mut Active) {
        let Some(over) = active.over.take() else {
            return;
        };
        let info = RunInfo {
            exit_code: i32::try_from(over.exit_code).unwrap_or(i32::MAX),
            ..info(active, now)
        };
        self.over(now, active, &info, &over);
        let view = active.last_seen().map(Box::new);
        self.past.push_front(Past { info, over, view });
        self.past.truncate(PAST);
    }

    pub(super) fn watch(&mut self, now: u64, run: &str) -> Result<Watched, Refusal> {
        if let Some(active) = self
            .active
            .iter_mut()
            .chain(&mut self.queue)
            .find(|active| active.order.id == run)
        {
            let (first, follows) = active.watch(&self.fleet, now);
            return Ok((first, Some(follows)));
        }
        let past = self
            .past
            .iter()
            .find(|past| past.info.run == run)
            .ok_or_else(|| self.unknown(run))?;
        let view = past.view.as_deref().cloned();
        let events = view.map(v1::run_event::Event::View).into_iter();
        let events = events.chain([v1::run_event::Event::Over(past.over.clone())]);
        let told = events.map(|event| RunEvent { event: Some(event) });
        Ok((told.collect(), None))
    }

    /// A run that is not over.
    pub(super) fn active_or_waiting(&self, run: &str) -> Option<&Active> {
        let mut present = self.active.iter().chain(&self.queue);
        present.find(|active| active.order.id == run)
    }

    fn is_active(&self, run: &str) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.order.id == run)
    }

    fn unknown(&self, run: &str) -> Refusal {
        Refusal::NoSuchRun(format!(
            "no run is called {}; {}`throng runs` lists the last {PAST}",
            names::clean(run),
            plan::near_miss(run, self.ids().iter().map(String::as_str))
                .map_or_else(String::new, |near| format!("did you mean {near}? "))
        ))
    }

    pub(super) fn stop(
        &mut self,
        now: u64,
        request: &v1::StopRequest,
    ) -> Result<v1::StopReply, Refusal> {
        let run = &request.run;
        let event = Event::Stop(request.mode(), names::printable(&request.reason));
        if self.is_active(run) {
            self.record(now, What::Stop(request.clone()));
        }
        if let Some(active) = self
            .active
            .as_mut()
            .filter(|active| active.order.id == *run)
        {
            if active.event(&mut self.fleet, now, event) {
                self.next(now);
            }
            return Ok(v1::StopReply { was_running: true });
        }
        if let Some(place) = self.queue.iter().position(|active| active.order.id == *run) {
            if let Some(mut active) = self.queue.remove(place) {
                active.event(&mut self.fleet, now, event);
                self.remember(now, &mut active);
            }
            return Ok(v1::StopReply { was_running: true });
        }
        if self.past.iter().any(|past| past.info.run == *run) {
            return Ok(v1::StopReply { was_running: false });
        }
        Err(self.unknown(run))
    }

    pub(super) fn change(
        &mut self,
        now: u64,
        request: &v1::ChangeRequest,
    ) -> Result<v1::ChangeReply, Refusal> {
        let run = &request.run;
        if self.is_active(run) {
            self.record(now, What::Change(request.clone()));
        }
        if let Some(active) = self
            .active
            .as_mut()
            .filter(|active| active.order.id == *run)
        {
            return active.change(&mut self.fleet, now, request);
        }
        if self.queue.iter().any(|active| active.order.id == *run) {
            return Err(Refusal::Wrong(format!(
                "run {run} waits for its turn; change it when its load has begun"
            )));
        }
        if self.past.iter().any(|past| past.info.run == *run) {
            return Err(Refusal::Wrong(format!(
                "run {run} is over; `throng wait {run}` prints its report"
            )));
        }
        Err(self.unknown(run))
    }

    pub(super) fn runs(&self, now: u64) -> Vec<RunInfo> {
        let present = self
            .active
            .iter()
            .chain(&self.queue)
            .map(|active| info(active, now));
        present
            .chain(self.past.iter().map(|past| past.info.clone()))
            .collect()
    }
}

fn info(active: &Active, now: u64) -> RunInfo {
    RunInfo {
        run: active.order.id.clone(),
        name: active.order.name.clone(),
        state: active.state().into(),
        started_unix_ms: active.order.unix_ms,
        duration_ms: u64::try_from(active.run_time(now)).unwrap_or(0) / 1_000_000,
        agents: active.members.len() as u32,
        exit_code: -1,
    }
}

/// A state for people: `load`.
pub(crate) fn state_word(state: RunState) -> String {
    state
        .as_str_name()
        .trim_start_matches("STATE_")
        .to_lowercase()
}
