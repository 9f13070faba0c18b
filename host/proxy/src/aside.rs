//! Requests that are not for a model: the admin API. They are let in by strict rules and answered on another
//! thread, whatever that costs, so that they never delay a client.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{HOST, HeaderName, ORIGIN, REFERER, VIA};
use http::request::Parts;
use http::{Request, Response};

use crate::relay::Body;
use crate::rescue::Problem;

/// Whoever answers them.
pub trait Aside: Send + Sync {
    /// Answers one request, on a thread of its own choice.
    fn serve(&self, request: Request<Bytes>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}

/// Headers that say that the request came through a proxy: its peer is not whoever asks.
const FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    VIA,
];

/// Headers that only a browser sends: a page must not act as its reader.
const BROWSER: [HeaderName; 5] = [
    ORIGIN,
    REFERER,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-dest"),
];

/// Lets in programs on this machine that talk to this machine, and nobody else.
pub(crate) fn admit(head: &Parts, peer: IpAddr) -> Result<(), Problem> {
    let refuse = |why| Err(Problem::Forbidden { why });
    if !peer.to_canonical().is_loopback() {
        return refuse("it is open to programs on the router's machine only");
    }
    if !head.headers.get(HOST).is_some_and(|host| names_this_machine(host.as_bytes())) {
        return refuse("its Host must be localhost or a loopback address");
    }
    if FORWARDED.iter().any(|name| head.headers.contains_key(name)) {
        return refuse("it does not answer through a proxy");
    }
    if BROWSER.iter().any(|name| head.headers.contains_key(name)) {
        return refuse("it does not answer pages in a browser");
    }
    Ok(())
}

/// Passes the request on and the answer back.
pub(crate) async fn serve(aside: &dyn Aside, head: Parts, body: Bytes) -> Response<Body> {
    aside.serve(Request::from_parts(head, body)).await.map(Body::full)
}

fn names_this_machine(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get("/admin/v1/plugins");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        admit(&head, peer.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_programs_on_this_machine_are_let_in() {
        for host in ["localhost:11435", "127.0.0.1", "[::1]:11435", "LOCALHOST", "127.9.9.9:1"] {
            assert!(check("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(check("::ffff:127.0.0.1", &[("host", "localhost")]));
        for (peer, headers) in [
            ("192.168.1.9", &[("host", "localhost")][..]),
            ("127.0.0.1", &[("host", "evil.example")]),
            ("127.0.0.1", &[("host", "localhost.evil.example:11435")]),
            ("127.0.0.1", &[]),
            ("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "10.0.0.1")]),
            ("127.0.0.1", &[("host", "localhost"), ("origin", "http://localhost")]),
            ("127.0.0.1", &[("host", "localhost"), ("sec-fetch-site", "same-origin")]),
        ] {
            assert!(!check(peer, headers), "{peer} {headers:?}");
        }
    }
}
