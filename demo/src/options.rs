//! What can be set, what it is by default, and what is refused.

use std::{fmt, time::Duration};

use crate::ServiceTimes;

/// The service's numbers. [`Default`] is the service that is imitated; [`Options::fast`] is for benchmarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Concerts, with ids from 1.
    pub concerts: u32,
    /// Schedules of each concert.
    pub schedules: u32,
    /// Seats of each schedule; when `fast`, the seats on sale at any time.
    pub seats: u32,
    /// Users, with ids from 1: as many tokens as there can be.
    pub users: u32,
    /// How long a reservation holds its seats without payment.
    pub hold: Duration,
    /// Database connections: this many requests are worked on at once, the others queue.
    pub connections: usize,
    /// How long a request queues for a connection before it fails with 500.
    pub queue_timeout: Duration,
    /// How long the database works on each kind of request.
    pub service: ServiceTimes,
    /// The share (0 to 1) of reservations and payments that meet a lock, wait `lock_timeout`, and fail with 500.
    pub failure_rate: f64,
    /// How long such a request holds its connection.
    pub lock_timeout: Duration,
    /// Seeds the service times, the failures and the tokens.
    pub seed: u64,
    /// No database: no delays, no queue, no failures of its own; and sold seats are replaced.
    pub fast: bool,
    /// Threads that serve, at least 1.
    pub workers: usize,
    /// How long a stopping demo lets requests finish; then it cuts them (counted as 499).
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concerts: 10,
            schedules: 3,
            seats: 900,
            users: 100_000,
            hold: Duration::from_secs(300),
            connections: 10,
            queue_timeout: Duration::from_secs(30),
            service: ServiceTimes::default(),
            failure_rate: 0.02,
            lock_timeout: Duration::from_secs(1),
            // Of the first ten, the one whose runs lie nearest to those of the service that is imitated.
            seed: 9,
            fast: false,
            workers: 1,
            drain: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// For benchmarks: no delays, endless seats, a thread per core.
    pub fn fast() -> Self {
        Self {
            // Each listing shows the next 50 of these, so that users do not meet at the same seat.
            seats: 65_536,
            fast: true,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            ..Self::default()
        }
    }

    /// Refuses what would make no sense or would not fit in memory.
    ///
    /// # Errors
    /// The first option that is out of its range, with the range.
    pub fn check(&self) -> Result<(), BadOption> {
        let counted = |option, value: u64, most: u64| match value {
            n if (1..=most).contains(&n) => Ok(()),
            n => Err(BadOption {
                option,
                problem: format!("is {n}; it must lie between 1 and {most}"),
            }),
        };
        counted("concerts", self.concerts.into(), 1_000)?;
        counted("schedules", self.schedules.into(), 336)?;
        counted("seats", self.seats.into(), 100_000)?;
        counted("users", self.users.into(), 10_000_000)?;
        counted("connections", self.connections as u64, 100_000)?;
        counted("workers", self.workers as u64, 1_024)?;
        let total = u64::from(self.concerts) * u64::from(self.schedules) * u64::from(self.seats);
        counted("concerts x schedules x seats", total, 20_000_000)?;
        if !(0.0..=1.0).contains(&self.failure_rate) {
            let problem = format!("is {}; it is a share, from 0 to 1", self.failure_rate);
            return Err(BadOption {
                option: "failure rate",
                problem,
            });
        }
        for (option, time) in [
            ("hold", self.hold),
            ("queue timeout", self.queue_timeout),
            ("lock timeout", self.lock_timeout),
            ("drain", self.drain),
        ] {
            // Longer than any use, and short enough that no sum of times overflows.
            if time > Duration::from_secs(7 * 86_400) {
                let problem = format!("is {} s; it must not pass a week", time.as_secs());
                return Err(BadOption { option, problem });
            }
        }
        for time in self.service.all() {
            if !(0.0..=3.0).contains(&time.sigma) || time.median > Duration::from_secs(3_600) {
                let problem = format!("is {time}; the median must not pass 3600s, nor the sigma 3");
                return Err(BadOption {
                    option: "service time",
                    problem,
                });
            }
        }
        Ok(())
    }
}

/// An option out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOption {
    /// Which one, in words.
    pub option: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "demo: {} {}", self.option, self.problem)
    }
}

impl std::error::Error for BadOption {}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn the_shipped_options_are_good() {
        assert_eq!(Options::default().check(), Ok(()));
        assert_eq!(Options::fast().check(), Ok(()));
    }

    #[test]
    fn an_option_out_of_range_is_named() {
        let message = |options: Options| {
            options
                .check()
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
        };
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            message(options)
        };
        assert_eq!(
            with(|o| o.concerts = 0),
            "demo: concerts is 0; it must lie between 1 and 1000"
        );
        assert_eq!(
            with(|o| o.failure_rate = 1.5),
            "demo: failure rate is 1.5; it is a share, from 0 to 1"
        );
        assert_eq!(
            with(|o| o.failure_rate = f64::NAN),
            "demo: failure rate is NaN; it is a share, from 0 to 1"
        );
        assert_eq!(
            with(|o| (o.concerts, o.schedules, o.seats) = (1_000, 300, 1_000)),
            "demo: concerts x schedules x seats is 300000000; it must lie between 1 and 20000000"
        );
        assert_eq!(
            with(|o| o.hold = std::time::Duration::MAX),
            "demo: hold is 18446744073709551615 s; it must not pass a week"
        );
        assert_eq!(
            with(|o| o.service.seats.sigma = 4.0),
            "demo: service time is 300ms:4; the median must not pass 3600s, nor the sigma 3"
        );
    }
}
