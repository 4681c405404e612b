//! Tries a target with good input gone bad, over and over; keeps what led to a kind of answer not seen before.

use crate::Target;
use crate::random::Random;
use crate::wire::{self, Shape};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Kept inputs beyond this replace others.
const MOST: usize = 2_000;
/// Longest input.
const LONGEST: usize = 64 * 1024;

/// What was tried.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// Inputs.
    pub inputs: u64,
    /// Kinds of answers.
    pub kinds: usize,
    /// The first input that made it panic.
    pub broke: Option<Vec<u8>>,
}

/// Tries until `more` says no, or something breaks. The same seed tries the same inputs.
pub fn drive(target: Target, seed: u64, mut more: impl FnMut(u64) -> bool) -> Tried {
    let mut random = Random::new(seed);
    let mut corpus = (target.seeds)();
    let mut kinds = HashSet::new();
    let mut tried = Tried::default();
    for good in corpus.clone() {
        tried.inputs += 1;
        match answer(target, &good) {
            Some(kind) => drop(kinds.insert(kind)),
            None => {
                tried.broke = Some(good);
                return tried;
            }
        }
    }
    while more(tried.inputs) {
        let input = mutated(&mut random, &corpus, target);
        tried.inputs += 1;
        let Some(kind) = answer(target, &input) else {
            tried.broke = Some(input);
            break;
        };
        if kinds.insert(kind) {
            if corpus.len() < MOST {
                corpus.push(input);
            } else {
                let place = random.below(corpus.len());
                corpus[place] = input;
            }
        }
    }
    tried.kinds = kinds.len();
    tried
}

/// The kind of the answer; nothing if it panicked.
fn answer(target: Target, input: &[u8]) -> Option<u64> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).ok()
}

fn mutated(random: &mut Random, corpus: &[Vec<u8>], target: Target) -> Vec<u8> {
    let mut input = corpus
        .get(random.below(corpus.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..=random.below(6) {
        // What is no message any more is changed as bytes are.
        let whole = target.shape != Shape::Bytes && random.below(4) > 0;
        if !(whole && wire::change(random, target.shape, &mut input)) {
            mutate(random, &mut input, corpus, target.words);
        }
    }
    input.truncate(LONGEST);
    input
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(16)).min(input.len());
    match random.below(8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.bits().to_le_bytes()[0];
            }
        }
        2 => drop(input.drain(at..end)),
        3 => {
            let part = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, part);
        }
        4 => input.truncate(at),
        // A part of another, or of itself.
        5 => {
            if let Some(other) = corpus.get(random.below(corpus.len())) {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
        }
        // A number on the edge, as eight bytes.
        6 if words.is_empty() => {
            let number = match random.below(3) {
                0 => u64::MAX,
                1 => 1 << random.below(64),
                _ => random.bits(),
            };
            input.splice(at..end, number.to_be_bytes());
        }
        _ => {
            if let Some(word) = words.get(random.below(words.len())) {
                input.splice(at..end, word.bytes());
            }
        }
    }
}
