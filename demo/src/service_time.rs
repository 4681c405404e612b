//! How long the pretended database works on each kind of request.

use std::{str::FromStr, time::Duration};

use crate::draw::Draw;

/// A lognormal service time: half of the requests take less than `median`, and `sigma` says how
/// unequal they are (0: all the same; 0.7: one in twenty takes over three medians).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceTime {
    /// The time that half of the requests stay below.
    pub median: Duration,
    /// The standard deviation of the time's natural logarithm, 0 to 3.
    pub sigma: f64,
}

impl ServiceTime {
    const fn millis(median: u64, sigma: f64) -> Self {
        Self {
            median: Duration::from_millis(median),
            sigma,
        }
    }

    /// One service time: `median * e^(sigma * z)` for a standard normal z, at most an hour.
    pub(crate) fn draw(&self, draw: &mut Draw) -> Duration {
        let seconds = self.median.as_secs_f64() * (self.sigma * draw.normal()).exp();
        Duration::from_secs_f64(seconds.clamp(0.0, 3_600.0))
    }
}

/// Written `MEDIAN` or `MEDIAN:SIGMA`, the median as `250ms`, `1.5s` or `800us`: `660ms:0.7`.
impl FromStr for ServiceTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (median, sigma) = text.split_once(':').unwrap_or((text, "0"));
        let split = median
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(median.len());
        let (number, unit) = median.split_at(split);
        let scale = match unit {
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            _ => {
                return Err(format!(
                    "`{text}`: the median needs a unit, s, ms or us, as in `660ms:0.7`"
                ));
            }
        };
        let seconds = number
            .parse::<f64>()
            .map_err(|_| format!("`{text}`: `{number}` is not a number"))?
            * scale;
        if !(0.0..=3_600.0).contains(&seconds) {
            return Err(format!("`{text}`: the median must lie between 0 and 3600s"));
        }
        let sigma = sigma
            .parse::<f64>()
            .map_err(|_| format!("`{text}`: the sigma `{sigma}` is not a number"))?;
        if !(0.0..=3.0).contains(&sigma) {
            return Err(format!("`{text}`: the sigma must lie between 0 and 3"));
        }
        Ok(Self {
            median: Duration::from_secs_f64(seconds),
            sigma,
        })
    }
}

/// Writes what [`FromStr`] reads.
impl std::fmt::Display for ServiceTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}ms:{}", self.median.as_secs_f64() * 1e3, self.sigma)
    }
}

/// A service time per route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceTimes {
    /// `GET /api/waiting-queue/position`
    pub token: ServiceTime,
    /// `GET /api/concerts/{id}/schedules`
    pub schedules: ServiceTime,
    /// `GET .../seats`
    pub seats: ServiceTime,
    /// `POST .../seats/reservation`
    pub reservation: ServiceTime,
    /// `POST .../seats/reservation/payment`
    pub payment: ServiceTime,
}

impl ServiceTimes {
    pub(crate) fn all(&self) -> [ServiceTime; 5] {
        [
            self.token,
            self.schedules,
            self.seats,
            self.reservation,
            self.payment,
        ]
    }
}

/// Fitted by simulating 100 users in the closed system of the reservation scenario (a ramp of 1 s,
/// think times 1, 1, 2 and 1 s, ten connections served first come, first served) until the mean,
/// median, p90, p95, maximum and rate came near those of the service that is imitated.
impl Default for ServiceTimes {
    fn default() -> Self {
        Self {
            token: ServiceTime::millis(80, 0.5),
            schedules: ServiceTime::millis(15, 0.6),
            seats: ServiceTime::millis(300, 0.7),
            reservation: ServiceTime::millis(680, 0.7),
            payment: ServiceTime::millis(210, 0.7),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ServiceTime, ServiceTimes};
    use crate::draw::Draw;

    #[test]
    fn half_of_the_draws_stay_below_the_median_and_one_in_twenty_passes_its_p95() {
        let time = ServiceTimes::default().reservation;
        let mut drawn: Vec<Duration> = (0..20_001)
            .map(|n| time.draw(&mut Draw::new(3, n)))
            .collect();
        drawn.sort();
        let near = |got: Duration, want: f64| (got.as_secs_f64() / want - 1.0).abs() < 0.05;
        assert!(near(drawn[10_000], 0.680), "median {:?}", drawn[10_000]);
        assert!(
            near(drawn[19_000], 0.680 * (0.7 * 1.644_854f64).exp()),
            "p95 {:?}",
            drawn[19_000]
        );
    }

    #[test]
    fn service_times_are_read_as_written() {
        let ok = |s: &str| {
            s.parse::<ServiceTime>()
                .map(|t| (t.median.as_micros(), t.sigma))
        };
        assert_eq!(ok("660ms:0.7"), Ok((660_000, 0.7)));
        assert_eq!(ok("1.5s"), Ok((1_500_000, 0.0)));
        assert_eq!(ok("800us:1"), Ok((800, 1.0)));
        for time in [
            ServiceTimes::default().token,
            ServiceTimes::default().payment,
        ] {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn a_bad_service_time_says_what_is_wrong() {
        let bad = |s: &str| s.parse::<ServiceTime>().err().unwrap_or_default();
        assert_eq!(
            bad("660"),
            "`660`: the median needs a unit, s, ms or us, as in `660ms:0.7`"
        );
        assert_eq!(
            bad("xs"),
            "`xs`: the median needs a unit, s, ms or us, as in `660ms:0.7`"
        );
        assert_eq!(bad("-1s"), "`-1s`: the median must lie between 0 and 3600s");
        assert_eq!(bad("1.2.3s"), "`1.2.3s`: `1.2.3` is not a number");
        assert_eq!(bad("1s:9"), "`1s:9`: the sigma must lie between 0 and 3");
        assert_eq!(
            bad("1s:NaN"),
            "`1s:NaN`: the sigma must lie between 0 and 3"
        );
    }
}
