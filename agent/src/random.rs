//! Seeded choices: the same seed gives the same ones to each (scenario, VU, iteration), whatever the number of agents.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The generator of one iteration: of VU `vu` and its `iteration`-th, or of an arrival (`vu` 0 and its index).
    pub(crate) fn of(seed: u64, scenario: usize, vu: u64, iteration: u64) -> Self {
        let words = [scenario as u64, vu, iteration];
        Self(words.iter().fold(mix(seed), |state, word| {
            mix(state.wrapping_add(GAMMA) ^ mix(word.wrapping_add(GAMMA)))
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Uniform in 0..n (Lemire's multiplication; the bias is below n/2^64). Zero for n = 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(n);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_choices_and_others_give_others() {
        let draw = |seed, scenario, vu, iteration| {
            Random::of(seed, scenario, vu, iteration).below(1 << 60)
        };
        assert_eq!(draw(7, 0, 3, 9), draw(7, 0, 3, 9));
        let others = [
            draw(8, 0, 3, 9),
            draw(7, 1, 3, 9),
            draw(7, 0, 4, 9),
            draw(7, 0, 3, 10),
            draw(7, 0, 9, 3),
        ];
        assert!(others.iter().all(|other| *other != draw(7, 0, 3, 9)));
    }

    #[test]
    fn draws_are_uniform_over_iterations() {
        let mut counts = [0u32; 10];
        for iteration in 0..100_000 {
            let draw = Random::of(1, 0, 1, iteration).below(10);
            counts[usize::try_from(draw).expect("below ten")] += 1;
        }
        assert!(
            counts.iter().all(|n| n.abs_diff(10_000) < 500),
            "{counts:?}"
        );
    }
}
