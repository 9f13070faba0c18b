//! Reads a request's body once, bounded in size and in patience. One frame stays the shared bytes it came in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::rescue::Problem;

/// Reads it whole.
pub(crate) async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    check_encoding(headers)?;
    // A client that says it will send too much is told before it does.
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(Problem::BodyTooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = timeout(patience, body.frame()).await.map_err(|_| Problem::BodyStalled)? else {
            break;
        };
        let Ok(data) = frame.map_err(|_| Problem::BodyBroken)?.into_data() else {
            // Trailers say nothing that we pass on.
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Problem::BodyTooLarge { limit });
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced.unwrap_or_default().min(limit));
            }
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(encoding) => {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
            Err(Problem::Encoding { encoding })
        }
    }
}
