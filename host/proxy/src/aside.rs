//! Requests that are not for a model: the admin API. They are let in by strict rules and answered on another
//! thread, whatever that costs, so that they never delay a client.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, VIA};
use http::request::Parts;
use http::{Request, Response};

use crate::gate;
use crate::relay::Body;
use crate::rescue::Problem;

/// Whoever answers them.
pub trait Aside: Send + Sync {
    /// Answers one request, on a thread of its own choice.
    fn serve(&self, request: Request<Bytes>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}

/// Headers that say that the request came through a proxy, beside those that begin with [`FORWARDED`]: its peer is not
/// whoever asks.
const PROXIED: [HeaderName; 3] =
    [HeaderName::from_static("forwarded"), HeaderName::from_static("x-real-ip"), VIA];
const FORWARDED: &str = "x-forwarded-";

/// Lets in programs on this machine that talk to this machine, and nobody else.
pub(crate) fn admit<B>(request: &Request<B>, peer: IpAddr) -> Result<(), Problem> {
    let refuse = |why| Err(Problem::Forbidden { why });
    let headers = request.headers();
    if !peer.is_loopback() {
        return refuse("it is open to programs on the router's machine only");
    }
    if !gate::names_this_machine(request) {
        return refuse("its Host must be localhost or a loopback address");
    }
    let proxied = |name: &HeaderName| PROXIED.contains(name) || name.as_str().starts_with(FORWARDED);
    if headers.keys().any(proxied) {
        return refuse("it does not answer through a proxy");
    }
    if gate::is_of_browser(headers) {
        return refuse("it does not answer pages in a browser");
    }
    let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    if is_empty && !headers.contains_key(TRANSFER_ENCODING) { Ok(()) } else { gate::check_json(request) }
}

/// Passes the request on and the answer back.
pub(crate) async fn serve(aside: &dyn Aside, head: Parts, body: Bytes) -> Response<Body> {
    aside.serve(Request::from_parts(head, body)).await.map(Body::full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get("/admin/v1/plugins");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap(), peer.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_programs_on_this_machine_are_let_in() {
        for host in ["localhost:11435", "127.0.0.1", "[::1]:11435", "LOCALHOST", "127.9.9.9:1"] {
            assert!(check("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(check("::1", &[("host", "localhost")]));
        let body = ("content-length", "2");
        assert!(check("127.0.0.1", &[("host", "localhost"), ("content-length", "0")]));
        assert!(check("127.0.0.1", &[("host", "localhost"), body, ("content-type", "application/json")]));
        for (peer, headers) in [
            ("192.168.1.9", &[("host", "localhost")][..]),
            ("127.0.0.1", &[("host", "evil.example")]),
            ("127.0.0.1", &[("host", "localhost.evil.example:11435")]),
            ("127.0.0.1", &[]),
            ("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "10.0.0.1")]),
            ("127.0.0.1", &[("host", "localhost"), ("x-forwarded-anything", "1")]),
            ("127.0.0.1", &[("host", "localhost"), body]),
            ("127.0.0.1", &[("host", "localhost"), body, ("content-type", "text/plain")]),
            ("127.0.0.1", &[("host", "localhost"), ("transfer-encoding", "chunked")]),
            ("127.0.0.1", &[("host", "localhost"), ("origin", "http://localhost")]),
            ("127.0.0.1", &[("host", "localhost"), ("sec-fetch-site", "same-origin")]),
        ] {
            assert!(!check(peer, headers), "{peer} {headers:?}");
        }
    }
}
