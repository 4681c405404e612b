//! The bytes of a segment: a header, then frames. Pure; lengths are tested against what is there before they are believed.

/// The first bytes of every segment.
pub const MAGIC: [u8; 8] = *b"throngJ\n";
/// Of the format.
pub const VERSION: u32 = 1;
/// Bytes of the header: magic, version, checksum of both.
pub const HEADER: usize = 16;
/// Bytes before a frame's payload: length, kind, checksum.
pub const HEAD: usize = 9;
/// No payload is larger: 256 MiB.
pub const MOST_PAYLOAD: usize = 256 << 20;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is; the writer's to choose.
    pub kind: u8,
    /// Its content.
    pub payload: &'a [u8],
}

/// The header of a new segment.
#[must_use]
pub fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Appends a frame to `buffer`; false, and nothing is appended, if the payload is larger than [`MOST_PAYLOAD`].
#[must_use]
pub fn encode(buffer: &mut Vec<u8>, kind: u8, payload: &[u8]) -> bool {
    let Some(length) = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MOST_PAYLOAD)
    else {
        return false;
    };
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.push(kind);
    buffer.extend_from_slice(&checksum(length, kind, payload).to_le_bytes());
    buffer.extend_from_slice(payload);
    true
}

// The length is part of it, so that a run of zeros is no frame.
fn checksum(length: u32, kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

/// The frames of a segment, up to the first that is torn.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
    /// Nothing in there can be believed.
    torn: bool,
}

impl<'a> Frames<'a> {
    /// Looks at a whole segment. One with a torn header has no frames.
    ///
    /// # Errors
    /// The version that it names, if that is not ours.
    pub fn of(segment: &'a [u8]) -> Result<Self, u32> {
        let torn = Ok(Self {
            rest: segment,
            torn: true,
        });
        let Some((header, rest)) = segment.split_at_checked(HEADER) else {
            return torn;
        };
        if header[..8] != MAGIC || number(&header[12..]) != crc32fast::hash(&header[..12]) {
            return torn;
        }
        match number(&header[8..12]) {
            VERSION => Ok(Self { rest, torn: false }),
            found => Err(found),
        }
    }

    pub(crate) fn nothing() -> Self {
        Self {
            rest: &[],
            torn: true,
        }
    }

    /// Bytes that were not read yet; after the last frame, those that are cut.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.torn {
            return None;
        }
        let (head, rest) = self.rest.split_at_checked(HEAD)?;
        let (length, kind) = (number(head), head[4]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if payload.len() > MOST_PAYLOAD || checksum(length, kind, payload) != number(&head[5..]) {
            self.torn = true;
            return None;
        }
        self.rest = rest;
        Some(Frame { kind, payload })
    }
}

/// Of the first four bytes, which are there.
fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn segment(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = header().to_vec();
        for (kind, payload) in frames {
            assert!(encode(&mut bytes, *kind, payload));
        }
        bytes
    }

    fn back(bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, usize) {
        let mut frames = Frames::of(bytes).unwrap();
        let read = frames
            .by_ref()
            .map(|frame| (frame.kind, frame.payload.to_vec()))
            .collect();
        (read, frames.left())
    }

    #[test]
    fn the_format_is_this_one_byte_for_byte() {
        assert_eq!(
            segment(&[(7, b"ab".to_vec())]),
            b"throngJ\n\x01\0\0\0\x65\x86\x57\x10\x02\0\0\0\x07\x40\x82\xe6\xd0ab"
        );
    }

    #[test]
    fn a_header_that_was_not_written_whole_is_an_empty_segment_and_another_version_an_error() {
        let whole = segment(&[(1, vec![1])]);
        for length in 0..HEADER {
            assert_eq!(back(&whole[..length]), (vec![], length));
        }
        assert_eq!(back(&vec![0; 4096]), (vec![], 4096));
        // Frames without a header are none.
        assert_eq!(back(&whole[HEADER..]), (vec![], whole.len() - HEADER));
        let mut other = whole;
        other[8] = 9;
        let checksum = crc32fast::hash(&other[..12]);
        other[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Frames::of(&other).unwrap_err(), 9);
    }

    #[test]
    fn zeros_after_the_last_frame_are_cut() {
        let mut bytes = segment(&[(0, vec![]), (1, vec![5; 100])]);
        bytes.resize(bytes.len() + 512, 0);
        assert_eq!(back(&bytes), (vec![(0, vec![]), (1, vec![5; 100])], 512));
    }

    proptest! {
        #[test]
        fn what_is_whole_is_read_and_the_torn_tail_cut_wherever_it_was_torn(
            frames in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..8),
            at in any::<proptest::sample::Index>(),
            flip in any::<Option<u8>>(),
        ) {
            let whole = segment(&frames);
            prop_assert_eq!(back(&whole), (frames.clone(), 0));
            let mut torn = whole[..HEADER + at.index(whole.len() - HEADER + 1)].to_vec();
            if let (Some(flip), Some(last)) = (flip.filter(|flip| *flip != 0), torn.last_mut()) {
                *last ^= flip;
            }
            if torn.len() > HEADER {
                let (read, _) = back(&torn);
                prop_assert!(frames.starts_with(&read));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), headed in any::<bool>()) {
            let mut all = if headed { header().to_vec() } else { vec![] };
            all.extend(bytes);
            if let Ok(mut frames) = Frames::of(&all) {
                let read: usize = frames.by_ref().map(|frame| HEAD + frame.payload.len()).sum();
                prop_assert!(read + frames.left() <= all.len());
            }
        }
    }
}
