//! HDR histograms of durations in nanoseconds: what is counted, read by rank and merged.
//!
//! The layout is HdrHistogram's (so the wire form is its V2, see `v2.rs`), kept here rather than in the
//! `hdrhistogram` crate because three things are needed that it does not offer: reading a value by its rank, decoding
//! straight into an accumulator, and work in proportion to what was touched (a worker resets hundreds of histograms a
//! second). The crate is the referee in this room's tests. Knows nothing of sums, extremes or metrics.

use crate::v2::{self, DecodeError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Significant decimal digits: 3 for durations, 2 for phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Digits {
    /// Relative error at most 1 % (0.4 % as read here, from the middle of a bucket).
    Two,
    /// Relative error at most 0.1 % (0.05 % as read here, from the middle of a bucket).
    Three,
}

impl Digits {
    /// The number, as HdrHistogram writes it.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Digits::Two => 2,
            Digits::Three => 3,
        }
    }

    /// From the number, if it is one we use.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Digits> {
        match number {
            2 => Some(Digits::Two),
            3 => Some(Digits::Three),
            _ => None,
        }
    }

    /// Buckets per doubling, as a power of two: the first one that resolves 2·10^digits values, halved.
    const fn magnitude(self) -> u32 {
        match self {
            Digits::Two => 7,
            Digits::Three => 10,
        }
    }

    /// Buckets from 0 to [`Histogram::HIGHEST`].
    #[must_use]
    pub const fn slots(self) -> usize {
        index_of(self.magnitude(), Histogram::HIGHEST) + 1
    }

    /// The largest distance of a value read back to the one recorded, as a share of it: half a bucket's width.
    /// Below 2^(magnitude + 1) ns (2 µs for three digits, 256 ns for two) values are exact.
    #[must_use]
    pub fn error(self) -> f64 {
        0.5 / f64::from(1_u32 << self.magnitude())
    }
}

/// The bucket of a value: HdrHistogram's arithmetic for a lowest discernible value of 1.
const fn index_of(magnitude: u32, value: u64) -> usize {
    let mask = (2_u64 << magnitude) - 1;
    let doubling = (63 - magnitude) - (value | mask).leading_zeros();
    ((doubling as usize) << magnitude) + (value >> doubling) as usize
}

/// The smallest value of a bucket, and how many values share it.
const fn bounds_of(magnitude: u32, index: usize) -> (u64, u64) {
    let half = 1_usize << magnitude;
    let doubling = (index >> magnitude).saturating_sub(1);
    let sub = if index < half {
        index
    } else {
        (index & (half - 1)) + half
    };
    ((sub as u64) << doubling, 1 << doubling)
}

/// Counts of values from 0 to [`Histogram::HIGHEST`] nanoseconds.
///
/// Memory: one that records ([`Histogram::new`]) reserves its [`Digits::slots`] counters of 8 bytes at once (261 KiB for three
/// digits, 35 KiB for two), so that recording never allocates. One that is merged into ([`Histogram::compact`]) holds only the
/// doublings of the values seen, 8 KiB (1 KiB) each: a route that answers in 2 to 500 ms takes 64 KiB. Resetting, merging,
/// encoding and reading take time in proportion to the doublings touched, not to the range.
pub struct Histogram {
    digits: Digits,
    /// `digits.magnitude()`, here because recording reads it.
    magnitude: u32,
    total: u64,
    /// No counter before this one was touched since the reset.
    first: usize,
    /// Nor one from here on; 0 when empty.
    end: usize,
    /// The bucket of the first counter held; 0 if all are.
    base: usize,
    /// The counters held.
    counts: Box<[u64]>,
}

impl Histogram {
    /// Smallest distance that can be told apart at the low end, in nanoseconds.
    pub const LOWEST: u64 = 1;
    /// Largest value that is told apart, in nanoseconds: an hour. Longer ones count as this, and are reported as clamped.
    pub const HIGHEST: u64 = 3_600_000_000_000;

