//! HdrHistogram's plain V2 bytes, written from counters and walked without trusting or allocating anything.
//!
//! The format (HdrHistogram's `encodeIntoByteBuffer`): a header of 40 bytes, big-endian (cookie u32, payload length u32,
//! normalising offset u32, digits u32, lowest u64, highest u64, ratio f64), then one zig-zag number per entry in LEB128 of
//! at most 9 bytes: a count for the next bucket, or, if negative, so many empty buckets.

use crate::{Digits, Histogram};
use thiserror::Error;

const COOKIE: u32 = 0x1c84_9303 | 0x10;
const HEADER: usize = 40;

/// Why bytes from outside are not a histogram (or a trend) of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not even a header.
    #[error("a V2 histogram has at least {HEADER} bytes, here are {0}")]
    Short(usize),
    /// Another format, or deflated.
    #[error("cookie {0:#x} is not that of a plain V2 histogram ({COOKIE:#x})")]
    Cookie(u32),
    /// The payload is not as long as the header says.
    #[error("the header promises {promised} bytes of counts, here are {present}")]
    Length {
        /// In the header.
        promised: u64,
        /// In the message.
        present: u64,
    },
    /// A normalising offset other than 0, or a ratio other than 1.
    #[error("shifted or scaled histograms are not supported")]
    Shifted,
    /// Another resolution.
    #[error("{theirs} significant digits where {ours} are expected")]
    Digits {
        /// In the header.
        theirs: u32,
        /// Of the accumulator.
        ours: u32,
    },
    /// Another range of values.
    #[error(
        "range {lowest}..{highest} ns where {}..{} is expected",
        Histogram::LOWEST,
        Histogram::HIGHEST
    )]
    Range {
        /// In the header.
        lowest: u64,
        /// In the header.
        highest: u64,
    },
    /// The last number has no end.
    #[error("the counts end within a number")]
    Truncated,
    /// More buckets than the range has.
    #[error("counts beyond the last bucket")]
    Beyond,
    /// More values than a u64 can count.
    #[error("more values than can be counted")]
    TooMany,
    /// A trend's exact figures contradict its histogram or each other.
    #[error("a trend's {0} contradicts its other figures")]
    Contradiction(&'static str),
}

/// Appends the header and the counts, the same bytes as the `hdrhistogram` crate writes. `counts` begins
/// with bucket `first`, before which all are empty, and ends with the last one that is not.
pub(crate) fn encode(digits: Digits, first: usize, counts: &[u64], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&COOKIE.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&digits.number().to_be_bytes());
    out.extend_from_slice(&Histogram::LOWEST.to_be_bytes());
    out.extend_from_slice(&Histogram::HIGHEST.to_be_bytes());
    out.extend_from_slice(&1_f64.to_be_bytes());
    // An empty histogram is one empty bucket.
    let counts = if counts.is_empty() { &[0] } else { counts };
    let mut index = 0;
    let mut zeros = first;
    while let Some(&count) = counts.get(index) {
        if count == 0 {
            let run = run_of_zeros(&counts[index..]);
            zeros += run;
            index += run;
            continue;
        }
        push_zeros(zeros, out);
        zeros = 0;
        index += 1;
        // Counts above i64::MAX do not fit the format; they saturate, as everywhere here.
        push(i64::try_from(count).unwrap_or(i64::MAX), out);
    }
    push_zeros(zeros, out);
    let length = u32::try_from(out.len() - start - HEADER).unwrap_or(u32::MAX);
    out[start + 4..start + 8].copy_from_slice(&length.to_be_bytes());
}

/// A single empty bucket is a count of 0, as the crate has it.
fn push_zeros(zeros: usize, out: &mut Vec<u8>) {
    match zeros {
        0 => {}
        1 => push(0, out),
        _ => push(-(zeros as i64), out),
    }
}

/// How many zeros the slice begins with; most of a histogram is zeros, so they are read by the block.
fn run_of_zeros(counts: &[u64]) -> usize {
    const BLOCK: usize = 16;
    let empty = |block: &&[u64]| block.iter().fold(0, |any, &count| any | count) == 0;
    let blocks = counts.chunks_exact(BLOCK).take_while(empty).count() * BLOCK;
    let rest = counts[blocks..].iter().take_while(|&&count| count == 0);
    blocks + rest.count()
}

/// Zig-zag and LEB128, whose ninth byte is whole.
fn push(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            out.push(rest as u8);
            return;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// What sound bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Values counted.
    pub(crate) total: u64,
    /// The first bucket that is not empty, and the one after the last; equal if all are.
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// Checks everything about the bytes.
pub(crate) fn survey(digits: Digits, bytes: &[u8]) -> Result<Survey, DecodeError> {
    let mut total = Some(0_u64);
    let mut first = None;
    let mut end = 0;
    walk(digits, bytes, |index, count| {
        total = total.and_then(|sum| sum.checked_add(count));
        first.get_or_insert(index);
        end = index + 1;
    })?;
    Ok(Survey {
        total: total.ok_or(DecodeError::TooMany)?,
        first: first.unwrap_or(end),
        end,
    })
}

/// Calls `visit` with the index and the count of each bucket that is not empty.
pub(crate) fn walk(
    digits: Digits,
    bytes: &[u8],
    mut visit: impl FnMut(usize, u64),
) -> Result<(), DecodeError> {
    let mut payload = header(digits, bytes)?;
    let slots = digits.slots();
    let mut index = 0_usize;
    while !payload.is_empty() {
        let number = pull(&mut payload)?;
        let left = slots - index;
        if number < 0 {
            let zeros = number.unsigned_abs();
            if zeros > left as u64 {
                return Err(DecodeError::Beyond);
            }
            index += zeros as usize;
        } else {
            if left == 0 {
                return Err(DecodeError::Beyond);
            }
            if number > 0 {
                visit(index, number.unsigned_abs());
            }
            index += 1;
        }
    }
    Ok(())
}

/// Checks the header; what follows it is the payload.
fn header(digits: Digits, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (head, payload) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(DecodeError::Short(bytes.len()))?;
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    if word(0) != COOKIE {
        return Err(DecodeError::Cookie(word(0)));
    }
    if u64::from(word(4)) != payload.len() as u64 {
        return Err(DecodeError::Length {
            promised: u64::from(word(4)),
            present: payload.len() as u64,
        });
    }
    if word(8) != 0 || long(32) != 1_f64.to_bits() {
        return Err(DecodeError::Shifted);
    }
    if word(12) != digits.number() {
        return Err(DecodeError::Digits {
            theirs: word(12),
            ours: digits.number(),
        });
    }
    if (long(16), long(24)) != (Histogram::LOWEST, Histogram::HIGHEST) {
        return Err(DecodeError::Range {
            lowest: long(16),
            highest: long(24),
        });
    }
    Ok(payload)
}

/// Takes one number off the front.
#[inline]
fn pull(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    // Nearly every count is small.
    if let [byte @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
    }
    pull_long(bytes)
}

fn pull_long(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    let mut number = 0_u64;
    for position in 0..9 {
        let (&byte, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        *bytes = rest;
        if position == 8 {
            number |= u64::from(byte) << 56;
            break;
        }
        number |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}
