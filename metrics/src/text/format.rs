//! Numbers as a person reads them: durations, bytes, shares and rates, in k6's forms.
//!
//! Times and shares are cut, not rounded: 99.999 % is not all of it.

/// A label in Prometheus' text format: `name="value"`, with what the format wants escaped in the value.
#[must_use]
pub fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// A duration in nanoseconds: `850ns`, `13.5µs`, `148.21ms`, `6.2s`, `1m30s`, `2h0m5s`.
#[must_use]
pub fn duration(ns: f64) -> String {
    // Saturates beyond 584 years; not a number becomes 0.
    let whole = ns.abs().round() as u64;
    let sign = if ns < 0.0 && whole > 0 { "-" } else { "" };
    const SECOND: u64 = 1_000_000_000;
    let seconds = whole / SECOND;
    let text = match whole {
        0 => "0s".to_owned(),
        1..1_000 => format!("{whole}ns"),
        1_000..1_000_000 => format!("{}µs", hundredths(whole / 10)),
        1_000_000..SECOND => format!("{}ms", hundredths(whole / 10_000)),
        _ if seconds < 60 => format!("{}s", hundredths(whole / (SECOND / 100))),
        _ if seconds < 3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!(
            "{}h{}m{}s",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
    };
    format!("{sign}{text}")
}

/// A number of hundredths, without trailing zeros.
fn hundredths(number: u64) -> String {
    let (whole, part) = (number / 100, number % 100);
    match (part / 10, part % 10) {
        (0, 0) => whole.to_string(),
        (tenth, 0) => format!("{whole}.{tenth}"),
        _ => format!("{whole}.{part:02}"),
    }
}

/// Bytes in powers of 1,000: `5 B`, `6.2 kB`, `110 kB`.
#[must_use]
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = count.max(0.0);
    let mut unit = 0;
    // 999.5 kB would print as 1000 kB.
    while value >= if unit == 0 { 1_000.0 } else { 999.5 } && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// A share of 0..=1: `1.61%`.
#[must_use]
pub fn share(share: f64) -> String {
    // The product of a share like 0.29 is a hair below its hundredths.
    let hundredths = (share * 1e4 + 1e-7).floor();
    format!("{:.2}%", hundredths / 100.0)
}

/// A number: whole as it is, others with two decimals, small ones with more.
#[must_use]
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        return format!("{value}");
    }
    let decimals = match value.abs() {
        0.1.. => 2,
        0.001.. => 4,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text from outside on one line: control characters, which could move the cursor, are replaced.
#[must_use]
pub fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (ns, text) in [
            (0.0, "0s"),
            (850.0, "850ns"),
            (13_500.0, "13.5µs"),
            (999_999.0, "999.99µs"),
            (4_530_000.0, "4.53ms"),
            (148_219_999.0, "148.21ms"),
            (999_999_999.0, "999.99ms"),
            (1e9, "1s"),
            (2_080_000_000.0, "2.08s"),
            (6_200_000_000.0, "6.2s"),
            (59_999_000_000.0, "59.99s"),
            (60e9, "1m0s"),
            (90.4e9, "1m30s"),
            (7_205e9, "2h0m5s"),
            (-1_500_000.0, "-1.5ms"),
            (f64::NAN, "0s"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn byte_counts() {
        for (count, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.0 kB"),
            (6_240.0, "6.2 kB"),
            (9_960.0, "10 kB"),
            (109_900.0, "110 kB"),
            (999_600.0, "1.0 MB"),
            (1.5e18, "1.5 EB"),
            (7e23, "700000 EB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn shares_are_cut() {
        for (value, text) in [
            (8.0 / 496.0, "1.61%"),
            (0.0, "0.00%"),
            (0.29, "29.00%"),
            (0.999_999, "99.99%"),
            (1.0, "100.00%"),
        ] {
            assert_eq!(share(value), text);
        }
    }

    #[test]
    fn numbers() {
        for (value, text) in [
            (496.0, "496"),
            (27.823_4, "27.82"),
            (5.301, "5.3"),
            (0.05, "0.05"),
            (0.012_34, "0.0123"),
            (0.000_012, "0.000012"),
            (-3.5, "-3.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
