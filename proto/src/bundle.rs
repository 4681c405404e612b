//! Bundles travel in chunks with a hash of the whole: cutting them up, and putting them together again with every check.
//!
//! Knows bytes only; what a bundle means is the business of `plan`.

use crate::{CHUNK, MAX_BUNDLE, v1};
use sha2::{Digest, Sha256};

/// SHA-256 of a bundle's bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// The chunks in which a bundle goes to an agent; at least one, even of an empty bundle.
#[must_use]
pub fn chunks(run: &str, bundle: &[u8]) -> Vec<v1::BundleChunk> {
    let hash = sha256(bundle);
    let pieces = pieces(bundle);
    let chunks = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    (0..chunks)
        .zip(pieces)
        .map(|(index, data)| v1::BundleChunk {
            run: run.to_owned(),
            index,
            chunks,
            sha256: hash.clone(),
            data: data.to_vec(),
        })
        .collect()
}

/// The messages of `Control.Start`: the head, its `sha256` filled in, then the bundle in order.
#[must_use]
pub fn start(mut head: v1::StartHead, bundle: &[u8]) -> Vec<v1::StartChunk> {
    use v1::start_chunk::Part;
    head.sha256 = sha256(bundle);
    std::iter::once(Part::Head(head))
        .chain(
            pieces(bundle)
                .into_iter()
                .map(|piece| Part::Bundle(piece.to_vec())),
        )
        .map(|part| v1::StartChunk { part: Some(part) })
        .collect()
}

fn pieces(bundle: &[u8]) -> Vec<&[u8]> {
    if bundle.is_empty() {
        vec![bundle]
    } else {
        bundle.chunks(CHUNK).collect()
    }
}

/// Why chunks do not make a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A chunk of another run, or of another cut of the same run.
    #[error("chunk {index} does not belong to the bundle that is being received (run {run})")]
    Foreign {
        /// The run being received.
        run: String,
        /// The chunk's index.
        index: u32,
    },
    /// A gap or a repetition.
    #[error("chunk {found} came where chunk {expected} of {chunks} was due")]
    Order {
        /// Which was due.
        expected: u32,
        /// Which came.
        found: u32,
        /// How many there are.
        chunks: u32,
    },
    /// Beyond [`CHUNK`] or [`MAX_BUNDLE`].
    #[error("{what} of {bytes} bytes is beyond the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The hash of the bytes is not the stated one.
    #[error("the bundle's sha256 is not the one its sender stated; it was damaged on the way")]
    Damaged,
    /// The head of `Control.Start` is missing, late or there twice.
    #[error("the first message must be the head, and only the first")]
    Head,
    /// Bytes are missing.
    #[error("the bundle ended early: {received} of {chunks} chunks came")]
    Short {
        /// Chunks received.
        received: u32,
        /// Chunks announced.
        chunks: u32,
    },
}

/// Puts the chunks of one bundle together, in order.
#[derive(Debug, Default)]
pub struct Joiner {
    run: String,
    chunks: u32,
    next: u32,
    sha256: Vec<u8>,
    bytes: Vec<u8>,
}

impl Joiner {
    /// Takes the next chunk. A chunk with index 0 begins afresh (a controller may send the bundle again after a new
    /// connection). Returns the run and the whole bundle when this was the last one.
    ///
    /// # Errors
    /// When a chunk is out of order, foreign, too large, or the whole does not have the stated hash. The next bundle must
    /// begin with index 0.
    pub fn push(
        &mut self,
        chunk: v1::BundleChunk,
    ) -> Result<Option<(String, Vec<u8>)>, BundleError> {
        let result = self.take(chunk);
        if !matches!(result, Ok(None)) {
            *self = Joiner::default();
        }
        result
    }

    fn take(&mut self, chunk: v1::BundleChunk) -> Result<Option<(String, Vec<u8>)>, BundleError> {
        if chunk.index == 0 {
            *self = Joiner {
                run: chunk.run.clone(),
                chunks: chunk.chunks,
                sha256: chunk.sha256.clone(),
                ..Joiner::default()
            };
        }
        if chunk.index != self.next || chunk.index >= chunk.chunks {
            return Err(BundleError::Order {
                expected: self.next,
                found: chunk.index,
                chunks: chunk.chunks,
            });
        }
        if chunk.run != self.run || chunk.chunks != self.chunks || chunk.sha256 != self.sha256 {
            return Err(BundleError::Foreign {
                run: self.run.clone(),
                index: chunk.index,
            });
        }
        extend(&mut self.bytes, &chunk.data)?;
        self.next += 1;
        if self.next < self.chunks {
            return Ok(None);
        }
        check(&self.bytes, &self.sha256)?;
        Ok(Some((
            std::mem::take(&mut self.run),
            std::mem::take(&mut self.bytes),
        )))
    }
}

