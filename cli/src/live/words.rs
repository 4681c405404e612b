//! Numbers as they stand in the live view: short, and never wider than their column. Pure.

use crate::progress::duration;

/// `0:12`, `1:05`, `1:02:03`.
pub(super) fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// The same, of a run time that may lie before T0.
pub(super) fn run_clock(ns: i64) -> String {
    if ns < 0 {
        // Rounded away from zero, so that `-0:00` is never shown.
        format!(
            "-{}",
            clock(ns.unsigned_abs().div_ceil(1_000_000_000) * 1_000_000_000)
        )
    } else {
        clock(ns.unsigned_abs())
    }
}

/// `12.3ms`; `-` where nothing was measured.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0 => "-".to_owned(),
        ns if ns >= 10_000_000_000_000 => "hours".to_owned(),
        ns => duration(ns),
    }
}

/// `123 456`, `1.23M`: at most seven columns.
pub(super) fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{} {:03}", number / 1_000, number % 1_000),
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        _ => large(number as f64),
    }
}

/// Something per second: `0`, `5.6`, `27.8`, `123`, `1 234`, `1.23M`; at most seven columns.
pub(super) fn rate(value: f64) -> String {
    match value {
        ..0.05 => "0".to_owned(),
        ..99.95 => format!("{value:.1}"),
        ..999_999.5 => count(whole(value)),
        value if value.is_finite() => large(value),
        _ => "-".to_owned(),
    }
}

/// A quantity that is an integer at heart but may come as the mean of several seconds: `57`, `5.5`.
pub(super) fn amount(value: f64) -> String {
    if value >= 10.0 || (value - value.round()).abs() < 0.05 {
        count(whole(value))
    } else {
        rate(value)
    }
}

/// `57/100`: at most thirteen columns.
pub(super) fn of(part: &str, whole: &str) -> String {
    let text = format!("{part}/{whole}");
    if text.len() > 13 {
        // Without the gaps between groups of digits.
        text.replace(' ', "")
    } else {
        text
    }
}

/// `1.61%` of a whole; `0%` for none at all, and never for a few.
pub(super) fn share(part: u64, of: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let percent = part as f64 * 100.0 / of as f64;
    match (part, of) {
        (_, 0) => "-".to_owned(),
        (0, _) => "0%".to_owned(),
        _ if percent < 0.01 => "<0.01%".to_owned(),
        _ => self::percent(percent),
    }
}

/// `0.07%`, `1.61%`, `12.3%`, `100%`.
pub(super) fn percent(percent: f64) -> String {
    match percent {
        ..9.995 => format!("{percent:.2}%"),
        ..99.95 => format!("{percent:.1}%"),
        _ => format!("{percent:.0}%"),
    }
}

/// Thousandths of the plan as a factor: `1.1`.
pub(super) fn factor(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

/// A line of the log without the sequences that colour it on a terminal: `ESC [ … letter`.
pub(super) fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        let end = sequence.find(|char: char| ('@'..='~').contains(&char));
        rest = end.map_or("", |end| &sequence[end + 1..]);
    }
    plain.push_str(rest);
    plain
}

fn large(value: f64) -> String {
    let (value, unit) = match value {
        ..999.5e6 => (value / 1e6, "M"),
        ..999.5e9 => (value / 1e9, "G"),
        _ => (value / 1e12, "T"),
    };
    match value {
        ..9.995 => format!("{value:.2}{unit}"),
        ..99.95 => format!("{value:.1}{unit}"),
        _ => format!("{value:.0}{unit}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest integer there is"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let table = [
            (0, "0:00"),
            (12, "0:12"),
            (65, "1:05"),
            (3_723, "1:02:03"),
            (360_000, "100:00:00"),
        ];
        for (seconds, wanted) in table {
            assert_eq!(clock(seconds * 1_000_000_000), wanted);
        }
        assert_eq!(run_clock(-1_400_000_000), "-0:02");
        assert_eq!(run_clock(1_400_000_000), "0:01");
        assert_eq!(run_clock(i64::MIN), "-2562047:47:17");
    }

    #[test]
    fn counts_and_rates_fit_their_columns() {
        let counts = [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (123_456, "123 456"),
            (1_234_567, "1.23M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18446744T"),
        ];
        for (number, wanted) in counts {
            assert_eq!(count(number), wanted);
        }
        let rates = [
            (0.0, "0"),
            (5.57, "5.6"),
            (99.94, "99.9"),
            (99.96, "100"),
            (1_234.4, "1 234"),
            (1_234_567.0, "1.23M"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ];
        for (value, wanted) in rates {
            assert_eq!(rate(value), wanted, "{value}");
        }
        let amounts = [
            (57.0, "57"),
            (57.4, "57"),
            (5.5, "5.5"),
            (5.0, "5"),
            (0.02, "0"),
        ];
        for (value, wanted) in amounts {
            assert_eq!(amount(value), wanted, "{value}");
        }
        assert_eq!(of("57", "100"), "57/100");
        assert_eq!(of("123 456", "123 456"), "123456/123456");
    }

    #[test]
    fn shares_never_hide_a_failure() {
        let table = [
            (0, 0, "-"),
            (0, 5, "0%"),
            (1, 1_000_000, "<0.01%"),
            (8, 496, "1.61%"),
            (1, 8, "12.5%"),
            (5, 5, "100%"),
        ];
        for (part, of, wanted) in table {
            assert_eq!(share(part, of), wanted);
        }
    }

    #[test]
    fn colours_of_log_lines_are_taken_out() {
        let table = [
            ("plain", "plain"),
            ("\x1b[33m WARN\x1b[0m x\x1b[3;1my\x1b[0m", " WARN xy"),
            ("cut off \x1b[33", "cut off "),
            ("\x1b]0;title", "\x1b]0;title"),
        ];
        for (colored, wanted) in table {
            assert_eq!(without_colors(colored), wanted);
        }
    }

    #[test]
    fn factors_are_exact() {
        let table = [
            (1_000, "1"),
            (1_100, "1.1"),
            (0, "0"),
            (1_125, "1.125"),
            (20_000, "20"),
        ];
        for (thousandths, wanted) in table {
            assert_eq!(factor(thousandths), wanted);
        }
    }
}
