//! Bodies that come encoded, and bodies that are too large.

use crate::http::Failure;
use crate::http::decode::decode;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue};
use std::io::Write as _;

const TEXT: &[u8] = b"a body, a body, a body, a body";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn undo(encoding: &'static str, body: Vec<u8>, most: usize) -> Result<Bytes, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static(encoding));
    decode(&headers, body.into(), most).map_err(|fault| fault.failure)
}

#[test]
fn what_says_gzip_or_deflate_is_undone() {
    let twice = [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat();
    for (encoding, body) in [
        ("gzip", gzip(TEXT)),
        ("x-gzip", gzip(TEXT)),
        ("GZIP", gzip(TEXT)),
        ("gzip", twice),
        ("deflate", zlib(TEXT)),
        ("deflate", bare_deflate(TEXT)),
        ("deflate, gzip", gzip(&zlib(TEXT))),
        ("identity", TEXT.to_vec()),
        ("", TEXT.to_vec()),
    ] {
        assert_eq!(
            undo(encoding, body, 1000).as_deref(),
            Ok(TEXT),
            "{encoding}"
        );
    }
    assert_eq!(
        decode(&HeaderMap::new(), TEXT.into(), 1000).ok().as_deref(),
        Some(TEXT)
    );
    assert_eq!(
        undo("gzip", Vec::new(), 1000).as_deref(),
        Ok(&b""[..]),
        "a response to HEAD"
    );
}

#[test]
fn what_cannot_be_undone_is_a_failure() {
    let mut cut = gzip(TEXT);
    cut.truncate(20);
    for (encoding, body, failure) in [
        ("br", TEXT.to_vec(), Failure::Decoding),
        ("zstd", TEXT.to_vec(), Failure::Decoding),
        ("gzip", TEXT.to_vec(), Failure::Decoding),
        ("gzip", cut, Failure::Decoding),
        ("gzip", gzip(&vec![0; 1 << 20]), Failure::TooLarge),
    ] {
        assert_eq!(undo(encoding, body, 1000), Err(failure), "{encoding}");
    }
}

mod on_the_wire {
    use super::super::server::{Act, ok, response, serve};
    use super::super::*;
    use crate::http::Failure;

    #[test]
    fn a_hop_keeps_its_status_when_its_body_cannot_be_kept() {
        on_worker(async {
            let server = serve(vec![vec![
                Act::Answer(response("200 OK", "content-encoding: br\r\n", "?")),
                Act::Answer(ok(&"x".repeat(2000))),
                Act::Answer(response("200 OK", "content-encoding: br\r\n", "?")),
            ]])
            .await;
            let mut client = client(|options| options.max_body = 1000);
            for (keep_body, failure) in [
                (true, Some(Failure::Decoding)),
                (true, Some(Failure::TooLarge)),
                (false, None),
            ] {
                let exchange = client
                    .send(Request {
                        keep_body,
                        ..get(&server.url("/"))
                    })
                    .await;
                assert_eq!(
                    (
                        status(&exchange),
                        exchange.last().failure,
                        exchange.body.len()
                    ),
                    (200, failure, 0)
                );
                adds_up(exchange.last());
            }
            assert_eq!(server.connections(), 1);
        });
    }
}
