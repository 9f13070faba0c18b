//! Reads a request's body once, bounded in size, in patience and in what all bodies together may take. One frame stays
//! the shared bytes it came in.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, sleep};

use crate::pieces::Pieces;
use crate::rescue::Problem;
use crate::room::Place;

/// Bytes that must come within the patience, unless they are the last. A client that sends a byte a second would hold
/// memory and a connection for as long as it likes; in half a minute this is a tenth of what a telephone line carries.
const PROGRESS: usize = 16 << 10;

/// How large a body may be and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    /// Time in which it must make progress.
    pub(crate) patience: Duration,
}

/// Reads it whole. `place` grows with it.
pub(crate) async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    bounds: Bounds,
    place: &mut Place,
) -> Result<Bytes, Problem> {
    let limit = bounds.bytes;
    // A client that says it will send too much is told before it does.
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > limit as u64) {
        return Err(Problem::BodyTooLarge { limit });
    }
    let mut whole = Pieces::default();
    let mut late = pin!(sleep(bounds.patience));
    let mut came = 0;
    while !body.is_end_stream() {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = late.as_mut() => return Err(Problem::BodyStalled),
        };
        let Some(frame) = frame else { break };
        // Trailers say nothing that we pass on.
        let Ok(data) = frame.map_err(|_| Problem::BodyBroken)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(Problem::BodyTooLarge { limit });
        }
        place.grow(data.len())?;
        came += data.len();
        if came >= PROGRESS {
            came = 0;
            late.as_mut().reset(Instant::now() + bounds.patience);
        }
        whole.push(data);
    }
    Ok(whole.into_bytes())
}
