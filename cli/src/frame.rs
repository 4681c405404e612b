//! A report that travels in a log: lines that anything may stand between, numbered, with a length and a checksum, so that what was cut
//! or doubled on the way is known. `throng run --report-frame` writes it, `throng k8s run` reads it.
//!
//! The lines are `THRONG-REPORT BEGIN <bytes> <SHA-256>`, `THRONG-REPORT <number> <base64>` and `THRONG-REPORT END`; the bytes are the
//! wire's `RunOver`, gzipped. Knows nothing of where the lines go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use proto::v1::RunOver;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

const MARK: &str = "THRONG-REPORT";
/// Bytes in a line: well below the 16 KiB at which container runtimes split lines.
const PIECE: usize = 6000;
/// Largest report that is read, bytes, packed and unpacked: nobody's log fills this process.
const LARGEST: usize = 64 << 20;

/// The lines that carry `over`, each with its newline.
pub(crate) fn write(over: &RunOver) -> std::io::Result<String> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&over.encode_to_vec())?;
    let bytes = packer.finish()?;
    let mut text = format!("{MARK} BEGIN {} {}\n", bytes.len(), checksum(&bytes));
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{MARK} {number} {}", STANDARD.encode(piece));
    }
    text.push_str(MARK);
    text.push_str(" END\n");
    Ok(text)
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What a line was.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Somebody else's.
    Other,
    /// A part of a frame that is not whole yet.
    Part,
    /// The frame is whole, and right.
    Whole(Box<RunOver>),
    /// The frame is not as it was written: what is wrong with it.
    Broken(String),
}

/// Puts frames together from lines. A new beginning forgets what came before, so a log may be read again from its start.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    wanted: Option<(usize, String)>,
    bytes: Vec<u8>,
    next: usize,
}

impl Reader {
    /// Takes the next line, without its newline.
    pub(crate) fn line(&mut self, line: &str) -> Line {
        let Some(rest) = line.trim_end().strip_prefix(MARK) else {
            return Line::Other;
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let taken = match words.as_slice() {
            ["BEGIN", length, sum] => self.begin(length, sum),
            ["END"] => match self.end() {
                Ok(over) => return Line::Whole(Box::new(over)),
                Err(why) => Err(why),
            },
            [number, piece] => self.piece(number, piece),
            _ => Err("a line of it makes no sense".to_owned()),
        };
        match taken {
            Ok(()) => Line::Part,
            Err(why) => {
                *self = Self::default();
                Line::Broken(why)
            }
        }
    }

    fn begin(&mut self, length: &str, sum: &str) -> Result<(), String> {
        let length = length.parse().ok().filter(|length| *length <= LARGEST);
        let length = length.ok_or("its length makes no sense")?;
        *self = Self {
            wanted: Some((length, sum.to_owned())),
            ..Self::default()
        };
        Ok(())
    }

    fn piece(&mut self, number: &str, piece: &str) -> Result<(), String> {
        let (length, _) = self.wanted.as_ref().ok_or("its beginning is missing")?;
        if number.parse() != Ok(self.next) {
            return Err(format!("line {} is missing", self.next));
        }
        let piece = STANDARD.decode(piece);
        let piece = piece.map_err(|_| format!("line {number} is damaged"))?;
        if self.bytes.len() + piece.len() > *length {
            return Err("it is longer than it said".to_owned());
        }
        self.bytes.extend_from_slice(&piece);
        self.next += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<RunOver, String> {
        let (length, sum) = self.wanted.take().ok_or("its beginning is missing")?;
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() != length || checksum(&bytes) != sum {
            return Err("its checksum does not fit".to_owned());
        }
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .take(LARGEST as u64)
            .read_to_end(&mut unpacked)
            .map_err(|error| format!("it cannot be unpacked: {error}"))?;
        RunOver::decode(unpacked.as_slice()).map_err(|error| format!("it cannot be read: {error}"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Does not pack well, so that there are several lines.
    fn over() -> RunOver {
        let mut state = 1_u32;
        let report = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        RunOver {
            exit_code: 99,
            report,
            text: "thresholds failed".into(),
        }
    }

    fn read(lines: &[&str]) -> Vec<Line> {
        let mut reader = Reader::default();
        lines.iter().map(|line| reader.line(line)).collect()
    }

    #[test]
    fn what_was_written_is_read_whatever_stands_between() {
        let text = write(&over()).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 4, "several pieces");
        lines.insert(2, "level=info msg=\"a log line\"");
        lines.insert(0, "[5s / 10s]  3/3 VUs");
        let read = read(&lines);
        assert_eq!(read[0], Line::Other);
        assert_eq!(read[3], Line::Other);
        assert_eq!(read.last(), Some(&Line::Whole(Box::new(over()))));
    }

    #[test]
    fn a_log_may_be_read_again_from_its_start() {
        let text = write(&over()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let again = [&lines[..3], &lines[..]].concat();
        assert_eq!(read(&again).last(), Some(&Line::Whole(Box::new(over()))));
    }

    #[test]
    fn what_is_lost_doubled_or_changed_is_known() {
        let text = write(&over()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.len() - 1;
        let changed = lines[2].replacen('A', "B", 1);
        assert_ne!(changed, lines[2]);
        let table: [(&str, Vec<&str>); 7] = [
            ("line lost", [&lines[..1], &lines[2..]].concat()),
            ("line doubled", [&lines[..2], &lines[1..]].concat()),
            (
                "last line lost",
                [&lines[..end - 1], &lines[end..]].concat(),
            ),
            ("beginning lost", lines[1..].to_vec()),
            (
                "changed",
                [&lines[..2], &[changed.as_str()], &lines[3..]].concat(),
            ),
            (
                "nonsense",
                [&lines[..1], &["THRONG-REPORT a b c"], &lines[1..]].concat(),
            ),
            (
                "too long to be true",
                vec!["THRONG-REPORT BEGIN 99999999999 00"],
            ),
        ];
        for (what, lines) in table {
            let read = read(&lines);
            assert!(
                read.iter().any(|line| matches!(line, Line::Broken(_))),
                "{what}"
            );
            assert!(
                !read.iter().any(|line| matches!(line, Line::Whole(_))),
                "{what}"
            );
        }
        let cut = read(&lines[..end]);
        assert!(cut.iter().all(|line| *line == Line::Part), "{cut:?}");
    }
}
