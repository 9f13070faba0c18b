//! Who may come in: near addresses, requests that say clearly whom they ask, and of browsers only pages that the
//! operator knows. It knows no route and reads no body.
//!
//! A program may ask under any name. A browser asks on behalf of a page, and any page of the world can have it ask us:
//! directly, which its `Origin` shows, or by having its own name point at us, which our `Host` shows.

mod hosts;
mod near;
mod origins;
mod prefix;

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};

use crate::peer::Peer;
use crate::relay::Body;
use crate::rescue::Problem;
use crate::routes::{self, Route};
use hosts::{Host, Name, Names, Unclear};
use near::Interfaces;
use origins::Page;

pub use origins::{PageOrigin, PageOriginError};
pub(crate) use origins::{is_of_browser, looks_like_browser};
pub use prefix::{Prefix, PrefixError};

/// What the router does at all.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// How long a browser may remember what a page may send, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
/// What a page may read of an answer's head, besides what pages always may.
const READABLE: HeaderValue = HeaderValue::from_static(
    "retry-after, x-herdwick-attempts, x-herdwick-error, x-herdwick-model, x-herdwick-node, x-herdwick-warning, \
     x-herdwick-why, x-request-id",
);

/// Whom the operator lets in besides whoever comes in by default.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Names under which pages may ask, besides those that this machine has.
    pub hosts: Vec<String>,
    /// Pages that may ask, besides our own.
    pub origins: Vec<PageOrigin>,
    /// Addresses that may ask, besides near ones.
    pub sources: Vec<Prefix>,
}

/// The rules, and what they need to know of this machine.
pub(crate) struct Gate {
    names: Names,
    origins: Vec<PageOrigin>,
    sources: Vec<Prefix>,
    interfaces: Interfaces,
}

/// A request that may come in.
#[derive(Debug, PartialEq)]
pub(crate) struct Admitted {
    /// The page from elsewhere that may read the answer.
    reader: Option<HeaderValue>,
}

/// Whether the text can stand in a `Host`, without a port: what an operator may add to the names of this machine.
pub fn is_host_name(text: &str) -> bool {
    Host::parse(text).is_some_and(|host| host.port.is_none() && !text.ends_with(':'))
}

impl Gate {
    pub(crate) fn new(trust: Trust) -> Self {
        Self {
            names: Names::new(hosts::machine(), &trust.hosts),
            origins: trust.origins,
            sources: trust.sources,
            interfaces: Interfaces::of_the_system(),
        }
    }

    /// Whether clients at this address are served.
    pub(crate) fn takes(&self, address: IpAddr) -> bool {
        self.sources.iter().any(|source| source.contains(address)) || self.is_near(address)
    }

    /// Whether the address is on a network of this machine, whoever else is let in.
    pub(crate) fn is_near(&self, address: IpAddr) -> bool {
        near::is_near(address) || self.interfaces.reach(address)
    }

    /// Lets a request in, or says why not and what would change that.
    pub(crate) fn admit<B>(&self, peer: &Peer, request: &Request<B>) -> Result<Admitted, Problem> {
        if !peer.is_welcome() {
            return Err(Problem::NotNear { address: peer.address() });
        }
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            let method = request.method().clone();
            return Err(Problem::Method { method, path: "the router", allow: METHODS });
        }
        let host = hosts::of(request).map_err(unclear)?;
        let in_uri = hosts::in_uri(request).map_err(unclear)?;
        let by_browser = is_of_browser(request.headers());
        // A page whose own name points here reads from us as from itself, and over plain HTTP its browser then says
        // neither whose it is nor where it is from. It says that it is a browser.
        let may_be_page = by_browser || looks_like_browser(request.headers());
        // Whoever names a host in the address itself takes us for a proxy, unless it is the one that is asked.
        let named =
            [host.filter(|_| may_be_page), in_uri.filter(|named| may_be_page || Some(*named) != host)];
        for named in named.into_iter().flatten() {
            self.check_name(named)?;
        }
        if !by_browser {
            return Ok(Admitted { reader: None });
        }
        let reader = self.check_page(request.headers(), host.or(in_uri))?;
        check_type(request)?;
        Ok(Admitted { reader })
    }

    fn check_name(&self, host: Host<'_>) -> Result<(), Problem> {
        let ours = match host.name {
            Name::Address(address) => self.interfaces.have(address) || self.names.have(host.name),
            Name::Text(_) => self.names.have(host.name),
        };
        if ours { Ok(()) } else { Err(Problem::HostNotAllowed { host: host.name.to_string() }) }
    }

    /// Checks whom a browser acts for. Returns the origin that may read the answer, if it is not our own.
    fn check_page(
        &self,
        headers: &HeaderMap,
        host: Option<Host<'_>>,
    ) -> Result<Option<HeaderValue>, Problem> {
        let is_ours = |origin: &str| host.is_some_and(|host| origins::is_ours(origin, host));
        let refuse = |origin: String| Err(Problem::OriginNotAllowed { origin });
        match origins::page(headers) {
            Page::Ours => Ok(None),
            Page::At(origin) if origin.to_str().is_ok_and(is_ours) => Ok(None),
            Page::At(origin) if self.origins.iter().any(|known| known.is(origin)) => Ok(Some(origin.clone())),
            Page::At(origin) => refuse(String::from_utf8_lossy(origin.as_bytes()).into_owned()),
            Page::Referred(address) if is_ours(address) => Ok(None),
            Page::Referred(address) => refuse(address.split('/').take(3).collect::<Vec<_>>().join("/")),
            Page::Elsewhere => refuse("another site".to_owned()),
        }
    }
}

