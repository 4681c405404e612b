//! The intervals of one run that the controller has not acknowledged.
//!
//! Pure. An interval gets its number, and its final bytes, when it is first handed out for sending; from then on it is frozen
//! until it is acknowledged. Those never handed out coalesce when there are too many, naming the time they cover: a slow link
//! costs resolution, never truth.

use metrics::{Interval, Series, Tags};
use prost::Message;
use std::collections::{HashMap, VecDeque};

/// Intervals kept; at one a second two minutes at full resolution.
pub(crate) const MOST: usize = 120;
/// What one message may hold before its series are split over several, in bytes; a single series is far below.
const LARGEST: usize = proto::MAX_MESSAGE / 2;

/// One interval that was never handed out.
#[derive(Debug)]
struct Fresh {
    from: i64,
    to: i64,
    series: Vec<Series>,
}

/// The unacknowledged intervals of one agent's life in one run.
#[derive(Debug)]
pub(crate) struct Spool {
    run: String,
    seat: u32,
    incarnation: u64,
    /// Handed out at least once, in the order of their numbers, without gaps.
    frozen: VecDeque<proto::v1::Interval>,
    /// How many of `frozen` were handed out on this connection.
    sent: usize,
    fresh: VecDeque<Fresh>,
    /// The number of the next one to be frozen.
    next: u64,
    /// From this number on they wait for the disk.
    held: u64,
    /// Whether none is frozen but by [`Spool::freeze_up_to`].
    told: bool,
}

impl Spool {
    /// An empty one.
    pub(crate) fn new(run: &str, seat: u32, incarnation: u64) -> Self {
        Self {
            run: run.to_owned(),
            seat,
            incarnation,
            frozen: VecDeque::new(),
            sent: 0,
            fresh: VecDeque::new(),
            next: 0,
            held: u64::MAX,
            told: false,
        }
    }

    /// How many intervals it holds: none of them is acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.frozen.len() + self.fresh.len()
    }

    /// Keeps what was seen between two run times.
    pub(crate) fn push(&mut self, from: i64, to: i64, series: Vec<Series>) {
        self.fresh.push_back(Fresh { from, to, series });
        if self.frozen.len() + self.fresh.len() > MOST {
            self.coalesce();
        }
    }

    /// Makes one of the two neighbours that together cover the least time, so that resolution is lost evenly.
    fn coalesce(&mut self) {
        let spans = self.fresh.iter().zip(self.fresh.iter().skip(1));
        let shortest = spans
            .enumerate()
            .min_by_key(|(_, (first, second))| second.to.saturating_sub(first.from))
            .map(|(index, _)| index);
        let Some(index) = shortest else { return };
        if let Some(second) = self.fresh.remove(index + 1) {
            let first = &mut self.fresh[index];
            first.to = second.to;
            merge(&mut first.series, second.series);
        }
    }

    /// True if [`Spool::take`] would give one.
    pub(crate) fn has_unsent(&self) -> bool {
        match self.frozen.get(self.sent) {
            Some(interval) => interval.sequence < self.held,
            None => self.may_freeze(),
        }
    }

    /// Freezes while fewer than this are frozen; the pieces that were made. They are not handed out yet.
    pub(crate) fn freeze_up_to(&mut self, most: usize) -> Vec<proto::v1::Interval> {
        let from = self.frozen.len();
        while self.frozen.len() < most && !self.fresh.is_empty() {
            self.freeze();
        }
        self.frozen.iter().skip(from).cloned().collect()
    }

    /// Whether intervals get their final form only by [`Spool::freeze_up_to`], and not when there is room to send them.
    pub(crate) fn wait_for_word(&mut self, told: bool) {
        self.told = told;
    }

    /// From this number on nothing is handed out yet; an earlier hold stays.
    pub(crate) fn hold(&mut self, sequence: u64) {
        self.held = self.held.min(sequence);
    }

    /// Everything may be handed out.
    pub(crate) fn release(&mut self) {
        self.held = u64::MAX;
    }

    /// Frozen ones cannot coalesce, so that beyond the bound nothing more is frozen until something was acknowledged.
    fn may_freeze(&self) -> bool {
        !self.told && !self.fresh.is_empty() && self.frozen.len() < MOST
    }

    /// The next interval for this connection.
    pub(crate) fn take(&mut self) -> Option<proto::v1::Interval> {
        if self.sent == self.frozen.len() && self.may_freeze() {
            self.freeze();
        }
        let interval = self.frozen.get(self.sent)?;
        if interval.sequence >= self.held {
            return None;
        }
        let interval = interval.clone();
        self.sent += 1;
        Some(interval)
    }

    /// Gives the oldest fresh one its final form: one message, or several if it is too large for one.
    fn freeze(&mut self) {
        let Some(Fresh {
            from,
            to,
            mut series,
        }) = self.fresh.pop_front()
        else {
            return;
        };
        // Pieces after the first cover a nanosecond each, so levels belong into the first one.
        series.sort_by_key(|one| {
            !one.values
                .iter()
                .any(|(metric, _)| metric.kind() == metrics::Kind::Gauge)
        });
        let whole = Interval {
            agent: self.seat,
            incarnation: self.incarnation,
            sequence: self.next,
            from,
            to,
            series,
        };
        let pieces = split(proto::convert::to_wire(&self.run, &whole), LARGEST);
        self.next += pieces.len() as u64;
        self.frozen.extend(pieces);
    }

    /// Everything up to and including this number is safe. Numbers that were never handed out are not.
    pub(crate) fn ack(&mut self, sequence: u64) {
        let safe = self
            .frozen
            .iter()
            .take_while(|interval| interval.sequence <= sequence)
            .count();
        self.frozen.drain(..safe);
        self.sent = self.sent.saturating_sub(safe);
    }

    /// A new connection: everything unacknowledged is to be handed out again, the same as before.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// True if some were never handed out, be it that they may not be yet.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// True if nothing waits, neither to be sent nor to be acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.frozen.is_empty() && self.fresh.is_empty()
    }

    /// How many were made; final once [`Spool::has_fresh`] is false and no more are pushed.
    pub(crate) fn made(&self) -> u64 {
        self.next
    }
}

