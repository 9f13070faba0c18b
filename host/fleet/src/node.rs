//! A machine, and where a server on it listens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::NodeId;
use crate::live::NodeLive;
use crate::model::ModelName;
use crate::moment::Moment;
use crate::report::Agent;
use crate::standing::{Draining, Standing};

/// Bytes of a machine's name, as of a label of a domain name.
pub const NAME_MOST: usize = 63;

/// Whether a machine can be called so: 1 to 63 letters, digits, dots, dashes, underscores, so that a name can stand in a
/// command, a header and an address.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_MOST).contains(&name.len()) && name.chars().all(allowed)
}

/// A machine that is listed, found or reported.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who it is.
    pub id: NodeId,
    /// What people call it; unique within the fleet.
    pub name: Arc<str>,
    /// What its operator says of it, for plugins.
    pub labels: BTreeMap<String, String>,
    /// Which agent speaks for it, or did.
    pub agent: Option<Agent>,
    /// Whether that agent is heard.
    pub standing: Standing,
    /// Who wants that it takes no new work.
    pub draining: Draining,
    /// Models that its operator wants in its memory, whatever comes.
    pub pins: BTreeSet<ModelName>,
    /// What moves with every beat.
    pub live: Arc<NodeLive>,
}

impl Node {
    /// How long it is held back yet, if it is.
    pub fn held(&self, now: Moment) -> Option<Duration> {
        match self.standing {
            Standing::Held { until } if until > now => Some(until.since(now)),
            _ => None,
        }
    }
}

/// Where a backend listens: plain HTTP, a host and a port, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Host name, IPv4 address, or IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text names no origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginError {
    /// Nothing there.
    Empty,
    /// A scheme other than `http`.
    Scheme(String),
    /// A path, query or user part, which a backend's origin cannot have.
    Extra(String),
    /// Characters that no host name has.
    Host(String),
    /// Not a number from 1 to 65535.
    Port(String),
}

impl fmt::Display for OriginError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("it names no host"),
            Self::Scheme(scheme) => {
                write!(out, "the scheme {scheme:?} is not supported, only http")
            }
            Self::Extra(extra) => write!(out, "{extra:?} is too much: only http://HOST:PORT is possible"),
            Self::Host(host) => write!(out, "{host:?} is no host name or address"),
            Self::Port(port) => write!(out, "{port:?} is no port, which is a number from 1 to 65535"),
        }
    }
}

impl std::error::Error for OriginError {}

impl Origin {
    /// Ollama's port, taken when none is given.
    pub const DEFAULT_PORT: u16 = 11434;

    /// Reads `http://host:port`, `host:port` or `host`, as `OLLAMA_HOST` is written.
    ///
    /// # Errors
    /// What about the text is wrong.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(OriginError::Scheme(scheme.to_owned())),
            None => text,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = authority.find(['/', '?', '#', '@']) {
            let extra = authority.get(at..).unwrap_or(authority);
            return Err(OriginError::Extra(extra.to_owned()));
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(OriginError::Empty);
        }
        let port = match port {
            None => Self::DEFAULT_PORT,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(OriginError::Port(text.to_owned())),
            },
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// `host:port` with brackets around an IPv6 address: the value of a `Host` header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://{}", self.authority())
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), OriginError> {
    let bad_host = || OriginError::Host(authority.to_owned());
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']').ok_or_else(bad_host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(bad_host()),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.chars().all(allowed) { Ok((host, port)) } else { Err(bad_host()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_people_write_them() {
        for (written, host, port) in [
            ("http://10.0.0.5:11434", "10.0.0.5", 11434),
            ("http://Studio.local/", "studio.local", 11434),
            ("studio:8080", "studio", 8080),
            ("studio", "studio", 11434),
            ("[fe80::1]:1234", "fe80::1", 1234),
            ("http://[::1]", "::1", 11434),
        ] {
            let origin = Origin { host: host.to_owned(), port };
            assert_eq!(Origin::parse(written), Ok(origin), "{written}");
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        for (written, error) in [
            ("", OriginError::Empty),
            ("http://", OriginError::Empty),
            ("https://studio", OriginError::Scheme("https".into())),
            ("http://studio:11434/api", OriginError::Extra("/api".into())),
            ("http://me@studio", OriginError::Extra("@studio".into())),
            ("studio:0", OriginError::Port("0".into())),
            ("studio:70000", OriginError::Port("70000".into())),
            ("stu dio", OriginError::Host("stu dio".into())),
            ("[::g]:1", OriginError::Host("[::g]:1".into())),
        ] {
            assert_eq!(Origin::parse(written), Err(error), "{written}");
        }
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets_on_the_wire() {
        let origin = Origin { host: "::1".into(), port: 80 };
        assert_eq!(origin.to_string(), "http://[::1]:80");
    }
}
