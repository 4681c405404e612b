//! What a divided pool costs: B. Erlang's loss formula (1917), for arrivals that are random and find no free VU.

/// Pools beyond this are not reckoned: dividing them costs next to nothing.
const LARGEST: u64 = 10_000;
/// The share of arrivals that the whole pool is supposed to drop.
pub(super) const SUPPOSED: f64 = 0.01;

/// The share of arrivals that pools of these sizes drop, each with its part of the arrivals, where one pool of all would drop
/// [`SUPPOSED`]. `None` for pools that are empty or too large to matter.
pub(super) fn dropped_by(pools: &[(u64, f64)]) -> Option<f64> {
    let whole: u64 = pools.iter().map(|(vus, _)| vus).sum();
    if whole == 0 || whole > LARGEST {
        return None;
    }
    let load = load_that_drops(whole, SUPPOSED);
    Some(
        pools
            .iter()
            .map(|(vus, share)| share * loss(*vus, load * share))
            .sum(),
    )
}

/// The share of arrivals dropped by `vus` at an offered load (arrival rate times iteration time).
fn loss(vus: u64, load: f64) -> f64 {
    (1..=vus).fold(1.0, |loss, n| {
        let offered = load * loss;
        offered / (n as f64 + offered)
    })
}

/// The load at which so many VUs drop this share; the loss grows with the load, so halving finds it.
fn load_that_drops(vus: u64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * vus as f64 + 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if loss(vus, middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From any table of Erlang B: 1 % is lost by 10 lines at 4.46 erlang, by 50 at 37.90, by 100 at 84.06.
    #[test]
    fn as_in_the_tables() {
        for (lines, erlang) in [(10, 4.46), (50, 37.90), (100, 84.06)] {
            let found = load_that_drops(lines, 0.01);
            assert!((found - erlang).abs() < 0.01, "{lines}: {found}");
        }
    }

    #[test]
    fn one_pool_costs_nothing_and_more_pools_cost_more() {
        let equal = |n: u64| dropped_by(&vec![(100 / n, 1.0 / n as f64); n as usize]);
        let costs = [1, 2, 4, 10].map(|n| equal(n).unwrap_or(f64::NAN));
        assert!((costs[0] - 0.01).abs() < 1e-6, "{costs:?}");
        assert!(costs.is_sorted(), "{costs:?}");
        assert_eq!(dropped_by(&[(0, 1.0)]), None);
        assert_eq!(dropped_by(&[(1_000_000, 1.0)]), None);
    }
}