/// Adds the newer series to the older ones, by their tags.
fn merge(into: &mut Vec<Series>, newer: Vec<Series>) {
    let mut known: HashMap<Tags, usize> =
        into.iter().map(|one| one.tags.clone()).zip(0..).collect();
    for one in newer {
        let Some(index) = known.get(&one.tags) else {
            known.insert(one.tags.clone(), into.len());
            into.push(one);
            continue;
        };
        let values = &mut into[*index].values;
        for (metric, value) in one.values {
            match values.iter_mut().find(|(known, _)| *known == metric) {
                Some((_, sum)) => {
                    let merged = sum.merge(&value);
                    debug_assert!(merged.is_ok(), "one metric has one kind");
                }
                None => values.push((metric, value)),
            }
        }
    }
}

/// Cuts an interval into messages of at most about `largest` bytes, with consecutive numbers. Their times add up to the
/// interval's: all but the first cover one nanosecond each at its end, within the same second.
fn split(whole: proto::v1::Interval, largest: usize) -> Vec<proto::v1::Interval> {
    if whole.encoded_len() <= largest {
        return vec![whole];
    }
    let proto::v1::Interval { series, .. } = &whole;
    let mut cuts: Vec<Vec<proto::v1::Series>> = vec![Vec::new()];
    let mut bytes = 0;
    for one in series {
        let size = one.encoded_len();
        if bytes > 0 && bytes + size > largest {
            cuts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(last) = cuts.last_mut() {
            last.push(one.clone());
        }
    }
    let (from, to) = (whole.from_ns, whole.to_ns);
    let end = |left: i64| to.saturating_sub(left).max(from);
    let pieces = i64::try_from(cuts.len()).unwrap_or(i64::MAX);
    (0..pieces)
        .zip(cuts)
        .map(|(index, series)| proto::v1::Interval {
            sequence: whole.sequence + index.unsigned_abs(),
            from_ns: if index == 0 {
                from
            } else {
                end(pieces - index)
            },
            to_ns: end(pieces - 1 - index),
            series,
            run: whole.run.clone(),
            ..whole
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use metrics::{Metric, Value};

    const S: i64 = 1_000_000_000;

    fn series(tag: &str, requests: f64, level: f64) -> Series {
        Series {
            tags: Tags::default().with("name", tag),
            values: vec![
                (Metric::HttpReqs, Value::counter(requests)),
                (Metric::Vus, Value::gauge(level)),
            ],
        }
    }

    fn fill(spool: &mut Spool, seconds: std::ops::Range<i64>) {
        for second in seconds {
            spool.push(
                second * S,
                (second + 1) * S,
                vec![series("a", 1.0, second as f64)],
            );
        }
    }

    fn drain(spool: &mut Spool) -> Vec<proto::v1::Interval> {
        std::iter::from_fn(|| spool.take()).collect()
    }

    fn numbers(all: &[proto::v1::Interval]) -> Vec<u64> {
        all.iter().map(|interval| interval.sequence).collect()
    }

    fn requests(all: &[proto::v1::Interval]) -> f64 {
        let samples = all
            .iter()
            .flat_map(|interval| &interval.series)
            .flat_map(|series| &series.values);
        samples
            .filter_map(|sample| match sample.value {
                Some(proto::v1::sample::Value::Counter(sum)) => Some(sum),
                _ => None,
            })
            .sum()
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_the_same() {
        let mut spool = Spool::new("r", 3, 7);
        fill(&mut spool, 0..3);
        let first = drain(&mut spool);
        assert_eq!(numbers(&first), [0, 1, 2]);
        assert_eq!((first[0].agent, first[0].incarnation), (3, 7));
        assert!(!spool.has_unsent());
        spool.ack(0);
        fill(&mut spool, 3..4);
        spool.rewind();
        let second = drain(&mut spool);
        assert_eq!(numbers(&second), [1, 2, 3]);
        assert_eq!(
            second[..2],
            first[1..],
            "the same number is the same message"
        );
        spool.ack(3);
        assert!(spool.is_empty());
        assert_eq!(spool.made(), 4);
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_loses_nothing() {
        let mut spool = Spool::new("r", 0, 7);
        fill(&mut spool, 0..3);
        assert!(spool.take().is_some());
        spool.ack(99);
        assert_eq!(numbers(&drain(&mut spool)), [1, 2]);
        spool.ack(0);
        spool.rewind();
        assert_eq!(numbers(&drain(&mut spool)), [1, 2]);
    }

    #[test]
    fn what_was_never_sent_coalesces_and_stays_true() {
        let mut spool = Spool::new("r", 0, 7);
        fill(&mut spool, 0..100);
        let sent: Vec<_> = (0..50).filter_map(|_| spool.take()).collect();
        fill(&mut spool, 100..1_000);
        assert!(spool.frozen.len() + spool.fresh.len() <= MOST);
        spool.rewind();
        let all = drain(&mut spool);
        assert_eq!(all[..50], sent, "what was sent is never changed");
        assert_eq!(all.len(), MOST);
        assert_eq!(numbers(&all), (0..MOST as u64).collect::<Vec<_>>());
        assert!(
            all.windows(2).all(|pair| pair[0].to_ns == pair[1].from_ns),
            "no gap, no overlap"
        );
        assert_eq!((all[0].from_ns, all[MOST - 1].to_ns), (0, 1_000 * S));
        assert_eq!(requests(&all), 1_000.0);
        let longest = all
            .iter()
            .map(|interval| (interval.to_ns - interval.from_ns) / S)
            .max();
        assert!(
            longest <= Some(32),
            "resolution is lost evenly: {longest:?} s"
        );
    }

    #[test]
    fn a_controller_that_never_acknowledges_costs_bounded_memory() {
        let mut spool = Spool::new("r", 0, 7);
        let mut sent = Vec::new();
        for second in 0..1_000 {
            fill(&mut spool, second..second + 1);
            sent.extend(drain(&mut spool));
            assert!(spool.frozen.len() + spool.fresh.len() <= MOST + 1);
        }
        assert_eq!(sent.len(), MOST);
        spool.ack(sent[MOST - 1].sequence);
        sent.extend(drain(&mut spool));
        assert_eq!(requests(&sent), 1_000.0);
    }

    #[test]
    fn coalescing_adds_by_tags_and_keeps_the_newest_level() {
        let mut all = vec![series("a", 1.0, 5.0), series("b", 2.0, 1.0)];
        merge(&mut all, vec![series("c", 4.0, 1.0), series("a", 8.0, 3.0)]);
        let counts: Vec<_> = all
            .iter()
            .map(|one| (one.tags.get("name"), one.values[0].1.clone()))
            .collect();
        assert_eq!(
            counts,
            [
                (Some("a"), Value::counter(9.0)),
                (Some("b"), Value::counter(2.0)),
                (Some("c"), Value::counter(4.0))
            ]
        );
        let level = Value::Gauge {
            last: 3.0,
            min: 3.0,
            max: 5.0,
        };
        assert_eq!(all[0].values[1].1, level);
    }

    #[test]
    fn what_is_too_large_for_one_message_is_split_and_adds_up() {
        let many: Vec<Series> = (0..10).map(|i| series(&i.to_string(), 1.0, 1.0)).collect();
        let whole = proto::convert::to_wire(
            "r",
            &Interval {
                agent: 1,
                incarnation: 7,
                sequence: 5,
                from: 0,
                to: S,
                series: many,
            },
        );
        let largest = whole.encoded_len() / 3;
        let pieces = split(whole.clone(), largest);
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.encoded_len() < largest * 2));
        assert_eq!(requests(&pieces), 10.0);
        assert_eq!(
            numbers(&pieces),
            (5..5 + pieces.len() as u64).collect::<Vec<_>>()
        );
        assert!(
            pieces
                .windows(2)
                .all(|pair| pair[0].to_ns == pair[1].from_ns)
        );
        assert_eq!(
            (pieces[0].from_ns, pieces.last().map(|piece| piece.to_ns)),
            (0, Some(S))
        );
        for piece in &pieces {
            proto::convert::from_wire(piece).unwrap();
        }
        assert_eq!(split(whole.clone(), whole.encoded_len()), [whole]);
    }
}