    /// An empty one, to record into: all its memory is reserved.
    #[must_use]
    pub fn new(digits: Digits) -> Self {
        Self {
            counts: vec![0; digits.slots()].into_boxed_slice(),
            ..Self::compact(digits)
        }
    }

    /// An empty one, to merge into: it takes memory for the values that come.
    #[must_use]
    pub fn compact(digits: Digits) -> Self {
        Self {
            digits,
            magnitude: digits.magnitude(),
            total: 0,
            first: digits.slots(),
            end: 0,
            base: 0,
            counts: Box::default(),
        }
    }

    /// Its resolution.
    #[must_use]
    pub fn digits(&self) -> Digits {
        self.digits
    }

    /// Bytes it may take at most.
    #[must_use]
    pub fn footprint(digits: Digits) -> usize {
        size_of::<Self>() + digits.slots() * size_of::<u64>()
    }

    /// Counts a value; true if it was clamped to [`Histogram::HIGHEST`]. Never panics, nor allocates after [`Histogram::new`].
    #[inline]
    pub fn record(&mut self, ns: u64) -> bool {
        self.record_n(ns, 1)
    }

    /// Counts a value `n` times; true if it was clamped.
    #[inline]
    pub fn record_n(&mut self, ns: u64, n: u64) -> bool {
        if n > 0 {
            self.add_at(index_of(self.magnitude, ns.min(Self::HIGHEST)), n);
        }
        ns > Self::HIGHEST
    }

    /// Adds to a counter; counts stay at `u64::MAX` rather than wrap.
    #[inline]
    fn add_at(&mut self, index: usize, n: u64) {
        if index.wrapping_sub(self.base) >= self.counts.len() {
            self.hold(index, index + 1);
        }
        self.first = self.first.min(index);
        self.end = self.end.max(index + 1);
        let count = &mut self.counts[index - self.base];
        *count = count.saturating_add(n);
        self.total = self.total.saturating_add(n);
    }

    /// Makes room for these buckets, by whole doublings.
    #[cold]
    fn hold(&mut self, first: usize, end: usize) {
        let held = self.base + self.counts.len();
        if !self.counts.is_empty() && self.base <= first && end <= held {
            return;
        }
        let first = first >> self.magnitude << self.magnitude;
        let end = end.next_multiple_of(1 << self.magnitude);
        let (first, end) = if self.counts.is_empty() {
            (first, end)
        } else {
            (first.min(self.base), end.max(held))
        };
        let mut counts = vec![0; end.min(self.digits.slots()) - first];
        if !self.counts.is_empty() {
            let at = self.base - first;
            counts[at..at + self.counts.len()].copy_from_slice(&self.counts);
        }
        self.base = first;
        self.counts = counts.into_boxed_slice();
    }

    /// The counters from the first touched to the last.
    fn touched(&self) -> &[u64] {
        if self.end == 0 {
            &[]
        } else {
            &self.counts[self.first - self.base..self.end - self.base]
        }
    }

    /// Those of these buckets, which must be held.
    fn held_mut(&mut self, first: usize, end: usize) -> &mut [u64] {
        &mut self.counts[first - self.base..end - self.base]
    }

    /// Adds every count of the other. Of other digits: by the middle of each bucket, so that the errors add up.
    pub fn merge(&mut self, other: &Histogram) {
        if other.is_empty() {
            return;
        }
        if self.digits == other.digits {
            self.hold(other.first, other.end);
            self.first = self.first.min(other.first);
            self.end = self.end.max(other.end);
            let total = self.total.checked_add(other.total);
            let mine = self.held_mut(other.first, other.end);
            let counts = mine.iter_mut().zip(other.touched());
            if total.is_some() {
                // No count exceeds the total, so none can overflow: without looking this is three times as fast, and most of what a
                // controller of many series does.
                counts.for_each(|(mine, theirs)| *mine = mine.wrapping_add(*theirs));
            } else {
                counts.for_each(|(mine, theirs)| *mine = mine.saturating_add(*theirs));
            }
            self.total = total.unwrap_or(u64::MAX);
        } else {
            for (value, count) in other.buckets() {
                self.record_n(value, count);
            }
        }
    }

