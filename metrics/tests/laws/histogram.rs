//! Histograms against the `hdrhistogram` crate, which decides what is right.

use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use proptest::collection::vec;
use proptest::prelude::*;
use throng_metrics::{DecodeError, Digits, Histogram};

type Referee = hdrhistogram::Histogram<u64>;

fn referee(digits: Digits) -> Referee {
    let digits = u8::try_from(digits.number()).unwrap();
    Referee::new_with_bounds(Histogram::LOWEST, Histogram::HIGHEST, digits).unwrap()
}

fn digits() -> impl Strategy<Value = Digits> {
    prop_oneof![Just(Digits::Two), Just(Digits::Three)]
}

/// Every magnitude alike, the range's end and beyond included.
fn nanoseconds() -> impl Strategy<Value = u64> {
    (0..64_u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift)
}

fn filled(digits: Digits, samples: &[(u64, u64)]) -> Histogram {
    let mut histogram = Histogram::new(digits);
    for &(ns, n) in samples {
        histogram.record_n(ns, n);
    }
    histogram
}

fn bytes(histogram: &Histogram) -> Vec<u8> {
    let mut out = Vec::new();
    histogram.to_v2(&mut out);
    out
}

proptest! {
    #[test]
    fn bytes_are_the_crates_own(digits in digits(), samples in vec((nanoseconds(), 0..1_000_000_u64), 0..60)) {
        let mut theirs = referee(digits);
        for &(ns, n) in &samples {
            theirs.record_n(ns.min(Histogram::HIGHEST), n).unwrap();
        }
        let mut expected = Vec::new();
        V2Serializer::new().serialize(&theirs, &mut expected).unwrap();
        // The crate remembers the maximum of samples counted 0 times; those are no samples.
        prop_assume!(samples.iter().all(|&(_, n)| n > 0));
        prop_assert_eq!(bytes(&filled(digits, &samples)), expected);
    }

    #[test]
    fn the_crate_reads_what_we_write(digits in digits(), samples in vec((nanoseconds(), 1..9_u64), 0..60)) {
        let ours = filled(digits, &samples);
        let theirs: Referee = Deserializer::new().deserialize(&mut bytes(&ours).as_slice()).unwrap();
        prop_assert_eq!(theirs.len(), ours.len());
        for (value, count) in ours.buckets() {
            prop_assert_eq!(theirs.count_at(value), count);
            prop_assert_eq!(theirs.median_equivalent(value), value);
        }
    }

    #[test]
    fn merging_bytes_is_adding(
        digits in digits(),
        a in vec((nanoseconds(), 1..9_u64), 0..40),
        b in vec((nanoseconds(), 1..9_u64), 0..40),
    ) {
        let (mut sum, other) = (filled(digits, &a), filled(digits, &b));
        // A clone is compact, and grows on the way.
        let mut by_bytes = sum.clone();
        prop_assert_eq!(by_bytes.merge_v2(&bytes(&other)), Ok(other.len()));
        let mut compact = Histogram::compact(digits);
        for &(ns, n) in b.iter().chain(&a) {
            compact.record_n(ns, n);
        }
        sum.merge(&other);
        let at_once = filled(digits, &[a, b].concat());
        prop_assert_eq!(&by_bytes, &sum);
        prop_assert_eq!(&at_once, &sum);
        prop_assert_eq!(&compact, &sum);
        compact.reset();
        compact.merge(&other);
        prop_assert_eq!(&compact, &other);
        prop_assert_eq!(bytes(&by_bytes), bytes(&at_once));
    }

    #[test]
    fn arbitrary_bytes_do_nothing_or_what_the_crate_reads(
        digits in digits(),
        payload in vec(any::<u8>(), 0..80),
        flip in proptest::option::of((0..40_usize, any::<u8>())),
    ) {
        let mut message = bytes(&Histogram::new(digits))[..40].to_vec();
        message[4..8].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        if let Some((at, byte)) = flip {
            message[at] = byte;
        }
        message.extend_from_slice(&payload);
        let before = filled(digits, &[(5, 1), (5_000_000, 2)]);
        let mut histogram = before.clone();
        match histogram.merge_v2(&message) {
            Err(_) => prop_assert_eq!(histogram, before),
            Ok(added) => {
                let theirs: Referee = Deserializer::new().deserialize(&mut message.as_slice()).unwrap();
                prop_assert_eq!(theirs.len(), added);
                prop_assert_eq!(histogram.len(), added + 3);
            }
        }
    }

    #[test]
    fn a_rank_reads_the_sample_within_the_stated_error(
        digits in digits(),
        samples in vec(0..Histogram::HIGHEST, 1..80),
    ) {
        let mut sorted = samples;
        let mut histogram = Histogram::new(digits);
        for &ns in &sorted {
            prop_assert!(!histogram.record(ns));
        }
        sorted.sort_unstable();
        for (rank, &exact) in sorted.iter().enumerate() {
            let read = histogram.value_at_rank(rank as u64);
            prop_assert!(read.abs_diff(exact) as f64 <= digits.error() * exact as f64, "{read} for {exact}");
        }
        prop_assert_eq!(histogram.value_at_rank(u64::MAX), histogram.value_at_rank(sorted.len() as u64 - 1));
    }

    #[test]
    fn a_reset_leaves_nothing(digits in digits(), samples in vec((nanoseconds(), 1..9_u64), 0..40)) {
        let mut histogram = filled(digits, &samples);
        histogram.reset();
        prop_assert!(histogram.is_empty());
        prop_assert_eq!(bytes(&histogram), bytes(&Histogram::new(digits)));
    }

    #[test]
    fn three_digits_fold_into_two(samples in vec((0..Histogram::HIGHEST, 1..9_u64), 1..40)) {
        let fine = filled(Digits::Three, &samples);
        let mut coarse = Histogram::new(Digits::Two);
        coarse.merge(&fine);
        prop_assert_eq!(coarse.len(), fine.len());
        let error = Digits::Two.error() + Digits::Three.error() + 1e-4;
        for rank in 0..fine.len() {
            let (a, b) = (fine.value_at_rank(rank), coarse.value_at_rank(rank));
            prop_assert!(a.abs_diff(b) as f64 <= error * a as f64, "{a} {b}");
        }
    }
}