/// Puts the messages of `Control.Start` together: head first, then the bundle, until the stream ends.
#[derive(Debug, Default)]
pub struct StartJoiner {
    head: Option<v1::StartHead>,
    bytes: Vec<u8>,
}

impl StartJoiner {
    /// Takes the next message.
    ///
    /// # Errors
    /// When the head is not first or the bundle is too large.
    pub fn push(&mut self, chunk: v1::StartChunk) -> Result<(), BundleError> {
        use v1::start_chunk::Part;
        match (chunk.part, &self.head) {
            (Some(Part::Head(head)), None) => self.head = Some(head),
            (Some(Part::Bundle(data)), Some(_)) => extend(&mut self.bytes, &data)?,
            _ => return Err(BundleError::Head),
        }
        Ok(())
    }

    /// The head, if it came; so that a version mismatch can be told before anything else.
    #[must_use]
    pub fn head(&self) -> Option<&v1::StartHead> {
        self.head.as_ref()
    }

    /// The head and the whole bundle, once the stream has ended.
    ///
    /// # Errors
    /// When there was no head or the hash is not the stated one.
    pub fn finish(self) -> Result<(v1::StartHead, Vec<u8>), BundleError> {
        let head = self.head.ok_or(BundleError::Head)?;
        check(&self.bytes, &head.sha256)?;
        Ok((head, self.bytes))
    }
}

fn extend(bytes: &mut Vec<u8>, data: &[u8]) -> Result<(), BundleError> {
    let limit = |what, bytes, limit| {
        if bytes > limit {
            Err(BundleError::TooLarge { what, bytes, limit })
        } else {
            Ok(())
        }
    };
    limit("a chunk", data.len(), CHUNK)?;
    limit("a bundle", bytes.len() + data.len(), MAX_BUNDLE)?;
    bytes.extend_from_slice(data);
    Ok(())
}

fn check(bytes: &[u8], stated: &[u8]) -> Result<(), BundleError> {
    if sha256(bytes) == stated {
        Ok(())
    } else {
        Err(BundleError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn join(chunks: Vec<v1::BundleChunk>) -> Result<Option<(String, Vec<u8>)>, BundleError> {
        let mut joiner = Joiner::default();
        let mut last = Ok(None);
        for chunk in chunks {
            last = joiner.push(chunk);
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn not_a_byte_more_than_the_largest_bundle_is_taken() {
        // Never touched, so never in memory.
        let mut full = vec![0; MAX_BUNDLE - 1];
        assert_eq!(
            extend(&mut full, &[1, 2]).map_err(|error| error.to_string()),
            Err("a bundle of 268435457 bytes is beyond the limit of 268435456 bytes".to_owned())
        );
        assert_eq!(full.len(), MAX_BUNDLE - 1);
        let chunk = v1::BundleChunk {
            chunks: 1,
            data: vec![0; CHUNK + 1],
            ..v1::BundleChunk::default()
        };
        assert!(matches!(
            join(vec![chunk]),
            Err(BundleError::TooLarge { .. })
        ));
    }

    #[test]
    fn bundles_of_any_size_come_back_whole() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let bundle: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            assert_eq!(
                join(chunks("r", &bundle)),
                Ok(Some(("r".to_owned(), bundle.clone())))
            );
            let mut joiner = StartJoiner::default();
            for message in start(v1::StartHead::default(), &bundle) {
                joiner.push(message).unwrap();
            }
            assert_eq!(joiner.finish().unwrap().1, bundle);
        }
    }

    #[test]
    fn damage_gaps_and_foreign_chunks_are_named() {
        let bundle = vec![7_u8; 2 * CHUNK + 1];
        let mut damaged = chunks("r", &bundle);
        damaged[1].data[5] ^= 1;
        assert_eq!(join(damaged), Err(BundleError::Damaged));
        let mut gap = chunks("r", &bundle);
        gap.remove(1);
        assert!(matches!(
            join(gap),
            Err(BundleError::Order {
                expected: 1,
                found: 2,
                ..
            })
        ));
        let mut foreign = chunks("r", &bundle);
        foreign[2].run = "s".to_owned();
        assert!(matches!(
            join(foreign),
            Err(BundleError::Foreign { index: 2, .. })
        ));
        let mut twice = StartJoiner::default();
        let head = || start(v1::StartHead::default(), b"x").remove(0);
        twice.push(head()).unwrap();
        assert_eq!(twice.push(head()), Err(BundleError::Head));
    }

    #[test]
    fn a_new_first_chunk_begins_afresh() {
        let bundle = vec![7_u8; 2 * CHUNK];
        let mut all = vec![chunks("r", &bundle).remove(0)];
        all.extend(chunks("r", &bundle));
        assert_eq!(join(all), Ok(Some(("r".to_owned(), bundle))));
    }
}
