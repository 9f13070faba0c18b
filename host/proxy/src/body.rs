//! Reads a request's body once, bounded in size and in patience. One frame stays the shared bytes it came in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
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
    // A client that says it will send too much is told before it does.
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(Problem::BodyTooLarge { limit });
    }
    let mut whole = Whole::default();
    while !body.is_end_stream() {
        let Some(frame) = timeout(patience, body.frame()).await.map_err(|_| Problem::BodyStalled)? else {
            break;
        };
        // Trailers say nothing that we pass on.
        let Ok(data) = frame.map_err(|_| Problem::BodyBroken)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            hear_out(body).await;
            return Err(Problem::BodyTooLarge { limit });
        }
        whole.push(data);
    }
    Ok(whole.into_bytes())
}

/// Lets a client finish what it is sending, within bounds: closing on unread bytes would reset the connection,
/// and it would never read why.
async fn hear_out(mut body: Incoming) {
    const MOST: usize = 8 << 20;
    const PATIENCE: Duration = Duration::from_secs(2);
    let drain = async {
        let mut heard = 0;
        while let Some(Ok(frame)) = body.frame().await {
            heard += frame.data_ref().map_or(0, Bytes::len);
            if heard > MOST {
                return;
            }
        }
    };
    // However it ends, the answer is the same.
    let _ = timeout(PATIENCE, drain).await;
}

/// A body in the making: the shared bytes of its first frame, or a buffer once there is a second.
#[derive(Default)]
struct Whole {
    first: Bytes,
    grown: BytesMut,
}

impl Whole {
    fn len(&self) -> usize {
        self.first.len() + self.grown.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.grown.extend_from_slice(&first);
        self.grown.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Bytes {
        if self.grown.is_empty() { self.first } else { self.grown.freeze() }
    }
}
