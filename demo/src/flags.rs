//! The service's numbers as command line flags, each with its environment variable.

use std::time::Duration;

use clap::Args;

use crate::{Options, ServiceTime};

/// Flags that make [`Options`]: what is not given keeps its default, that of `--fast` or of the ordinary service.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// No delays, no queue, no failures of its own, seats that never run out; a thread per core
    #[arg(long, env = "THRONG_DEMO_FAST")]
    pub fast: bool,
    /// Concerts, with ids from 1 [default: 10]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_CONCERTS")]
    pub concerts: Option<u32>,
    /// Schedules of each concert [default: 3]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_SCHEDULES")]
    pub schedules: Option<u32>,
    /// Seats of each schedule; with --fast, those on sale at any time [default: 900; with --fast 65536]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_SEATS")]
    pub seats: Option<u32>,
    /// Users, with ids from 1 [default: 100000]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_USERS")]
    pub users: Option<u32>,
    /// How long a reservation holds its seats without payment [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = time, env = "THRONG_DEMO_HOLD")]
    pub hold: Option<Duration>,
    /// Database connections: so many requests are worked on at once, the others queue [default: 10]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_CONNECTIONS")]
    pub connections: Option<usize>,
    /// How long a request queues for a connection before it fails with 500 [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "THRONG_DEMO_QUEUE_TIMEOUT")]
    pub queue_timeout: Option<Duration>,
    /// The database's work on a token, MEDIAN or MEDIAN:SIGMA of a lognormal time [default: 80ms:0.5]
    #[arg(long, value_name = "TIME", env = "THRONG_DEMO_TOKEN_TIME")]
    pub token_time: Option<ServiceTime>,
    /// The same on the schedules [default: 15ms:0.6]
    #[arg(long, value_name = "TIME", env = "THRONG_DEMO_SCHEDULES_TIME")]
    pub schedules_time: Option<ServiceTime>,
    /// The same on the free seats [default: 300ms:0.7]
    #[arg(long, value_name = "TIME", env = "THRONG_DEMO_SEATS_TIME")]
    pub seats_time: Option<ServiceTime>,
    /// The same on a reservation [default: 680ms:0.7]
    #[arg(long, value_name = "TIME", env = "THRONG_DEMO_RESERVATION_TIME")]
    pub reservation_time: Option<ServiceTime>,
    /// The same on a payment [default: 210ms:0.7]
    #[arg(long, value_name = "TIME", env = "THRONG_DEMO_PAYMENT_TIME")]
    pub payment_time: Option<ServiceTime>,
    /// The share (0 to 1) of reservations and payments that fail with 500 after a lock timeout [default: 0.02]
    #[arg(long, value_name = "SHARE", env = "THRONG_DEMO_FAILURE_RATE")]
    pub failure_rate: Option<f64>,
    /// How long such a request holds its connection [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "THRONG_DEMO_LOCK_TIMEOUT")]
    pub lock_timeout: Option<Duration>,
    /// Seeds service times, failures and tokens [default: 9]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_SEED")]
    pub seed: Option<u64>,
    /// Threads that serve [default: 1; with --fast one per core]
    #[arg(long, value_name = "N", env = "THRONG_DEMO_WORKERS")]
    pub workers: Option<usize>,
    /// How long requests may finish when the demo is stopped [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "THRONG_DEMO_DRAIN")]
    pub drain: Option<Duration>,
}

