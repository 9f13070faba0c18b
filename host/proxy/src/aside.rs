//! Requests that are not for a model: the admin API, and the heartbeats of agents. They are let in by strict rules and
//! answered on another thread, whatever that costs, so that they never delay a client.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING, VIA};
use http::{Request, Response};

use crate::gate;
use crate::relay::Body;
use crate::rescue::Problem;

/// Bytes of a heartbeat's body. Agents of ours keep to it; one of Ollama Herd with fifty models has 14 KB.
pub const BEAT_BYTES: usize = 256 << 10;

/// Whoever answers them.
pub trait Aside: Send + Sync {
    /// Answers one request that came from this address, on a thread of its own choice.
    fn serve(
        &self,
        matter: Matter,
        from: IpAddr,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}

/// What such a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// The admin API: whoever asks is a program on this machine.
    Admin,
    /// A heartbeat of an agent of ours: it is near, and nothing else of it is known.
    Beat,
    /// One of Ollama Herd's: the same.
    HerdBeat,
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
    if is_proxied(headers) {
        return refuse("it does not answer through a proxy");
    }
    if gate::is_of_browser(headers) {
        return refuse("it does not answer pages in a browser");
    }
    let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    if is_empty && !headers.contains_key(TRANSFER_ENCODING) { Ok(()) } else { gate::check_json(request) }
}

/// Lets in programs on near machines, and no pages. Who they are shows later. `is_near` is what the gate says of `peer`,
/// without whom the operator let in besides: such a client may ask, and is no node for that.
pub(crate) fn admit_beat<B>(request: &Request<B>, peer: IpAddr, is_near: bool) -> Result<(), Problem> {
    let headers = request.headers();
    if !is_near {
        return Err(Problem::FarBeat { address: peer });
    }
    if is_proxied(headers) {
        return Err(Problem::BeatRefused { why: "behind a proxy nobody can tell where its machine is" });
    }
    if gate::is_of_browser(headers) || gate::looks_like_browser(headers) {
        return Err(Problem::BeatRefused { why: "pages in a browser send none" });
    }
    gate::check_json(request)
}

/// Passes the request on and the answer back.
pub(crate) async fn serve(
    aside: &dyn Aside,
    matter: Matter,
    from: IpAddr,
    request: Request<Bytes>,
) -> Response<Body> {
    aside.serve(matter, from, request).await.map(Body::full)
}

fn is_proxied(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| PROXIED.contains(name) || name.as_str().starts_with(FORWARDED))
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
    #[test]
    fn heartbeats_are_let_in_from_near_programs_alone() {
        let json = ("content-type", "application/json");
        let check = |near, headers: &[(&str, &str)]| {
            let mut request = Request::post("/fleet/v1/beat");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let admitted = admit_beat(&request.body(()).unwrap(), IpAddr::from([10, 0, 0, 5]), near);
            admitted.map_or_else(|problem| problem.code(), |()| "in")
        };
        for (near, headers, expected) in [
            (true, &[json][..], "in"),
            (true, &[("content-type", "application/json; charset=utf-8")], "in"),
            (false, &[json], "not_near"),
            (true, &[], "unsupported_media_type"),
            (true, &[("content-type", "text/plain")], "unsupported_media_type"),
            (true, &[json, ("origin", "http://localhost:11435")], "forbidden"),
            (true, &[json, ("referer", "http://localhost:11435/")], "forbidden"),
            (true, &[json, ("sec-fetch-site", "same-origin")], "forbidden"),
            (true, &[json, ("user-agent", "Mozilla/5.0 (X11)")], "forbidden"),
            (true, &[json, ("x-forwarded-for", "10.0.0.9")], "forbidden"),
            (true, &[json, ("via", "1.1 proxy")], "forbidden"),
        ] {
            assert_eq!(check(near, headers), expected, "{near} {headers:?}");
        }
    }
}
