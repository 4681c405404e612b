//! Which bytes of an HTTP/2 stream belong to messages (HEADERS, CONTINUATION, DATA) and which are the connection's own
//! talk (SETTINGS, WINDOW_UPDATE, PING, …), which must not be taken for a request sent or a response received.
//!
//! Frame headers are nine bytes: length (3), type, flags, stream (4) (RFC 9113 section 4.1). Payloads are skipped, not read.

/// The client's connection preface, before its first frame (RFC 9113 section 3.4).
const PREFACE: u32 = 24;

/// Where in the stream of frames we are. Cheap to copy, so that a caller may look ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    /// Bytes left of the current payload (or of the preface).
    payload: u32,
    /// The current payload is part of a message.
    message: bool,
    header: [u8; 9],
    have: u8,
}

impl Frames {
    /// What we write: the preface, then frames.
    pub(super) fn written() -> Self {
        Self {
            payload: PREFACE,
            message: false,
            header: [0; 9],
            have: 0,
        }
    }

    /// What we read: frames.
    pub(super) fn read() -> Self {
        Self {
            payload: 0,
            ..Self::written()
        }
    }

    /// Walks over `bytes`; true if any of them belongs to a message. A frame header counts once it is complete.
    pub(super) fn walk(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            if self.payload > 0 {
                found |= self.message;
                let step = bytes.len().min(self.payload as usize);
                self.payload -= u32::try_from(step).unwrap_or(self.payload);
                bytes = &bytes[step..];
                continue;
            }
            let have = usize::from(self.have);
            let step = bytes.len().min(9 - have);
            self.header[have..have + step].copy_from_slice(&bytes[..step]);
            self.have += u8::try_from(step).unwrap_or(9);
            bytes = &bytes[step..];
            if self.have == 9 {
                self.have = 0;
                let [a, b, c, kind, ..] = self.header;
                self.payload = u32::from_be_bytes([0, a, b, c]);
                self.message = matches!(kind, 0x0 | 0x1 | 0x9);
                found |= self.message;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0, 0, 0, 0, 1]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn only_headers_continuation_and_data_are_messages() {
        for kind in 0..=0x10 {
            let found = Frames::read().walk(&frame(kind, b"xyz"));
            assert_eq!(found, [0, 1, 9].contains(&kind), "frame type {kind}");
        }
    }

    #[test]
    fn any_split_of_the_stream_finds_the_same() {
        let stream: Vec<u8> = [
            frame(4, &[1; 12]),
            frame(8, &[0; 4]),
            frame(1, b"head"),
            frame(6, &[0; 8]),
            frame(0, b"body"),
            frame(4, b""),
        ]
        .concat();
        let heads = frame(4, &[1; 12]).len() + frame(8, &[0; 4]).len();
        for size in 1..=stream.len() {
            let mut frames = Frames::read();
            let mut at = 0;
            for chunk in stream.chunks(size) {
                let found = frames.walk(chunk);
                assert!(
                    !found || at + chunk.len() > heads,
                    "chunk of {size} at {at}"
                );
                at += chunk.len();
            }
            assert_eq!((frames.payload, frames.have), (0, 0));
        }
    }

    #[test]
    fn the_preface_is_no_message() {
        let mut frames = Frames::written();
        assert!(!frames.walk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        assert!(!frames.walk(&frame(4, &[])));
        assert!(frames.walk(&frame(1, &[])));
    }
}
