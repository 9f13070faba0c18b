//! A request's body as it was meant: plain, or packed with zstd (RFC 8878), which Ollama takes on `/v1`
//! (`middleware/zstd.go`). Backends get it plain: it was read here anyway, and what was checked is what goes on.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderValue};
use http::request::Parts;
use hyper::body::Incoming;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;

use crate::body::{self, Bounds};
use crate::rescue::Problem;
use crate::router::Router;

/// Bytes of what a sender may refer back to, which is what the decoder must hold beside the result; as Ollama has it.
const WINDOW: u64 = 8 << 20;
/// How many times as long as it came a body may become. Text shrinks to a fifth; what shrinks to a hundredth is made
/// to harm.
const RATIO: usize = 100;
/// Bodies that are unpacked at once. Each takes its window besides its place, and a core.
pub(crate) const DECODERS: usize = 4;
/// Bytes that are decoded before the bounds are looked at again.
const STEP: usize = 64 << 10;

/// Reads a request's body whole.
pub(crate) async fn read(body: Incoming, head: &Parts, router: &Router) -> Result<Bytes, Problem> {
    read_within(router.limits.body_bytes, body, head, router).await
}

/// Reads a request's body whole, of at most `limit` bytes.
pub(crate) async fn read_within(
    limit: usize,
    body: Incoming,
    head: &Parts,
    router: &Router,
) -> Result<Bytes, Problem> {
    let packed = match head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"zstd") && head.uri.path().starts_with("/v1/") => {
            true
        }
        Some(encoding) => {
            let encoding = String::from_utf8_lossy(encoding).into_owned();
            return Err(Problem::Encoding { encoding });
        }
    };
    let bounds = Bounds { bytes: limit, patience: router.limits.body_patience };
    let mut place = router.room.place();
    let body = body::read(body, &head.headers, bounds, &mut place).await?;
    if !packed {
        return Ok(place.keep(body));
    }
    // What it may become takes its place before it is there, and keeps it though its client leaves: the work goes on.
    place.grow(most(&body, limit))?;
    // Never closed, so the only result is a permit.
    let decoder = Arc::clone(&router.decoders).acquire_owned().await;
    // It takes milliseconds per megabyte, which other streams would feel.
    let work = move || {
        let _decoder = decoder;
        decode(&body, limit).map(|plain| {
            place.shrink_to(plain.len());
            place.keep(plain)
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(broken(&error)))
}

/// How many bytes a packed body may become.
fn most(packed: &[u8], limit: usize) -> usize {
    limit.min(packed.len().saturating_mul(RATIO))
}

/// Decodes a whole body of at most `limit` bytes.
fn decode(body: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut source = body;
    let mut decoder =
        StreamingDecoder::new_with_max_window_size(&mut source, WINDOW).map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { .. } => Problem::BodyTooLarge { limit },
            error => broken(&error),
        })?;
    let most = most(body, limit);
    let mut plain = Vec::new();
    loop {
        let read =
            decoder.by_ref().take(STEP as u64).read_to_end(&mut plain).map_err(|error| broken(&error))?;
        if plain.len() > most {
            return Err(Problem::BodyTooLarge { limit });
        }
        if read == 0 {
            break;
        }
    }
    drop(decoder);
    if source.is_empty() { Ok(plain.into()) } else { Err(broken(&"something follows the frame")) }
}

fn broken(cause: &dyn std::fmt::Display) -> Problem {
    Problem::InvalidEncoding { cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn packed(plain: &[u8]) -> Vec<u8> {
        compress_to_vec(plain, CompressionLevel::Fastest)
    }

    #[test]
    fn what_was_packed_comes_out_again() {
        for plain in [&b""[..], b"{\"model\":\"m\"}", &b"some text that repeats, ".repeat(40)] {
            assert_eq!(decode(&packed(plain), LIMIT).expect("good"), plain);
        }
    }

    #[test]
    fn what_is_too_large_or_broken_is_refused_before_it_is_held() {
        let too_large = Err(Problem::BodyTooLarge { limit: LIMIT });
        assert_eq!(
            decode(&packed(&b"0123456789abcdef".repeat(1 << 17)), LIMIT),
            too_large,
            "longer than the limit"
        );
        assert_eq!(decode(&packed(&vec![b' '; 1 << 20]), LIMIT), too_large, "a thousandfold");
        // A frame header that asks for a window of two gigabytes (RFC 8878 §3.1.1.1.2).
        let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        assert_eq!(decode(&window, LIMIT), too_large, "a window of two gigabytes");
        let mut cut = packed(b"some text that repeats, some text that repeats");
        cut.truncate(cut.len() - 5);
        let trailing = [packed(b"{}"), b"{}".to_vec()].concat();
        for broken in [&cut[..], b"\x1f\x8b", b"", b"{}", &trailing] {
            assert!(matches!(decode(broken, LIMIT), Err(Problem::InvalidEncoding { .. })), "{broken:?}");
        }
    }
}
