//! The table that `cpu` prints.

use serde_json::{Value, json};
use std::time::Duration;

/// One client against one server: what it cost, over all rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) target: &'static str,
    pub(crate) work: &'static str,
    pub(crate) client: &'static str,
    pub(crate) rounds: Vec<Round>,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) time: Duration,
    pub(crate) requests: u64,
    /// Not answered with 200.
    pub(crate) failed: u64,
    /// Slower than it was told to be: what it cost is of another rate.
    pub(crate) slow: bool,
    pub(crate) client_cpu: Duration,
    pub(crate) server_cpu: Duration,
}

impl Round {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }

    fn per_request(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }
}

impl Row {
    /// The rounds that kept the pace; all, if none did.
    fn counted(&self) -> impl Iterator<Item = &Round> {
        let all = self.all_slow();
        self.rounds.iter().filter(move |round| all || !round.slow)
    }

    fn all_slow(&self) -> bool {
        self.rounds.iter().all(|round| round.slow)
    }

    /// The round in which the client needed least: others were disturbed more.
    pub(crate) fn best(&self) -> Option<&Round> {
        self.counted().min_by(|a, b| {
            a.per_request(a.client_cpu)
                .total_cmp(&b.per_request(b.client_cpu))
        })
    }

    /// Microseconds of the client's CPU per request: least, most.
    fn client(&self) -> Option<(f64, f64)> {
        let costs = || {
            self.counted()
                .map(|round| round.per_request(round.client_cpu))
        };
        Some((costs().reduce(f64::min)?, costs().reduce(f64::max)?))
    }

    fn server(&self) -> Option<f64> {
        self.counted()
            .map(|round| round.per_request(round.server_cpu))
            .reduce(f64::min)
    }
}

/// The floor's cost for the same work against the same server.
fn floor(rows: &[Row], row: &Row) -> Option<f64> {
    let floor = rows.iter().find(|other| {
        other.client == "floor" && other.target == row.target && other.work == row.work
    })?;
    Some(floor.client()?.0)
}

/// For people.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<12} {:<12} {:<22} {:>10} {:>14} {:>9} {:>14}\n",
        "target", "work", "client", "requests/s", "µs CPU/request", "x floor", "server µs CPU"
    );
    for row in rows {
        let (Some(best), Some((least, most)), Some(server)) =
            (row.best(), row.client(), row.server())
        else {
            continue;
        };
        let ratio = floor(rows, row).map_or(String::new(), |floor| format!("{:.2}", least / floor));
        let mut spread = if row.rounds.len() > 1 {
            format!("{least:.1} ({most:.1})")
        } else {
            format!("{least:.1}")
        };
        // The name of the note below the table.
        if row.all_slow() {
            spread.push('*');
        }
        out += &format!(
            "{:<12} {:<12} {:<22} {:>10.0} {:>14} {:>9} {:>14.1}\n",
            row.target,
            row.work,
            row.client,
            best.rate(),
            spread,
            ratio,
            server
        );
    }
    if rows.iter().any(Row::all_slow) {
        out += "* no round kept the pace: the cost is of the rate that was reached, not of the one that was asked for\n";
    }
    let server = |target: &str| {
        rows.iter()
            .filter(|row| row.client == "floor" && row.work == "GET" && row.target == target)
            .find_map(Row::server)
    };
    if let (Some(nginx), Some(demo)) = (server("nginx"), server("demo --fast")) {
        out += &format!(
            "\ndemo --fast costs {:.2} times nginx's CPU per request (bare GET, under the floor's load)\n",
            demo / nginx
        );
    }
    out
}

/// For machines.
pub(crate) fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let (least, most) = row.client().unwrap_or_default();
        json!({
            "target": row.target, "work": row.work, "client": row.client,
            "requests_per_second": row.best().map(Round::rate), "client_us": { "min": least, "max": most },
            "server_us": row.server(), "times_floor": floor(rows, row).map(|floor| least / floor),
        })
    };
    Value::Array(rows.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: &'static str, client: &'static str, micros: u64, server: u64) -> Row {
        let round = |extra| Round {
            time: Duration::from_secs(2),
            requests: 1000,
            failed: 0,
            slow: false,
            client_cpu: Duration::from_micros(1000 * (micros + extra)),
            server_cpu: Duration::from_micros(1000 * (server + extra)),
        };
        Row {
            target,
            work: "GET",
            client,
            rounds: vec![round(1), round(0)],
        }
    }

    #[test]
    fn costs_are_told_beside_the_floor_s() {
        let rows = [
            row("nginx", "floor", 10, 5),
            row("nginx", "wrk", 12, 5),
            row("demo --fast", "floor", 10, 8),
        ];
        let mut slow = row("nginx", "throng run", 20, 5);
        slow.rounds.iter_mut().for_each(|round| round.slow = true);
        let mut half = row("nginx", "half", 14, 5);
        half.rounds[1].slow = true;
        let rows: Vec<Row> = rows.into_iter().chain([slow, half]).collect();
        let expected = "\
target       work         client                 requests/s µs CPU/request   x floor  server µs CPU
nginx        GET          floor                         500    10.0 (11.0)      1.00            5.0
nginx        GET          wrk                           500    12.0 (13.0)      1.20            5.0
demo --fast  GET          floor                         500    10.0 (11.0)      1.00            8.0
nginx        GET          throng run                    500   20.0 (21.0)*      2.00            5.0
nginx        GET          half                          500    15.0 (15.0)      1.50            6.0
* no round kept the pace: the cost is of the rate that was reached, not of the one that was asked for

demo --fast costs 1.60 times nginx's CPU per request (bare GET, under the floor's load)
";
        assert_eq!(render(&rows), expected);
    }
}