impl Admitted {
    /// Lets the page read the answer.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        let Some(reader) = &self.reader else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
    }
}

/// Knows which addresses are this machine's.
pub fn own_addresses() -> impl Fn(IpAddr) -> bool + Send + Sync {
    let interfaces = Interfaces::of_the_system();
    move |address| interfaces.have(address)
}

/// Whether the request asks this machine by the name or address that only programs on it have for it.
pub(crate) fn names_this_machine<B>(request: &Request<B>) -> bool {
    hosts::of(request).is_ok_and(|host| host.is_some_and(|host| host.name.is_loopback()))
}

/// The answer to a request that asks about the router and not for anything: what it does, or what a page may send.
pub(crate) fn options<B>(request: &Request<B>) -> Option<Result<Response<Body>, Problem>> {
    if request.method() != Method::OPTIONS {
        return None;
    }
    if request.uri().path() == "*" {
        return Some(Ok(nothing_but([(ALLOW, HeaderValue::from_static(METHODS))])));
    }
    let headers = request.headers();
    let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| headers.contains_key(ORIGIN))?;
    Some(preflight(request, wanted))
}

/// Tells a browser what the page that it asks for may send. Whether the page may send anything was checked before.
fn preflight<B>(request: &Request<B>, wanted: &HeaderValue) -> Result<Response<Body>, Problem> {
    let method = Method::from_bytes(wanted.as_bytes()).unwrap_or(Method::OPTIONS);
    match routes::find(&method, request.uri().path())? {
        Route::Admin => return Err(Problem::Forbidden { why: "it does not answer pages in a browser" }),
        Route::Beat(_) => return Err(Problem::BeatRefused { why: "pages in a browser send none" }),
        _ => {}
    }
    let mut response = nothing_but([
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)),
        (ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ]);
    // A page that is let in may send what it likes; a backend sees only what is on our list.
    if let Some(names) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    Ok(response)
}

fn nothing_but<const N: usize>(headers: [(http::HeaderName, HeaderValue); N]) -> Response<Body> {
    let mut response = Response::new(Body::Full(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().extend(headers);
    response
}

/// What a page sends must be of a type that browsers ask about before they send it. JSON is; what a plain form can send
/// is not. Only a recording is sent as a form.
fn check_type<B>(request: &Request<B>) -> Result<(), Problem> {
    let takes_forms = request.uri().path() == herdwick_dialect::Endpoint::Transcriptions.path();
    if request.method() != Method::POST || (takes_forms && is_of_type(request, b"multipart/form-data")) {
        return Ok(());
    }
    check_json(request)
}

/// Whether the request says that its body is JSON.
pub(crate) fn check_json<B>(request: &Request<B>) -> Result<(), Problem> {
    if is_of_type(request, b"application/json") {
        return Ok(());
    }
    let found = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    Err(Problem::MediaType { found: String::from_utf8_lossy(found).into_owned() })
}

fn is_of_type<B>(request: &Request<B>, wanted: &[u8]) -> bool {
    let found = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = found.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(wanted)
}

fn unclear(why: Unclear) -> Problem {
    Problem::HostUnclear {
        why: match why {
            Unclear::Missing => "it has no Host",
            Unclear::Several => "it has more than one Host",
            Unclear::Malformed => "its Host is no name or address with a port",
        },
    }
}

#[cfg(test)]
mod tests;
