//! The laws of stripes: shares sum to the whole, never shrink, stay within one unit; indexes are disjoint and complete.

use proptest::prelude::*;
use throng_plan::{Stripe, StripeError};

#[test]
fn equal_agents_take_turns_as_in_k6() {
    for n in [1_u32, 2, 3, 7, 50] {
        let by_weight = Stripe::new(vec![5; n as usize]);
        assert_eq!(by_weight, Stripe::equal(n));
        for i in 0..200 {
            assert_eq!(by_weight.owner(i), (i % u64::from(n)) as usize);
        }
    }
}

#[test]
fn weights_are_spread_smoothly() {
    let owners = |weights: &[u32]| -> Vec<usize> {
        let stripe = Stripe::new(weights.to_vec());
        (0..weights.iter().map(|w| u64::from(*w)).sum())
            .map(|i| stripe.owner(i))
            .collect()
    };
    assert_eq!(owners(&[3, 1]), [0, 0, 1, 0]);
    assert_eq!(owners(&[2, 1, 1]), [0, 1, 2, 0]);
    assert_eq!(owners(&[1, 0, 1]), [0, 2]);
    assert_eq!(owners(&[0, 3]), [1, 1, 1]);
}

#[test]
fn weights_that_cannot_be_striped_are_refused() {
    assert_eq!(Stripe::try_new(vec![]), Err(StripeError::Nobody));
    assert_eq!(Stripe::try_new(vec![0, 0]), Err(StripeError::Nobody));
    assert_eq!(
        Stripe::try_new(vec![9_999, 2]),
        Err(StripeError::TooFine(10_001))
    );
    assert_eq!(
        Stripe::try_new(vec![u32::MAX, 1]),
        Err(StripeError::TooFine(1 << 32))
    );
    assert!(Stripe::try_new(vec![u32::MAX, u32::MAX]).is_ok());
    assert!(Stripe::try_new(vec![9_999_000, 1_000]).is_ok());
}

#[test]
fn nobodys_indexes_are_none() {
    let stripe = Stripe::new(vec![2, 0, 1]);
    assert_eq!(
        (stripe.count_below(1, 1_000), stripe.nth(1, 0)),
        (0, u64::MAX)
    );
    assert_eq!(
        (stripe.count_below(9, 1_000), stripe.nth(9, 0)),
        (0, u64::MAX)
    );
    assert_eq!(stripe.indexes(1, 0).next(), None);
    assert_eq!(Stripe::equal(4).nth(4, 0), u64::MAX);
    assert_eq!(Stripe::equal(4).nth(3, u64::MAX), u64::MAX);
}

/// A thousand unequal agents are the most a fleet may have; making their stripe must not take long.
#[test]
fn a_large_fleet_has_a_stripe() {
    let weights: Vec<u32> = (0..1_000).map(|i| 5 + i % 9).collect();
    let stripe = Stripe::new(weights);
    let sum: u64 = (0..1_000)
        .map(|agent| stripe.count_below(agent, 123_456))
        .sum();
    assert_eq!(sum, 123_456);
}

fn any_weights() -> impl Strategy<Value = Vec<u32>> {
    let weight = prop_oneof![1 => Just(0_u32), 6 => 1_u32..20, 3 => 1_u32..500];
    prop::collection::vec(weight, 1..12)
        .prop_filter("somebody", |weights| weights.iter().any(|w| *w > 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn law_shares_sum_to_the_whole_never_shrink_and_stay_within_one_unit(weights in any_weights()) {
        let stripe = Stripe::new(weights.clone());
        let period: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let mut last = vec![0; weights.len()];
        for v in 0..=2 * period + 1 {
            let shares: Vec<u64> = (0..weights.len()).map(|agent| stripe.count_below(agent, v)).collect();
            prop_assert_eq!(shares.iter().sum::<u64>(), v);
            for (agent, share) in shares.iter().enumerate() {
                prop_assert!(*share >= last[agent]);
                // |share - v·w/W| < 1, in integers.
                let off = i128::from(*share) * i128::from(period) - i128::from(v) * i128::from(weights[agent]);
                prop_assert!(off.abs() < i128::from(period), "agent {} has {} of {}", agent, share, v);
            }
            last = shares;
        }
    }

    #[test]
    fn law_indexes_are_disjoint_and_complete(weights in any_weights(), v in 0_u64..3_000) {
        let stripe = Stripe::new(weights);
        let mut all: Vec<u64> = (0..stripe.agents()).flat_map(|agent| stripe.below(agent, v)).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..v).collect::<Vec<_>>());
    }

    #[test]
    fn law_owner_count_and_nth_tell_the_same(weights in any_weights(), i in 0_u64..1 << 40) {
        let stripe = Stripe::new(weights);
        let owner = stripe.owner(i);
        let k = stripe.count_below(owner, i);
        prop_assert_eq!(stripe.nth(owner, k), i);
        prop_assert_eq!(stripe.count_below(owner, i + 1), k + 1);
        prop_assert_eq!(stripe.indexes(owner, i).next(), Some(i));
        for other in (0..stripe.agents()).filter(|other| *other != owner) {
            prop_assert_eq!(stripe.count_below(other, i), stripe.count_below(other, i + 1));
        }
    }
}
