//! One try at one backend: our own request to it, framed anew, and its answer's head.

use bytes::Bytes;
use herdwick_fleet::RequestId;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::headers;
use crate::router::Router;
use crate::routes::Endpoint;
use crate::ticket::Ticket;
use crate::upstream::{Failure, Link};

/// What is asked, the same in every try.
pub(crate) struct Call {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Asks the ticket's backend. Returns when its answer begins, which can take minutes.
pub(crate) async fn send(
    router: &Router,
    ticket: &Ticket,
    call: &Call,
) -> Result<(Response<Incoming>, Link), Failure> {
    let backend = &ticket.backend;
    let host = headers::text(&backend.origin.authority());
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(call.endpoint.path());
    *request.headers_mut() = headers::to_backend(&call.headers, host, call.id);
    let answer = router.pools.send(backend.id, &backend.origin, request, router.limits.connect).await;
    if answer.as_ref().is_err_and(Failure::is_refusal) {
        // Others must not run into the same wall before the next probe says so.
        backend.live.mark_refused();
    }
    answer
}
