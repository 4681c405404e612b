//! Counts of throng's summary and of the demo's ledger in one form, so that they can be held against each other.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use std::collections::BTreeMap;

/// A route's count for each status.
pub(crate) type Counts = BTreeMap<(String, String), u64>;

/// The ledger's counts.
pub(crate) fn ledger(ledger: &Value) -> Counts {
    let mut counts = Counts::new();
    for (route, statuses) in ledger["routes"].as_object().unwrap() {
        for (status, count) in statuses.as_object().unwrap() {
            counts.insert((route.clone(), status.clone()), count.as_u64().unwrap());
        }
    }
    counts
}

pub(crate) fn count(summary: &Value, metric: &str) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    summary["metrics"][metric]["values"]["count"]
        .as_f64()
        .map(|count| count as u64)
        .unwrap_or(0)
}

/// The report's counts, by the names of the steps of the test's scenario.
pub(crate) fn reported(summary: &Value) -> Counts {
    let steps = [
        ("token", "GET /api/waiting-queue/position"),
        ("schedules", "GET /api/concerts/{id}/schedules"),
        ("seats", "GET /api/concerts/{id}/schedules/{sid}/seats"),
        (
            "reservation",
            "POST /api/concerts/{id}/schedules/{sid}/seats/reservation",
        ),
        (
            "payment",
            "POST /api/concerts/{id}/schedules/{sid}/seats/reservation/payment",
        ),
    ];
    let mut counts = Counts::new();
    for (name, route) in steps {
        for status in ["200", "401", "409"] {
            let found = count(
                summary,
                &format!("http_reqs{{name:{name},status:{status}}}"),
            );
            if found > 0 {
                counts.insert((route.to_owned(), status.to_owned()), found);
            }
        }
    }
    counts
}

/// Passes and fails of every check.
pub(crate) fn checks(summary: &Value) -> BTreeMap<String, (u64, u64)> {
    let checks = summary["root_group"]["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| {
            (
                check["name"].as_str().unwrap().to_owned(),
                (
                    check["passes"].as_u64().unwrap(),
                    check["fails"].as_u64().unwrap(),
                ),
            )
        })
        .collect()
}
