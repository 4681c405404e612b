//! Wall time as text.

use crate::names::civil;

/// RFC 3339 in UTC with nanoseconds, as k6's JSON has it: `2026-11-23T08:15:00.25Z`.
pub(super) fn rfc3339(unix_ns: i64) -> String {
    let ns = u64::try_from(unix_ns).unwrap_or(0);
    let (seconds, fraction) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_it() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_764_000_000_250_000_000, "2025-11-24T16:00:00.25Z"),
            (1_709_210_096_000_000_001, "2024-02-29T12:34:56.000000001Z"),
        ] {
            assert_eq!(rfc3339(ns), text);
        }
    }
}
