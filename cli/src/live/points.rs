//! The seconds of a run as charts want them: kept by time, and folded into as many columns as there is room for. Pure.
//!
//! What can be summed or averaged over time (rates, VUs) is; percentiles never are: a column that covers several points shows the
//! highest of theirs.

use proto::v1::{Second, Seconds};

/// Points kept at most; the controller thins them out long before.
const MOST: usize = 4_096;
/// Milliseconds that a column may cover.
const STEPS: [i64; 17] = [
    200, 250, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 7_200_000, 14_400_000,
];
const MILLI: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLI;

/// Points by time.
#[derive(Debug, Clone, Default)]
pub(super) struct Points(Vec<Second>);

/// What stands in one column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Column {
    pub(super) vus_planned: f64,
    pub(super) vus: f64,
    /// Arrivals/s.
    pub(super) due: f64,
    pub(super) begun: f64,
    /// Requests/s.
    pub(super) rate: f64,
    /// `None` where nothing was answered.
    pub(super) p95_ns: Option<u64>,
}

/// Columns from T0 on. `None` is a time of which nothing is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folded {
    /// Nanoseconds that each covers.
    pub(super) step: i64,
    pub(super) columns: Vec<Option<Column>>,
}

impl Points {
    /// Takes what came.
    pub(super) fn take(&mut self, seconds: &Seconds) {
        if seconds.all {
            self.0.clear();
        }
        for point in &seconds.points {
            let Some(span) = &point.span else { continue };
            let known = self.0.binary_search_by_key(&span.from_ns, from);
            match known {
                Ok(at) => self.0[at] = *point,
                Err(at) => self.0.insert(at, *point),
            }
        }
        let extra = self.0.len().saturating_sub(MOST);
        self.0.drain(..extra);
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<&Second> {
        self.0.last()
    }

    /// True before the first.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them in at most `width` columns, each of the same length. A run of `length_ns` that fits as a whole has its place from the
    /// beginning; of a longer one a column is a second, until there are too many.
    pub(super) fn fold(&self, width: u16, length_ns: u64) -> Folded {
        let end = self.0.iter().map(to).max().unwrap_or(0).max(0);
        let width = i64::from(width.max(1));
        let length = i64::try_from(length_ns).unwrap_or(i64::MAX);
        let reach = end.max(if length > 0 {
            length.min(width * SECOND)
        } else {
            width * SECOND
        });
        let step = STEPS
            .into_iter()
            .map(|step| step * MILLI)
            .find(|step| step * width >= reach)
            .unwrap_or_else(|| (reach - 1) / width + 1);
        let length = usize::try_from((end.max(1) - 1) / step + i64::from(end > 0)).unwrap_or(0);
        let span = step;
        let mut sums = vec![Sum::default(); length];
        for point in &self.0 {
            let (begin, end) = (from(point).max(0), to(point));
            let mut index = usize::try_from(begin / span).unwrap_or(0);
            while let Some(sum) = sums.get_mut(index) {
                let left = i64::try_from(index)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(span);
                let common = end.min(left.saturating_add(span)) - begin.max(left);
                if common <= 0 {
                    break;
                }
                sum.add(point, common);
                index += 1;
            }
        }
        Folded {
            step,
            columns: sums.iter().map(Sum::column).collect(),
        }
    }
}

/// Weighted by the time that points have in common with a column.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    weight: f64,
    column: Column,
}

impl Sum {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a chart has a hundred rows at most"
    )]
    fn add(&mut self, point: &Second, common: i64) {
        let weight = common as f64;
        let sum = &mut self.column;
        self.weight += weight;
        sum.vus_planned += point.vus_planned * weight;
        sum.vus += point.vus * weight;
        sum.due += point.due * weight;
        sum.begun += point.begun * weight;
        if let Some(span) = &point.span {
            sum.rate += span.rate * weight;
            if span.requests > 0 {
                sum.p95_ns = sum.p95_ns.max(Some(span.p95_ns));
            }
        }
    }

    fn column(&self) -> Option<Column> {
        (self.weight > 0.0).then(|| Column {
            vus_planned: self.column.vus_planned / self.weight,
            vus: self.column.vus / self.weight,
            due: self.column.due / self.weight,
            begun: self.column.begun / self.weight,
            rate: self.column.rate / self.weight,
            p95_ns: self.column.p95_ns,
        })
    }
}

fn from(point: &Second) -> i64 {
    point.span.as_ref().map_or(0, |span| span.from_ns)
}