#[test]
fn small_values_are_exact() {
    for (digits, below) in [(Digits::Three, 2_048), (Digits::Two, 256)] {
        let mut histogram = Histogram::new(digits);
        for ns in 0..below {
            histogram.record(ns);
        }
        for ns in 0..below {
            assert_eq!(histogram.value_at_rank(ns), ns);
        }
    }
}

#[test]
fn a_clamp_is_told() {
    let mut histogram = Histogram::new(Digits::Three);
    assert!(!histogram.record(Histogram::HIGHEST));
    assert!(histogram.record(Histogram::HIGHEST + 1));
    assert!(histogram.record(u64::MAX));
    assert_eq!(histogram.len(), 3);
    let read = histogram.value_at_rank(2);
    assert!(read.abs_diff(Histogram::HIGHEST) as f64 <= 0.0005 * Histogram::HIGHEST as f64);
}

#[test]
fn memory_is_what_the_page_says() {
    assert_eq!(Digits::Three.slots() * 8 / 1024, 261);
    assert_eq!(Digits::Two.slots() * 8 / 1024, 35);
}

#[test]
fn each_wrong_header_has_its_error() {
    let good = bytes(&filled(Digits::Three, &[(1_000_000, 7)]));
    let wrong = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Histogram::new(Digits::Three).merge_v2(&bytes)
    };
    assert_eq!(wrong(0, 0), Err(DecodeError::Cookie(0x0084_9313)));
    assert!(matches!(wrong(4, 0x7f), Err(DecodeError::Length { .. })));
    assert_eq!(wrong(11, 1), Err(DecodeError::Shifted));
    assert_eq!(
        wrong(15, 5),
        Err(DecodeError::Digits { theirs: 5, ours: 3 })
    );
    assert!(matches!(wrong(16, 0xff), Err(DecodeError::Range { .. })));
    assert!(matches!(wrong(31, 1), Err(DecodeError::Range { .. })));
    assert_eq!(wrong(32, 0), Err(DecodeError::Shifted));
    let mut histogram = Histogram::new(Digits::Three);
    assert_eq!(histogram.merge_v2(&good[..39]), Err(DecodeError::Short(39)));
    let mut endless = good.clone();
    *endless.last_mut().unwrap() = 0x80;
    assert_eq!(histogram.merge_v2(&endless), Err(DecodeError::Truncated));
    assert_eq!(
        Histogram::new(Digits::Two).merge_v2(&good),
        Err(DecodeError::Digits { theirs: 3, ours: 2 })
    );
    assert!(histogram.is_empty());
}

#[test]
fn merged_counts_stay_at_the_largest_there_is_rather_than_wrap() {
    let mut sum = Histogram::compact(Digits::Three);
    sum.record_n(5, u64::MAX - 1);
    let same = sum.clone();
    sum.merge(&same);
    let counts: Vec<u64> = sum.buckets().map(|(_, count)| count).collect();
    assert_eq!((counts, sum.len()), (vec![u64::MAX], u64::MAX));
}
