//! How a run in progress is shown: a pure function from the wire's `Progress` to one line. Knows nothing of terminals or streams.

use proto::v1::Progress;

/// One line for `progress`, at most `width` columns: what matters least goes first when there is no room.
pub(crate) fn line(progress: &Progress, width: usize) -> String {
    let elapsed = clock(u64::try_from(progress.run_ns).unwrap_or(0));
    let mut parts = vec![format!("[{elapsed} / {}]", clock(progress.length_ns))];
    parts.push(format!("{}/{} VUs", progress.vus, progress.vus_planned));
    parts.push(format!("{} requests", grouped(progress.requests)));
    parts.push(format!("{:.1}/s", progress.rate));
    if progress.requests > 0 {
        parts.push(format!("p95 {}", duration(progress.p95_ns)));
        parts.push(format!(
            "{} failed",
            share(progress.failed, progress.requests)
        ));
        parts.push(format!("p50 {}", duration(progress.p50_ns)));
    }
    parts.push(format!("{} iterations", grouped(progress.iterations)));
    if progress.interrupted > 0 {
        parts.push(format!("{} interrupted", grouped(progress.interrupted)));
    }
    parts.push(match progress.agents {
        1 => "1 agent".to_owned(),
        agents => format!("{agents} agents"),
    });
    parts.extend(progress.annotations.iter().cloned());
    while parts.len() > 1 && columns(&parts) > width {
        parts.pop();
    }
    parts.join("  ")
}

fn columns(parts: &[String]) -> usize {
    parts
        .iter()
        .map(|part| part.chars().count() + 2)
        .sum::<usize>()
        - 2
}

/// `7s`, `1m05s`, `2h03m`.
fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `12.3ms`, `1.23s`: three digits are what the histograms hold.
pub(crate) fn duration(ns: u64) -> String {
    let scaled = |unit: u64| {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let value = ns as f64 / unit as f64;
        match value {
            100.0.. => format!("{value:.0}"),
            10.0.. => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    };
    match ns {
        0..1_000_000 => format!("{}µs", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", scaled(1_000_000)),
        _ => format!("{}s", scaled(1_000_000_000)),
    }
}

/// `12 345`: groups of three, so that a long number can be read at a glance.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn share(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress {
            run_ns: 65_400_000_000,
            length_ns: 3_700_000_000_000,
            agents: 12,
            vus: 57,
            vus_planned: 100,
            iterations: 1_234,
            interrupted: 0,
            requests: 1_234_567,
            failed: 19_876,
            rate: 27.82,
            p50_ns: 1_380_000_000,
            p95_ns: 6_200_000_000,
            annotations: vec!["draining".to_owned()],
        }
    }

    #[test]
    fn everything_on_a_wide_terminal() {
        insta::assert_snapshot!(line(&progress(), 200), @"[1m05s / 1h01m]  57/100 VUs  1 234 567 requests  27.8/s  p95 6.20s  1.61% failed  p50 1.38s  1 234 iterations  12 agents  draining");
    }

    #[test]
    fn a_narrow_terminal_keeps_what_matters_most() {
        for width in 0..160 {
            let line = line(&progress(), width);
            assert!(
                line.chars().count() <= width.max("[1m05s / 1h01m]".len()),
                "{width}: {line}"
            );
        }
        insta::assert_snapshot!(line(&progress(), 80), @"[1m05s / 1h01m]  57/100 VUs  1 234 567 requests  27.8/s  p95 6.20s  1.61% failed");
    }

    #[test]
    fn before_the_first_request_nothing_is_divided_by_zero() {
        insta::assert_snapshot!(line(&Progress::default(), 200), @"[0s / 0s]  0/0 VUs  0 requests  0.0/s  0 iterations  0 agents");
    }

    #[test]
    fn durations_show_three_digits() {
        let table = [
            (0, "0.00µs"),
            (999, "1.00µs"),
            (12_345, "12.3µs"),
            (4_530_000, "4.53ms"),
            (123_456_789, "123ms"),
            (8_590_000_000, "8.59s"),
        ];
        for (ns, wanted) in table {
            assert_eq!(duration(ns), wanted);
        }
    }
}