    /// Forgets every count; keeps the memory.
    pub fn reset(&mut self) {
        if self.end > 0 {
            self.held_mut(self.first, self.end).fill(0);
        }
        self.first = self.digits.slots();
        self.end = 0;
        self.total = 0;
    }

    /// True if nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many values were counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.total
    }

    /// The non-empty buckets in order: the value in the middle (in nanoseconds), and its count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counts = (self.first..).zip(self.touched());
        counts
            .filter(|&(_, &count)| count > 0)
            .map(|(index, &count)| (self.middle(index), count))
    }

    /// What stands for every value of a bucket: its middle, which makes the worst error half a width.
    fn middle(&self, index: usize) -> u64 {
        let (lowest, width) = bounds_of(self.magnitude, index);
        lowest + width / 2
    }

    /// The value of that rank in sorted order, from 0; the largest for ranks beyond the end, 0 when empty.
    #[must_use]
    pub fn value_at_rank(&self, rank: u64) -> u64 {
        self.values_at_rank(rank).0
    }

    /// The values of a rank and of the next one, in one pass.
    #[must_use]
    pub fn values_at_rank(&self, rank: u64) -> (u64, u64) {
        let mut seen = 0_u64;
        let mut low = None;
        let mut newest = 0;
        for (index, &count) in (self.first..).zip(self.touched()) {
            if count == 0 {
                continue;
            }
            seen = seen.saturating_add(count);
            newest = index;
            if low.is_none() && seen > rank {
                low = Some(index);
            }
            if seen > rank.saturating_add(1) {
                break;
            }
        }
        if self.is_empty() {
            return (0, 0);
        }
        (self.middle(low.unwrap_or(newest)), self.middle(newest))
    }

    /// Appends the plain HdrHistogram V2 bytes.
    pub fn to_v2(&self, out: &mut Vec<u8>) {
        let first = self.first.min(self.end);
        v2::encode(self.digits, first, self.touched(), out);
    }

    /// Adds what V2 bytes hold, and says how many values that were. Their digits and bounds must be this histogram's.
    ///
    /// # Errors
    /// What is wrong with the bytes; then nothing was added. Whatever the bytes claim, it allocates nothing after
    /// [`Histogram::new`], and no more than that would after [`Histogram::compact`].
    pub fn merge_v2(&mut self, bytes: &[u8]) -> Result<u64, DecodeError> {
        let survey = v2::survey(self.digits, bytes)?;
        self.add_v2(bytes, survey)?;
        Ok(survey.total)
    }

    /// Adds what surveyed bytes hold.
    pub(crate) fn add_v2(&mut self, bytes: &[u8], survey: v2::Survey) -> Result<(), DecodeError> {
        if survey.first < survey.end {
            self.hold(survey.first, survey.end);
        }
        v2::walk(self.digits, bytes, |index, count| self.add_at(index, count))
    }
}

impl Clone for Histogram {
    /// A compact copy.
    fn clone(&self) -> Self {
        let mut copy = Self::compact(self.digits);
        copy.merge(self);
        copy
    }
}

/// Its digits and V2 bytes.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        self.to_v2(&mut bytes);
        (self.digits, bytes).serialize(serializer)
    }
}

/// A compact one.
impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (digits, bytes) = <(Digits, Vec<u8>)>::deserialize(deserializer)?;
        let mut histogram = Self::compact(digits);
        histogram.merge_v2(&bytes).map_err(D::Error::custom)?;
        Ok(histogram)
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits
            && self.total == other.total
            && self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

impl fmt::Debug for Histogram {
    /// Without its thousands of counters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("digits", &self.digits)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}
