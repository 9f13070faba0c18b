//! Where a page comes from: the `Origin` of a request, compared exactly, and the ones that the operator lets in.

use std::fmt;
use std::str::FromStr;

use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, USER_AGENT};

use super::hosts::Host;

const SEC_FETCH: &str = "sec-fetch-";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origin of a page, as browsers write it: `https://chat.example.com`, `http://192.168.1.7:3000`,
/// `tauri://localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOrigin(String);

/// What an origin looks like, for whoever wrote something else.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no origin; write a scheme, a host and perhaps a port, like https://chat.example.com or \
     http://192.168.1.7:3000, each on its own and without *"
)]
pub struct PageOriginError(String);

/// Which page a request acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page<'a> {
    /// A page from this origin.
    At(&'a HeaderValue),
    /// A page from the origin of this address, of which only the address is told.
    Referred(&'a str),
    /// A page of ours, or nobody's: somebody typed our address into a browser.
    Ours,
    /// A page from elsewhere that does not say where.
    Elsewhere,
}

/// Whether a browser sent it: only one tells where a request comes from.
pub(crate) fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| *name == ORIGIN || *name == REFERER || name.as_str().starts_with(SEC_FETCH))
}

/// Whether it calls itself one. Some programs do too, so that only its `Host` is looked at for that.
pub(crate) fn looks_like_browser(headers: &HeaderMap) -> bool {
    headers.get_all(USER_AGENT).iter().any(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Which page a browser's request acts for. Several answers to one question count as the worst.
pub(crate) fn page(headers: &HeaderMap) -> Page<'_> {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => return Page::At(origin),
        (Some(_), Some(_)) => return Page::Elsewhere,
        (None, _) => {}
    }
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
    if sites.peek().is_some() {
        let ours = |site: &HeaderValue| site == "same-origin" || site == "none";
        return if sites.all(ours) { Page::Ours } else { Page::Elsewhere };
    }
    let mut referers = headers.get_all(REFERER).iter();
    match (referers.next().map(HeaderValue::to_str), referers.next()) {
        (Some(Ok(referer)), None) => Page::Referred(referer),
        (Some(_), _) => Page::Elsewhere,
        (None, _) => Page::Ours,
    }
}

/// Whether an origin, or an address with more behind it, is that of our own pages under this name.
pub(crate) fn is_ours(origin: &str, host: Host<'_>) -> bool {
    let (rest, port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (_, Some(rest)) => (rest, 443),
        _ => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let with_default = |host: Host<'_>| host.port.unwrap_or(port);
    Host::parse(authority)
        .is_some_and(|page| page.name == host.name && with_default(page) == with_default(host))
}

impl PageOrigin {
    /// Whether a header says this origin. Browsers write each in one way.
    pub(crate) fn is(&self, header: &HeaderValue) -> bool {
        header.as_bytes() == self.0.as_bytes()
    }
}

impl FromStr for PageOrigin {
    type Err = PageOriginError;

    fn from_str(text: &str) -> Result<Self, PageOriginError> {
        let wrong = || PageOriginError(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (scheme, rest) = lower.split_once("://").ok_or_else(wrong)?;
        let is_scheme =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let host = Host::parse(authority).ok_or_else(wrong)?;
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(wrong());
        }
        // Browsers leave out the port that the scheme has by itself.
        let bare = match (scheme, host.port) {
            ("http", Some(80)) => authority.strip_suffix(":80"),
            ("https", Some(443)) => authority.strip_suffix(":443"),
            _ => None,
        };
        Ok(Self(format!("{scheme}://{}", bare.unwrap_or(authority))))
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, kept) in [
            ("https://Chat.Example.com", "https://chat.example.com"),
            ("https://chat.example.com/", "https://chat.example.com"),
            ("https://chat.example.com:443", "https://chat.example.com"),
            ("http://192.168.1.7:3000", "http://192.168.1.7:3000"),
            ("http://[fd00::1]:80", "http://[fd00::1]"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ] {
            let origin: PageOrigin = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(origin.to_string(), kept);
        }
        for text in [
            "",
            "*",
            "null",
            "https://*",
            "https://*.example.com",
            "chat.example.com",
            "https://a/b",
            "https://a b",
            "://a",
            "file://",
        ] {
            assert!(text.parse::<PageOrigin>().is_err(), "{text}");
        }
    }

    #[test]
    fn our_own_pages_have_the_host_and_port_that_was_asked() {
        for (origin, host, ours) in [
            ("http://localhost:11435", "localhost:11435", true),
            ("http://LOCALHOST:11435", "localhost:11435", true),
            ("http://localhost:11435/chat?x#y", "localhost:11435", true),
            ("http://localhost", "localhost", true),
            ("http://localhost:80", "localhost", true),
            ("https://ai.example.com", "ai.example.com", true),
            ("http://localhost:3000", "localhost:11435", false),
            ("http://127.0.0.1:11435", "localhost:11435", false),
            ("http://localhost:11435.evil.com", "localhost:11435", false),
            ("http://localhost:11435@evil.com", "localhost:11435", false),
            ("ftp://localhost:11435", "localhost:11435", false),
            ("null", "localhost:11435", false),
            ("", "localhost:11435", false),
        ] {
            assert_eq!(is_ours(origin, Host::parse(host).unwrap()), ours, "{origin} {host}");
        }
    }

    #[test]
    fn a_browser_tells_where_a_request_comes_from() {
        let evil = HeaderValue::from_static("http://evil");
        for (said, expected) in [
            (&[][..], None),
            (&[("user-agent", "Mozilla/5.0")], None),
            (&[("origin", "http://evil")], Some(Page::At(&evil))),
            (&[("origin", "http://evil"), ("sec-fetch-site", "same-origin")], Some(Page::At(&evil))),
            (&[("origin", "http://evil"), ("origin", "http://good")], Some(Page::Elsewhere)),
            (&[("sec-fetch-site", "none")], Some(Page::Ours)),
            (&[("sec-fetch-site", "same-origin"), ("referer", "http://localhost/")], Some(Page::Ours)),
            (&[("sec-fetch-site", "same-site")], Some(Page::Elsewhere)),
            (&[("sec-fetch-site", "cross-site")], Some(Page::Elsewhere)),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], Some(Page::Elsewhere)),
            (&[("sec-fetch-site", "new-word")], Some(Page::Elsewhere)),
            (&[("referer", "http://evil/page")], Some(Page::Referred("http://evil/page"))),
            (&[("sec-fetch-mode", "cors")], Some(Page::Ours)),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in said {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = is_of_browser(&headers).then(|| page(&headers));
            assert_eq!(found, expected, "{said:?}");
        }
    }
}
