//! Names of runs and agents: short, sortable, readable, unique.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// Longest agent name, in characters; longer wishes are cut.
const LONGEST: usize = 64;

/// A run's id: `r-20261123-0342-k3f9`. The wall time labels it; the tail tells apart runs of one minute.
#[must_use]
pub fn run_id(unix_ms: u64, taken: &BTreeSet<String>) -> String {
    (0_u64..)
        .map(|attempt| run_id_with(unix_ms, RandomState::new().hash_one((unix_ms, attempt))))
        .find(|id| !taken.contains(id))
        .unwrap_or_default()
}

fn run_id_with(unix_ms: u64, random: u64) -> String {
    // No vowels, and nothing that looks like something else.
    const LETTERS: &[u8; 28] = b"23456789bcdfghjkmnpqrstvwxyz";
    let (year, month, day) = civil(unix_ms / 86_400_000);
    let minutes = unix_ms / 60_000 % 1440;
    let mut rest = random;
    let tail: String = (0..4)
        .map(|_| {
            let letter = LETTERS[(rest % 28) as usize];
            rest /= 28;
            char::from(letter)
        })
        .collect();
    format!(
        "r-{year:04}{month:02}{day:02}-{:02}{:02}-{tail}",
        minutes / 60,
        minutes % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar (Howard Hinnant's
/// `civil_from_days`).
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// The wall time that labels a run's id, to the minute; `None` if it is not of our making.
#[must_use]
pub fn run_unix_ms(id: &str) -> Option<u64> {
    let mut parts = id.strip_prefix("r-")?.split('-');
    let (date, time) = (parts.next()?, parts.next()?);
    let number = |text: &str, range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (
        number(date, 0..4)?,
        number(date, 4..6)?,
        number(date, 6..8)?,
    );
    let (hours, minutes) = (number(time, 0..2)?, number(time, 2..4)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Hinnant's `days_from_civil`.
    let year = year - u64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    let days = year / 400 * 146_097 + of_era - 719_468;
    Some(((days * 24 + hours) * 60 + minutes) * 60_000)
}

/// A wish made fit to print: no control characters, not empty, not endless.
#[must_use]
pub fn clean(wish: &str) -> String {
    let name = printable(wish);
    if name.is_empty() {
        "agent".to_owned()
    } else {
        name
    }
}

/// A short text from outside, fit to print; may be empty.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = text.trim().chars().filter(|c| !c.is_control());
    shown.take(LONGEST).collect()
}

/// The wish itself, or the first of `wish-2`, `wish-3`, … that nobody has.
#[must_use]
pub fn unique(wish: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(wish) {
        return wish.to_owned();
    }
    (2_u64..)
        .map(|number| format!("{wish}-{number}"))
        .find(|name| !taken(name))
        .unwrap_or_default()
}

/// Sorts `agent-2` before `agent-10`: digits by their value, everything else as text.
#[must_use]
pub fn order(name: &str) -> Vec<(bool, u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        key.push(match part.parse() {
            Ok(number) => (false, number, String::new()),
            Err(_) => (true, 0, part.to_owned()),
        });
        rest = tail;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_carry_the_date_and_sort_by_it() {
        for (unix_ms, label) in [
            (0, "r-19700101-0000-"),
            (951_782_399_000, "r-20000228-2359-"),
            (951_782_400_000, "r-20000229-0000-"),
            (1_795_405_320_000, "r-20261123-0342-"),
        ] {
            assert!(
                run_id(unix_ms, &BTreeSet::new()).starts_with(label),
                "{label}"
            );
        }
        assert_eq!(run_id_with(0, 0), "r-19700101-0000-2222");
        for unix_ms in [0, 951_782_340_000, 951_782_400_000, 1_795_405_320_000] {
            assert_eq!(run_unix_ms(&run_id_with(unix_ms, 7)), Some(unix_ms));
        }
        for foreign in ["", "r", "r-1-1-a", "r-20261323-0342-x", "run-20261123-0342"] {
            assert_eq!(run_unix_ms(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_second_agent_of_a_name_gets_a_number() {
        let taken = ["web", "web-2"];
        assert_eq!(unique("web", |name| taken.contains(&name)), "web-3");
        assert_eq!(unique("db", |name| taken.contains(&name)), "db");
    }

    #[test]
    fn wishes_are_made_fit_to_print() {
        assert_eq!(clean("  a\u{1b}[31m\n"), "a[31m");
        assert_eq!(clean("\t"), "agent");
        assert_eq!(clean(&"x".repeat(99)).len(), LONGEST);
    }

    #[test]
    fn names_sort_by_their_numbers() {
        let mut names = [
            "agent-10",
            "agent-2",
            "agent-1",
            "b",
            "agent-99999999999999999999999",
        ];
        names.sort_by_key(|name| order(name));
        assert_eq!(
            names,
            [
                "agent-1",
                "agent-2",
                "agent-10",
                "agent-99999999999999999999999",
                "b"
            ]
        );
    }
}
