//! What an agent says and hears of a run, as records on a disk: what a report can be made from when nobody else is left.
//!
//! Knows bytes and messages; where they lie is the business of whoever writes and reads them.

use crate::v1::{FromAgent, ToAgent, from_agent, to_agent};
use prost::Message;

const SAID: u8 = 1;
const HEARD: u8 = 2;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Said to the controller, or what would have been.
    Said(from_agent::Message),
    /// Heard from it.
    Heard(to_agent::Message),
}

impl Record {
    /// Its kind and its bytes.
    #[must_use]
    pub fn encode(self) -> (u8, Vec<u8>) {
        match self {
            Self::Said(message) => {
                let message = Some(message);
                (SAID, FromAgent { message }.encode_to_vec())
            }
            Self::Heard(message) => {
                let message = Some(message);
                (HEARD, ToAgent { message }.encode_to_vec())
            }
        }
    }

    /// From kind and bytes; `None` if it is none that this version knows.
    #[must_use]
    pub fn decode(kind: u8, bytes: &[u8]) -> Option<Self> {
        match kind {
            SAID => Some(Self::Said(FromAgent::decode(bytes).ok()?.message?)),
            HEARD => Some(Self::Heard(ToAgent::decode(bytes).ok()?.message?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::v1::{Ack, Drain, from_agent, to_agent};

    #[test]
    fn records_come_back_the_same_and_nonsense_does_not() {
        let run = || "r".to_owned();
        let said = Record::Said(from_agent::Message::Drain(Drain {
            run: run(),
            reason: "x".to_owned(),
        }));
        let heard = Record::Heard(to_agent::Message::Ack(Ack {
            run: run(),
            sequence: 7,
        }));
        for record in [said, heard] {
            let (kind, bytes) = record.clone().encode();
            assert_eq!(Record::decode(kind, &bytes), Some(record));
            assert_eq!(Record::decode(9, &bytes), None);
            assert_eq!(Record::decode(kind, &bytes[..bytes.len() - 1]), None);
            assert_eq!(Record::decode(kind, &[]), None);
        }
    }
}