impl Flags {
    /// The options these flags stand for; [`Options::check`] judges them.
    pub fn options(&self) -> Options {
        let base = if self.fast {
            Options::fast()
        } else {
            Options::default()
        };
        let mut service = base.service;
        service.token = self.token_time.unwrap_or(service.token);
        service.schedules = self.schedules_time.unwrap_or(service.schedules);
        service.seats = self.seats_time.unwrap_or(service.seats);
        service.reservation = self.reservation_time.unwrap_or(service.reservation);
        service.payment = self.payment_time.unwrap_or(service.payment);
        Options {
            concerts: self.concerts.unwrap_or(base.concerts),
            schedules: self.schedules.unwrap_or(base.schedules),
            seats: self.seats.unwrap_or(base.seats),
            users: self.users.unwrap_or(base.users),
            hold: self.hold.unwrap_or(base.hold),
            connections: self.connections.unwrap_or(base.connections),
            queue_timeout: self.queue_timeout.unwrap_or(base.queue_timeout),
            service,
            failure_rate: self.failure_rate.unwrap_or(base.failure_rate),
            lock_timeout: self.lock_timeout.unwrap_or(base.lock_timeout),
            seed: self.seed.unwrap_or(base.seed),
            fast: self.fast,
            workers: self.workers.unwrap_or(base.workers),
            drain: self.drain.unwrap_or(base.drain),
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as `500ms`, `30s` or `5m`"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Flags;
    use crate::Options;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        flags: Flags,
    }

    fn options(line: &str) -> Result<Options, String> {
        let words = std::iter::once("demo").chain(line.split_whitespace());
        let program = Program::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(program.flags.options())
    }

    #[test]
    fn no_flags_are_the_defaults() {
        assert_eq!(options(""), Ok(Options::default()));
        assert_eq!(options("--fast"), Ok(Options::fast()));
    }

    #[test]
    fn every_flag_sets_its_option() {
        let line = "--concerts 1 --schedules 2 --seats 3 --users 4 --hold 5s --connections 6 --queue-timeout 7s \
            --token-time 8ms:0.8 --schedules-time 9ms --seats-time 10ms --reservation-time 11ms --payment-time 12ms \
            --failure-rate 0.13 --lock-timeout 14s --seed 15 --workers 16 --drain 17s";
        let got = format!("{:?}", options(line));
        let want = "Ok(Options { concerts: 1, schedules: 2, seats: 3, users: 4, hold: 5s, connections: 6, \
            queue_timeout: 7s, service: ServiceTimes { token: ServiceTime { median: 8ms, sigma: 0.8 }, \
            schedules: ServiceTime { median: 9ms, sigma: 0.0 }, seats: ServiceTime { median: 10ms, sigma: 0.0 }, \
            reservation: ServiceTime { median: 11ms, sigma: 0.0 }, payment: ServiceTime { median: 12ms, sigma: 0.0 } }, \
            failure_rate: 0.13, lock_timeout: 14s, seed: 15, fast: false, workers: 16, drain: 17s })";
        assert_eq!(got, want);
    }

    #[test]
    fn the_help_states_the_true_defaults() {
        let shown = |flag: &str| {
            let command = Program::command();
            let arg = command
                .get_arguments()
                .find(|arg| arg.get_long() == Some(flag));
            let help = arg
                .and_then(|arg| arg.get_help())
                .map(ToString::to_string)
                .unwrap_or_default();
            help.split("[default: ")
                .nth(1)
                .unwrap_or_default()
                .trim_end_matches(']')
                .to_owned()
        };
        let (ordinary, fast) = (Options::default(), Options::fast());
        let time = |time| humantime::format_duration(time).to_string();
        for (flag, default) in [
            ("concerts", ordinary.concerts.to_string()),
            ("schedules", ordinary.schedules.to_string()),
            (
                "seats",
                format!("{}; with --fast {}", ordinary.seats, fast.seats),
            ),
            ("users", ordinary.users.to_string()),
            ("hold", time(ordinary.hold)),
            ("connections", ordinary.connections.to_string()),
            ("queue-timeout", time(ordinary.queue_timeout)),
            ("token-time", ordinary.service.token.to_string()),
            ("schedules-time", ordinary.service.schedules.to_string()),
            ("seats-time", ordinary.service.seats.to_string()),
            ("reservation-time", ordinary.service.reservation.to_string()),
            ("payment-time", ordinary.service.payment.to_string()),
            ("failure-rate", ordinary.failure_rate.to_string()),
            ("lock-timeout", time(ordinary.lock_timeout)),
            ("seed", ordinary.seed.to_string()),
            (
                "workers",
                format!("{}; with --fast one per core", ordinary.workers),
            ),
            ("drain", time(ordinary.drain)),
        ] {
            assert_eq!(shown(flag), default, "--{flag}");
        }
    }

    #[test]
    fn a_bad_value_is_explained() {
        let error = options("--hold 5").err().unwrap_or_default();
        assert!(
            error.contains("write it as `500ms`, `30s` or `5m`"),
            "{error}"
        );
        let error = options("--seats-time 5").err().unwrap_or_default();
        assert!(error.contains("the median needs a unit"), "{error}");
    }
}
