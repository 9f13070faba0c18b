//! `[node]`: what the agent of a machine is told. Whether an address is this machine's own is not asked here.

use std::fmt;

use herdwick_agent::DOOR_PORT;
use herdwick_fleet::{BackendKind, Origin};
use toml::Value;

use super::choices::Switch;
use super::kind::{Kind, text, wrong};
use super::layers::Layers;
use super::lists::Texts;
use super::measures::Count;
use super::nodes::checked_name;
use super::place::Problem;
use super::raw::Given;

/// A router's port where none is given.
const ROUTER_PORT: u16 = super::LISTEN.port();
/// Port 0 would be another one after each start, and a firewall has to know it.
const PORT: Count = Count { least: 1, most: 65_535 };

const ROUTERS: Texts<RouterAt> =
    Texts { one: "a router like \"192.168.1.10:11435\"", read: |text| RouterAt::parse(text) };
const BACKENDS: Texts<Backend> =
    Texts { one: "a model server like \"vllm=http://127.0.0.1:8000\"", read: |text| Backend::parse(text) };

/// What an agent is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeConfig {
    /// What the machine is called; otherwise as its system calls it.
    pub(crate) name: Option<String>,
    /// Routers to report to; none = those met before and those on the network.
    pub(crate) routers: Vec<RouterAt>,
    /// Model servers; none = whatever is in the usual places.
    pub(crate) backends: Vec<Backend>,
    /// The first port that is tried for passing on.
    pub(crate) port: u16,
    /// Whether it is told that somebody is in a meeting here.
    pub(crate) meeting: bool,
}

/// Where a router is, as `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouterAt(pub(crate) String);

/// A model server on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    /// Which; otherwise it is found out.
    pub(crate) kind: Option<BackendKind>,
    pub(crate) origin: Origin,
}

/// Asks for everything of the section.
pub(super) fn read(layers: &mut Layers) -> NodeConfig {
    NodeConfig {
        name: layers.take_said("node.name", &Name),
        routers: layers.take("node.routers", &ROUTERS, Vec::new()),
        backends: layers.take("node.backends", &BACKENDS, Vec::new()),
        port: u16::try_from(layers.take("node.port", &PORT, u32::from(DOOR_PORT))).unwrap_or(DOOR_PORT),
        meeting: layers.take("node.meeting", &Switch, true),
    }
}

impl RouterAt {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let mut origin = Origin::parse(text).map_err(|error| error.to_string())?;
        // A second port is one too many, unless there was no first.
        if Origin::parse(&format!("{text}:1")).is_ok() {
            origin.port = ROUTER_PORT;
        }
        Ok(Self(origin.authority()))
    }
}

impl Backend {
    fn parse(text: &str) -> Result<Self, String> {
        let (kind, url) = match text.split_once('=') {
            Some((kind, url)) => (Some(kind.trim()), url),
            None => (None, text),
        };
        let kind = kind.map(|name| {
            let known = || BackendKind::ALL.map(BackendKind::name).join(", ");
            BackendKind::from_name(name)
                .ok_or_else(|| format!("{name:?} is no kind of model server; there are {}", known()))
        });
        let mut origin = Origin::parse(url).map_err(|error| error.to_string())?;
        if origin.host == "localhost" {
            origin.host = "127.0.0.1".to_owned();
        }
        // A name would be looked up anew each time, and may be another machine's tomorrow.
        if origin.host.parse::<std::net::IpAddr>().is_err() {
            let what = "is no address; name this machine by one of its own, like 127.0.0.1";
            return Err(format!("{:?} {what}", origin.host));
        }
        Ok(Self { kind: kind.transpose()?, origin })
    }
}

impl fmt::Display for RouterAt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(out, "{}={}", kind.name(), self.origin),
            None => write!(out, "{}", self.origin),
        }
    }
}

/// A machine's name.
struct Name;

impl Kind for Name {
    type Value = String;

    fn read(&self, key: &str, given: &Given) -> Result<String, Vec<Problem>> {
        let text = text(key, given, "a name like \"studio\"")?;
        checked_name(text).map_err(|what| wrong(key, given, what))
    }

    fn write(&self, value: &String) -> Value {
        Value::String(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_named_as_people_write_addresses() {
        for (written, read) in [
            ("10.0.0.1", "10.0.0.1:11435"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("Attic.local", "attic.local:11435"),
            ("http://attic:11435/", "attic:11435"),
            ("http://attic/", "attic:11435"),
            ("[fe80::1]", "[fe80::1]:11435"),
            ("[fe80::1]:80", "[fe80::1]:80"),
        ] {
            assert_eq!(RouterAt::parse(written), Ok(RouterAt(read.to_owned())), "{written}");
        }
        assert!(RouterAt::parse("https://attic").expect_err("no TLS").contains("only http"));
    }

    #[test]
    fn a_model_server_is_an_address_of_a_known_kind() {
        for (written, shown) in [
            ("vllm=http://127.0.0.1:8000", "vllm=http://127.0.0.1:8000"),
            ("ollama=localhost", "ollama=http://127.0.0.1:11434"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(Backend::parse(written).map(|backend| backend.to_string()), Ok(shown.to_owned()));
        }
        for (written, why) in [
            ("tgi=http://127.0.0.1:8080", "there are ollama, llama.cpp"),
            ("vllm=http://studio:8000", "is no address"),
            ("vllm=", "names no host"),
        ] {
            let told = Backend::parse(written).expect_err(written);
            assert!(told.contains(why), "{written}: {told}");
        }
    }
}
