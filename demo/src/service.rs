//! What there is: options, tokens, halls, the database and the ledger; and how to find one's way in it.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use axum::{body::Bytes, http::HeaderMap};

use crate::{
    Options, Report, ServiceTime,
    clock::Clock,
    database::{Database, Work},
    hall::{Hall, Place},
    ledger::Ledger,
    refusal::Refusal,
    tokens::Tokens,
    wire::{Schedule, Schedules, encode},
};

/// The service, shared by its threads.
pub(crate) struct Service {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) tokens: Tokens,
    /// Of concert c, schedule s (both from 1): at (c - 1) * schedules + s - 1.
    halls: Box<[Mutex<Hall>]>,
    /// Absent when fast.
    database: Option<Database>,
    pub(crate) ledger: Ledger,
    /// `GET /api/concerts/{id}/schedules` of each concert: what never changes is written once.
    schedules: Box<[Bytes]>,
}

impl Service {
    /// `options` have passed [`Options::check`].
    pub(crate) fn new(options: Options) -> Self {
        let clock = Clock::start();
        let halls = u64::from(options.concerts) * u64::from(options.schedules);
        let hall = |index| {
            Mutex::new(Hall::new(
                Place { index, halls },
                options.seats,
                options.hold,
                options.fast,
            ))
        };
        Self {
            clock,
            tokens: Tokens::new(options.users, options.seed),
            halls: (0..halls).map(hall).collect(),
            database: (!options.fast).then(|| Database::new(&options)),
            ledger: Ledger::new(options.workers, clock),
            schedules: (1..=options.concerts)
                .map(|concert| schedules(&options, concert))
                .collect(),
            options,
        }
    }

    pub(crate) fn report(&self) -> Report {
        let sold = self
            .halls
            .iter()
            .map(|hall| with(hall, |hall| hall.sold()))
            .sum();
        self.ledger.report(sold)
    }

    pub(crate) fn reset(&self) {
        self.tokens.clear();
        self.halls.iter().for_each(|hall| with(hall, Hall::reset));
        self.ledger.clear();
    }

    /// The user whose token the request bears.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Result<u64, Refusal> {
        let token = headers.get("token").ok_or(Refusal::NoToken)?;
        token
            .to_str()
            .ok()
            .and_then(|token| self.tokens.owner(token))
            .ok_or(Refusal::UnknownToken)
    }

    /// Ids that are no numbers are as unknown as those that are too large.
    fn concert(&self, concert: &str) -> Result<u32, Refusal> {
        let known = 1..=self.options.concerts;
        concert
            .parse()
            .ok()
            .filter(|id| known.contains(id))
            .ok_or(Refusal::UnknownConcert)
    }

    pub(crate) fn hall(&self, concert: &str, schedule: &str) -> Result<&Mutex<Hall>, Refusal> {
        let known = schedule_ids(&self.options, self.concert(concert)?);
        let schedule = schedule.parse::<u64>().ok().filter(|id| known.contains(id));
        let schedule = schedule.ok_or(Refusal::UnknownSchedule)?;
        Ok(&self.halls[(schedule - 1) as usize])
    }

    /// The concert's schedules, as they are answered.
    pub(crate) fn schedules(&self, concert: &str) -> Result<Bytes, Refusal> {
        Ok(self.schedules[self.concert(concert)? as usize - 1].clone())
    }

    /// Does `commit` after the database's time, or at once when fast.
    pub(crate) async fn query<T>(
        &self,
        work: Work,
        time: ServiceTime,
        commit: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match &self.database {
            Some(database) => database.run(work, time, commit).await,
            None => commit(),
        }
    }
}

/// Poison is ignored: a hall does not panic between its changes.
pub(crate) fn with<T>(hall: &Mutex<Hall>, act: impl FnOnce(&mut Hall) -> T) -> T {
    act(&mut hall.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Schedule ids, like a database's, run through all concerts.
fn schedule_ids(options: &Options, concert: u32) -> Range<u64> {
    let n = u64::from(options.schedules);
    let first = u64::from(concert - 1) * n + 1;
    first..first + n
}

fn schedules(options: &Options, concert: u32) -> Bytes {
    let dated = schedule_ids(options, concert).zip(0..);
    let schedules = dated.map(|(id, nth)| Schedule {
        id,
        date: date(concert, nth),
    });
    encode(&Schedules {
        schedules: schedules.collect(),
    })
}

/// An evening for each of a concert's schedules; months of 28 days will do.
fn date(concert: u32, nth: u64) -> String {
    format!(
        "{}-{:02}-{:02}",
        2030 + concert % 10,
        nth / 28 + 1,
        nth % 28 + 1
    )
}
