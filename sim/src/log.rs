//! What happened, as text: hashed whole, so that two worlds can be compared, and its end kept for people.

use crate::schedule::Time;
use std::collections::VecDeque;
use std::fmt::{self, Write};

/// Lines kept.
const KEPT: usize = 20_000;

/// The log of one world.
#[derive(Debug)]
pub struct Log {
    hash: u64,
    lines: u64,
    /// Kept only where somebody is to read them.
    tail: Option<VecDeque<String>>,
}

impl Log {
    /// An empty one; `keep` if its lines are to be read.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self {
            // FNV-1a's offset.
            hash: 0xCBF2_9CE4_8422_2325,
            lines: 0,
            tail: keep.then(VecDeque::new),
        }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Time, text: fmt::Arguments<'_>) {
        self.lines += 1;
        // Hashing cannot fail.
        let _ = writeln!(Hasher(&mut self.hash), "{at} {text}");
        if let Some(tail) = &mut self.tail {
            tail.push_back(format!("{:>12.6} {text}", at as f64 / 1e9));
            if tail.len() > KEPT {
                tail.pop_front();
            }
        }
    }

    /// Of every line.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines
    }

    /// True before the first.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// The last lines.
    pub fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().flatten().map(String::as_str)
    }
}

struct Hasher<'a>(&'a mut u64);

impl Write for Hasher<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        Ok(())
    }
}
