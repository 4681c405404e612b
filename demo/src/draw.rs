//! Seeded chance: the n-th request of a run draws the same numbers, whatever thread serves it.
//!
//! SplitMix64 (Steele, Lea, Flood 2014) for the bits, Box and Muller (1958) for the normal deviate.
//! Good enough to make queues; not for secrets.

/// A short stream of numbers that depends on nothing but its seed and index.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of number `index` under `seed`.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        Self {
            state: mix(seed ^ mix(index)),
        }
    }

    /// Sixty-four even bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Even in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A standard normal deviate.
    pub(crate) fn normal(&mut self) -> f64 {
        // 1 - unit() lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// SplitMix64's finaliser: a bijection on 64 bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn the_same_seed_and_index_draw_the_same() {
        let mut a = Draw::new(7, 42);
        let mut b = Draw::new(7, 42);
        let mut c = Draw::new(7, 43);
        let first: Vec<u64> = (0..5).map(|_| a.bits()).collect();
        assert_eq!(first, (0..5).map(|_| b.bits()).collect::<Vec<_>>());
        assert_ne!(first, (0..5).map(|_| c.bits()).collect::<Vec<_>>());
    }

    #[test]
    fn the_normal_deviate_has_mean_zero_and_variance_one() {
        let (mut sum, mut squares) = (0.0, 0.0);
        let n = 100_000u32;
        for index in 0..n {
            let x = Draw::new(1, u64::from(index)).normal();
            sum += x;
            squares += x * x;
        }
        // Five standard errors of the mean (0.0032) and of the variance (0.0045).
        assert!((sum / f64::from(n)).abs() < 0.016);
        assert!((squares / f64::from(n) - 1.0).abs() < 0.0225);
    }
}
