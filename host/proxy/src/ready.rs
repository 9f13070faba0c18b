//! What supervisors and load balancers ask: whether the process serves, and whether it takes requests for models.
//! Both are answered from what is known; nobody is asked.

use bytes::Bytes;
use herdwick_fleet::Snapshot;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use crate::headers::VERSION;
use crate::lacking;
use crate::relay::Body;
use crate::rescue::Problem;

/// The process serves, and which version it is: machines that join compare it with theirs. No node is needed for that: one that restarts us because Ollama is off would help nobody.
pub(crate) fn alive() -> Response<Body> {
    let mut response = plain("ok");
    response.headers_mut().insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

/// Some node can be asked, and new requests are taken.
pub(crate) fn ready(snapshot: &Snapshot, draining: bool) -> Result<Response<Body>, Problem> {
    if draining {
        return Err(Problem::Draining);
    }
    if snapshot.backends().iter().any(|backend| backend.takes_work()) {
        return Ok(plain("ready"));
    }
    Err(lacking::nobody(snapshot))
}

fn plain(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(text.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // Yesterday's answer is no answer.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
