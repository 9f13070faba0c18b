//! Whom a client believes to talk to: the `Host` of a request, read strictly, and the names that this machine has.

use std::fmt;
use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Version};

/// The names of this machine as its own containers know it.
const FROM_CONTAINERS: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// A name or an address, and perhaps a port, out of a `Host`, a URI or an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) port: Option<u16>,
}

/// The part before the port.
#[derive(Clone, Copy, Debug, Eq)]
pub(crate) enum Name<'a> {
    Address(IpAddr),
    /// Letters, digits, dashes, underscores and dots, without a last dot.
    Text(&'a str),
}

/// Why a request's host cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    Missing,
    Several,
    Malformed,
}

/// The names under which this machine may be asked by pages.
#[derive(Debug)]
pub(crate) struct Names(Vec<String>);

impl<'a> Host<'a> {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`. Anything else, like a list, a user or a zone, is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                (Name::Address(IpAddr::V6(address).to_canonical()), rest)
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Name::parse(name)?, rest)
            }
        };
        Some(Self { name, port: parse_port(port)? })
    }
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let labels = name.split('.').all(|label| !label.is_empty());
        (labels && name.len() <= 253 && name.bytes().all(is_good)).then_some(Self::Text(name))
    }
}

impl Name<'_> {
    /// Whether it leads nowhere else from any machine.
    pub(crate) fn is_loopback(self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Text(text) => text.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Text(text) => out.write_str(text),
        }
    }
}

/// Empty, or a colon with a number that may be missing (RFC 3986 §3.2.3).
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() || text == ":" {
        return Some(None);
    }
    let digits = text.strip_prefix(':')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(Some)
}

/// The `Host` of a request. An HTTP/1.0 client need not send one, and then there is none.
pub(crate) fn of<B>(request: &Request<B>) -> Result<Option<Host<'_>>, Unclear> {
    let mut values = request.headers().get_all(HOST).iter();
    let Some(value) = values.next() else {
        return if request.version() < Version::HTTP_11 { Ok(None) } else { Err(Unclear::Missing) };
    };
    if values.next().is_some() {
        return Err(Unclear::Several);
    }
    let text = value.to_str().map_err(|_| Unclear::Malformed)?;
    Host::parse(text).map(Some).ok_or(Unclear::Malformed)
}

/// The authority of a request's URI, if it was written as `http://host/path`.
pub(crate) fn in_uri<B>(request: &Request<B>) -> Result<Option<Host<'_>>, Unclear> {
    let Some(authority) = request.uri().authority().map(Authority::as_str) else { return Ok(None) };
    Host::parse(authority).map(Some).ok_or(Unclear::Malformed)
}

impl Names {
    /// What this machine calls itself, and what the operator added.
    pub(crate) fn new(machine: Option<String>, added: &[String]) -> Self {
        let mut names: Vec<String> =
            ["localhost"].into_iter().chain(FROM_CONTAINERS).map(str::to_owned).collect();
        if let Some(machine) = machine {
            let short = machine.split('.').next().unwrap_or_default().to_owned();
            names.push(format!("{short}.local"));
            names.push(short);
            names.push(machine);
        }
        names.extend(added.iter().cloned());
        Self(names)
    }

    /// Whether it is one of them.
    pub(crate) fn have(&self, name: Name<'_>) -> bool {
        self.0.iter().filter_map(|have| Host::parse(have)).any(|have| have.name == name)
    }
}

/// What this machine calls itself.
#[cfg(unix)]
pub(crate) fn machine() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

/// What this machine calls itself.
#[cfg(not(unix))]
pub(crate) fn machine() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_name_or_address_with_a_port_or_none() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("localhost.:11435", "localhost", Some(11_435)),
            ("Studio.LOCAL:80", "Studio.LOCAL", Some(80)),
            ("127.0.0.1:", "127.0.0.1", None),
            ("[::1]:11435", "::1", Some(11_435)),
            ("[::ffff:10.0.0.1]", "10.0.0.1", None),
            ("my_box-2", "my_box-2", None),
            // A number is a name like any other; that it is nobody's is said elsewhere.
            ("2130706433", "2130706433", None),
        ] {
            let host = Host::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((host.name.to_string().as_str(), host.port), (name, port), "{text}");
        }
        for text in [
            "",
            ":80",
            "a,b",
            "a, b",
            "a b",
            "user@a",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:65536",
            "[::1",
            "::1",
            "[::1]x",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
            "a/b",
            "a?b",
            "münchen",
            "a..b",
            ".",
            ".a",
            "a\\b",
            "[a]",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_equal_whatever_their_case_and_last_dot() {
        let names = Names::new(Some("Studio.lan.example".to_owned()), &["ai.example.com".to_owned()]);
        for (text, ours) in [
            ("LOCALHOST", true),
            ("localhost.", true),
            ("studio", true),
            ("studio.local:5", true),
            ("studio.lan.example", true),
            ("ai.example.com", true),
            ("host.docker.internal", true),
            ("evil.ai.example.com", false),
            ("localhost.evil.com", false),
            ("studio.local.evil.com", false),
            ("example.com", false),
            ("local", false),
        ] {
            let host = Host::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(names.have(host.name), ours, "{text}");
        }
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let of_these = |version: Version, hosts: &[&str]| {
            let mut request = Request::get("/").version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            of(&request.body(()).unwrap()).map(|host| host.map(|host| host.name.to_string()))
        };
        assert_eq!(of_these(Version::HTTP_11, &["a"]), Ok(Some("a".to_owned())));
        assert_eq!(of_these(Version::HTTP_10, &[]), Ok(None));
        assert_eq!(of_these(Version::HTTP_11, &[]), Err(Unclear::Missing));
        assert_eq!(of_these(Version::HTTP_11, &["a", "a"]), Err(Unclear::Several));
        assert_eq!(of_these(Version::HTTP_11, &["a, b"]), Err(Unclear::Malformed));
    }
}
