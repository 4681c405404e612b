//! Changes to messages that leave them messages: a number becomes one on the edge, a field is doubled, left out or put elsewhere, and every
//! length around it is written anew. What is changed byte by byte is seldom more than damaged lengths.

use crate::random::Random;

/// How the bytes of a target's input are made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// In a way of their own.
    Bytes,
    /// One message, as protobuf writes it.
    Message,
    /// Parts one after the other, each behind its length. What is in a part may be a message.
    Row,
}

/// Deepest message within messages that is looked for.
const DEPTH: usize = 6;

/// One field: its number and type as they are written, and what is in it.
#[derive(Clone)]
struct Field {
    key: u64,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Number(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Changes one thing in the input; false if it is not of that shape.
pub fn change(random: &mut Random, shape: Shape, input: &mut Vec<u8>) -> bool {
    let changed = match shape {
        Shape::Bytes => None,
        Shape::Message => message(random, input, 0),
        Shape::Row => row(random, input),
    };
    match changed {
        Some(bytes) => *input = bytes,
        None => return false,
    }
    true
}

fn row(random: &mut Random, input: &[u8]) -> Option<Vec<u8>> {
    let (mut parts, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        parts.push(delimited(&mut rest)?.to_vec());
    }
    let at = random.below(parts.len());
    if parts.is_empty() {
        return None;
    }
    match random.below(8) {
        0 => parts.insert(random.below(parts.len() + 1), parts.get(at)?.clone()),
        1 => drop(parts.remove(at)),
        2 => {
            let other = random.below(parts.len());
            parts.swap(at, other);
        }
        _ => {
            let part = parts.get_mut(at)?;
            *part = message(random, part, 0)?;
        }
    }
    let mut bytes = Vec::new();
    for part in parts {
        push(&mut bytes, part.len() as u64);
        bytes.extend(part);
    }
    Some(bytes)
}

fn message(random: &mut Random, bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let mut fields = fields(bytes)?;
    if fields.is_empty() || depth > DEPTH {
        return None;
    }
    let at = random.below(fields.len());
    match random.below(16) {
        0 => fields.insert(random.below(fields.len() + 1), fields.get(at)?.clone()),
        1 => drop(fields.remove(at)),
        2 => {
            // Of a neighbour's meaning.
            let field = fields.get_mut(at)?;
            field.key = (field.key & 7) | (1 + random.below(20) as u64) << 3;
        }
        _ => {
            let field = fields.get_mut(at)?;
            match &mut field.value {
                Value::Number(number) => *number = edge(random),
                Value::Fixed(bytes) => fixed(random, bytes),
                Value::Bytes(inner) => match message(random, inner, depth + 1) {
                    Some(changed) => *inner = changed,
                    None => loose(random, inner),
                },
            }
        }
    }
    Some(written(&fields))
}

/// A number that sums, differences and durations are least prepared for.
fn edge(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => u64::MAX,
        1 => u64::MAX - 1,
        2 => i64::MAX as u64,
        3 => 1 << random.below(64),
        4 => (1 << random.below(64)) - 1,
        5 => u64::from(u32::MAX),
        6 => random.below(5) as u64,
        _ => random.bits(),
    }
}

fn fixed(random: &mut Random, bytes: &mut [u8]) {
    let number = match random.below(6) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::MAX,
        3 => -1.0,
        4 => f64::from_bits(random.bits()),
        _ => 0.0,
    };
    for (byte, new) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *byte = new;
    }
}

/// Bytes that are no message: a text, a hash, a histogram.
fn loose(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    match random.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.bits().to_le_bytes()[0]),
        2 => bytes.extend(bytes.clone()),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.bits().to_le_bytes()[0];
            }
        }
    }
}

fn fields(mut rest: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = pull(&mut rest)?;
        let fixed = |rest: &mut &[u8], length| {
            let (value, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some(Value::Fixed(value.to_vec()))
        };
        let value = match key & 7 {
            0 => Value::Number(pull(&mut rest)?),
            1 => fixed(&mut rest, 8)?,
            2 => Value::Bytes(delimited(&mut rest)?.to_vec()),
            5 => fixed(&mut rest, 4)?,
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push(Field { key, value });
    }
    Some(fields)
}

fn written(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        push(&mut bytes, field.key);
        match &field.value {
            Value::Number(number) => push(&mut bytes, *number),
            Value::Fixed(value) => bytes.extend(value),
            Value::Bytes(value) => {
                push(&mut bytes, value.len() as u64);
                bytes.extend(value);
            }
        }
    }
    bytes
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(pull(rest)?).ok()?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

fn pull(rest: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(rest).ok()
}

fn push(bytes: &mut Vec<u8>, number: u64) {
    prost::encoding::encode_varint(number, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use proto::v1::{FromAgent, Heartbeat, ScenarioTotals, from_agent::Message};

    #[test]
    fn a_changed_row_is_a_row_and_numbers_within_reach_the_edge() {
        let heartbeat = Heartbeat {
            run: "r".to_owned(),
            totals: vec![ScenarioTotals {
                scenario: "main".to_owned(),
                begun: 3,
                requests: 4,
                ..ScenarioTotals::default()
            }],
            ..Heartbeat::default()
        };
        let message = FromAgent {
            message: Some(Message::Heartbeat(heartbeat)),
        };
        let good = message.encode_length_delimited_to_vec();
        let mut random = Random::new(1);
        let mut most = 0;
        for _ in 0..2_000 {
            let mut input = good.clone();
            assert!(change(&mut random, Shape::Row, &mut input));
            if let Ok(FromAgent {
                message: Some(Message::Heartbeat(heartbeat)),
            }) = FromAgent::decode_length_delimited(input.as_slice())
            {
                let totals = heartbeat.totals.iter();
                most = totals.map(|totals| totals.requests).fold(most, u64::max);
            }
        }
        assert_eq!(most, u64::MAX);
        assert!(!change(&mut random, Shape::Row, &mut vec![9, 1]));
        assert!(!change(&mut random, Shape::Bytes, &mut good.clone()));
    }
}
