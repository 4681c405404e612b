//! Durations as k6 and Go write them: `1s`, `1m30s`, `500ms`, `1.5s`, `100us`, `1d12h`; a bare number is milliseconds.

use std::time::Duration;

/// Longest duration anything may take: ten years. With it all arithmetic on curves fits its integers.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

const UNITS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Reads a duration.
///
/// # Errors
/// What is wrong with it, for a person: unknown unit, no number, negative, more than ten years.
pub fn parse(text: &str) -> Result<Duration, String> {
    let written = text.trim();
    if written.starts_with('-') {
        return Err(format!("`{written}` is negative; a duration cannot be"));
    }
    let mut rest = written.strip_prefix('+').unwrap_or(written);
    if rest.is_empty() {
        return Err("a duration is missing".to_owned());
    }
    if rest.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return nanos(rest, 1_000_000, written);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let Some((_, unit_nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(if unit.is_empty() {
                format!("`{written}` lacks a unit after `{number}`")
            } else {
                format!(
                    "`{written}` has no unit of time in `{unit}`; units are ns, us, ms, s, m, h, d"
                )
            });
        };
        let part = nanos(number, *unit_nanos, written)?;
        total = total.checked_add(part).unwrap_or(Duration::MAX);
        rest = tail;
    }
    within_limit(total, written)
}

/// `1.5` of a unit, exactly; digits below a nanosecond are cut, as Go cuts them.
fn nanos(number: &str, unit: u128, written: &str) -> Result<Duration, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let good = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !good(whole) || !good(fraction) {
        return Err(format!(
            "`{written}` is not a duration such as `10s` or `1m30s`"
        ));
    }
    let too_long = || format!("`{written}` is longer than ten years");
    let whole: u128 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| too_long())?,
    };
    let mut nanos = whole.checked_mul(unit).ok_or_else(too_long)?;
    let mut scale = unit;
    let mut below = 0;
    let mut weight: u128 = 1;
    // Eighteen digits of a day still fit; further ones are far below a nanosecond.
    for digit in fraction.bytes().take(18) {
        below = below * 10 + u128::from(digit - b'0');
        weight *= 10;
    }
    scale *= below;
    nanos = nanos.checked_add(scale / weight).ok_or_else(too_long)?;
    let nanos = u64::try_from(nanos).map_err(|_| too_long())?;
    within_limit(Duration::from_nanos(nanos), written)
}

fn within_limit(duration: Duration, written: &str) -> Result<Duration, String> {
    if duration > LONGEST {
        return Err(format!("`{written}` is longer than ten years"));
    }
    Ok(duration)
}

/// Writes a duration as Go does: `1m30s`, `1.5s`, `250ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let fraction = |value: u128, unit: u128, name: &str| {
        let whole = value / unit;
        let digits = unit.ilog10() as usize;
        let below = format!("{:0digits$}", value % unit);
        let below = below.trim_end_matches('0');
        if value.is_multiple_of(unit) {
            format!("{whole}{name}")
        } else {
            format!("{whole}.{below}{name}")
        }
    };
    match nanos {
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
            let mut text = String::new();
            if hours > 0 {
                text.push_str(&format!("{hours}h"));
            }
            if hours > 0 || minutes > 0 {
                text.push_str(&format!("{minutes}m"));
            }
            text.push_str(&fraction(nanos % 60_000_000_000, 1_000_000_000, "s"));
            text
        }
    }
}

/// A checked duration in nanoseconds; ten years fit into 64 bits many times.
pub(crate) fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_k6_and_go_write() {
        let table = [
            ("1s", 1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("100us", 100_000),
            ("100µs", 100_000),
            ("7ns", 7),
            ("1.9ns", 1),
            ("1d12h", 129_600_000_000_000),
            ("1500", 1_500_000_000),
            ("1.5", 1_500_000),
            ("0", 0),
            ("0s", 0),
            ("+2h", 7_200_000_000_000),
            ("1h0m0.000000001s", 3_600_000_000_001),
        ];
        for (text, nanos) in table {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "s",
            "1x",
            "-1s",
            "1s-",
            "1 s",
            "1s1",
            "1.2.3s",
            ".",
            ".s",
            "11y",
            "1e3s",
            "4000d",
            "99999999999999999999999s",
            "9999999999999999999999999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for nanos in [
            1,
            999,
            1_000,
            1_500,
            2_000_000,
            1_234_567,
            1_000_000_000,
            61_000_000_000,
            3_600_000_000_000,
            5_430_500_000_000,
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(
                parse(&format(duration)),
                Ok(duration),
                "{}",
                format(duration)
            );
        }
        assert_eq!(format(Duration::from_millis(90_500)), "1m30.5s");
        assert_eq!(format(Duration::from_secs(3600)), "1h0m0s");
        assert_eq!(format(Duration::from_micros(1500)), "1.5ms");
    }
}