fn to(point: &Second) -> i64 {
    point.span.as_ref().map_or(0, |span| span.to_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::Span;

    fn point(from: i64, to: i64, rate: f64, p95: u64) -> Second {
        Second {
            span: Some(Span {
                from_ns: from * SECOND,
                to_ns: to * SECOND,
                requests: rate as u64,
                rate,
                p95_ns: p95,
                ..Span::default()
            }),
            vus: rate,
            ..Second::default()
        }
    }

    fn points(all: bool, points: Vec<Second>) -> Seconds {
        Seconds { all, points }
    }

    fn rates(folded: &Folded) -> Vec<Option<f64>> {
        folded
            .columns
            .iter()
            .map(|column| column.map(|column| column.rate))
            .collect()
    }

    #[test]
    fn a_point_replaces_one_that_begins_where_it_does_and_all_replaces_everything() {
        let mut kept = Points::default();
        kept.take(&points(
            true,
            vec![point(0, 1, 1.0, 0), point(1, 2, 2.0, 0)],
        ));
        kept.take(&points(
            false,
            vec![point(1, 2, 5.0, 0), point(2, 3, 3.0, 0)],
        ));
        assert_eq!(rates(&kept.fold(10, 0)), [Some(1.0), Some(5.0), Some(3.0)]);
        kept.take(&points(true, vec![point(0, 2, 4.0, 0)]));
        assert_eq!(rates(&kept.fold(10, 0)), [Some(4.0), Some(4.0)]);
    }

    #[test]
    fn columns_average_rates_and_show_the_highest_percentile() {
        let mut kept = Points::default();
        let seconds = (0..30)
            .map(|s| point(s, s + 1, s as f64, 30 - s as u64))
            .collect();
        kept.take(&points(true, seconds));
        let folded = kept.fold(10, 0);
        assert_eq!(
            folded.step,
            5 * SECOND,
            "the first step by which thirty seconds fit ten columns"
        );
        let columns: Vec<Column> = folded.columns.into_iter().flatten().collect();
        assert_eq!(columns.len(), 6);
        assert!((columns[1].rate - 7.0).abs() < 1e-9);
        assert_eq!(columns[1].p95_ns, Some(25));
    }

    #[test]
    fn points_that_straddle_columns_count_by_what_they_have_in_common() {
        let mut kept = Points::default();
        // Three seconds each, as a controller thins them; columns are two.
        kept.take(&points(
            true,
            vec![point(0, 3, 10.0, 7), point(3, 6, 40.0, 9)],
        ));
        let folded = kept.fold(3, 0);
        assert_eq!(folded.step, 2 * SECOND);
        assert_eq!(rates(&folded), [Some(10.0), Some(25.0), Some(40.0)]);
    }

    #[test]
    fn a_time_of_which_nothing_is_known_is_a_gap() {
        let mut kept = Points::default();
        kept.take(&points(
            true,
            vec![point(0, 1, 1.0, 1), point(3, 4, 1.0, 1)],
        ));
        assert_eq!(rates(&kept.fold(9, 0)), [Some(1.0), None, None, Some(1.0)]);
    }

    #[test]
    fn a_short_run_has_its_place_from_the_beginning() {
        let mut kept = Points::default();
        kept.take(&points(
            true,
            (0..4).map(|s| point(s, s + 1, s as f64, 0)).collect(),
        ));
        let table = [
            (40, 20, SECOND / 2, 8),
            (40, 40, SECOND, 4),
            (40, 0, SECOND, 4),
            (40, 4_000, SECOND, 4),
            (3, 4, 2 * SECOND, 2),
        ];
        for (width, length, step, columns) in table {
            let folded = kept.fold(width, length * 1_000_000_000);
            assert_eq!(
                (folded.step, folded.columns.len()),
                (step, columns),
                "{width} {length}"
            );
        }
    }

    #[test]
    fn any_width_and_any_length() {
        for width in [0, 1, 7, 600] {
            let mut kept = Points::default();
            assert!(kept.fold(width, 0).columns.is_empty());
            for length in [1, 59, 3_600, 400_000, 9_000_000_000] {
                kept.take(&points(true, vec![point(0, length, 1.0, 1)]));
                let columns = kept.fold(width, 0).columns.len();
                assert!(
                    (1..=usize::from(width.max(1))).contains(&columns),
                    "{width} {length}: {columns}"
                );
            }
        }
    }
}
