//! Undoing `Content-Encoding`: gzip and deflate, in the order they were applied.

use super::failure::{Failure, Fault};
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::Read;

/// The body as it was before encoding; at most `most` bytes of it.
pub(super) fn decode(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, Fault> {
    if body.is_empty() || !headers.contains_key(CONTENT_ENCODING) {
        return Ok(body);
    }
    let lines: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
        .collect();
    let encodings: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    encodings.iter().rev().try_fold(body, |body, &encoding| match encoding {
        "identity" => Ok(body),
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&body[..]), encoding, most),
        // The name means zlib (RFC 9110 section 8.4.1.2), but some servers send the bare stream.
        "deflate" if is_zlib(&body) => inflate(ZlibDecoder::new(&body[..]), encoding, most),
        "deflate" => inflate(DeflateDecoder::new(&body[..]), encoding, most),
        other => Err(Fault::new(Failure::Decoding, format!("the body is encoded as {other:?}, which was not asked for; gzip and deflate can be undone"))),
    })
}

fn is_zlib(body: &[u8]) -> bool {
    // RFC 1950 section 2.2: method 8, and the two bytes a multiple of 31.
    matches!(body, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0)
}

fn inflate(decoder: impl Read, encoding: &str, most: usize) -> Result<Bytes, Fault> {
    let mut plain = Vec::new();
    decoder
        .take(most as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| {
            Fault::new(
                Failure::Decoding,
                format!("the body is not valid {encoding}: {error}"),
            )
        })?;
    if plain.len() > most {
        return Err(Fault::new(
            Failure::TooLarge,
            format!("the {encoding} body is larger than {most} bytes when unpacked"),
        ));
    }
    Ok(plain.into())
}
