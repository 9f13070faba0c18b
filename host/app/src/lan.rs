//! What the router says of itself on the network, from its configuration and where it listens. It sends nothing.

use std::net::SocketAddr;

use herdwick_control::Discovery;
use herdwick_discovery::{Card, Interfaces, Role, Settings};
use herdwick_wire::seal::PublicKey;

use crate::config;
use crate::machine;

/// How the router is found and finds.
pub(crate) fn discovery(config: config::Discovery, key: &PublicKey, listening: SocketAddr) -> Discovery {
    let card = Card {
        role: Role::Router,
        name: machine::name(),
        fingerprint: key.node().into(),
        port: listening.port(),
    };
    let settings = Settings { interfaces: interfaces(listening), ..Settings::default() };
    Discovery {
        card,
        mdns: config.mdns.then_some(settings),
        probe: config.probe,
        adopt_herd_nodes: config.adopt_herd_nodes,
    }
}

/// It is shown where it can be reached and nowhere else.
fn interfaces(listening: SocketAddr) -> Interfaces {
    match listening.ip() {
        all if all.is_unspecified() => Interfaces::All,
        loopback if loopback.is_loopback() => Interfaces::Loopback,
        one => Interfaces::With(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_where_it_listens() {
        let check = |listening: &str, expected: Interfaces| {
            assert_eq!(interfaces(listening.parse().unwrap()), expected, "{listening}");
        };
        check("0.0.0.0:1", Interfaces::All);
        check("[::]:1", Interfaces::All);
        check("127.0.0.1:1", Interfaces::Loopback);
        check("[::1]:1", Interfaces::Loopback);
        check("192.168.1.7:1", Interfaces::With("192.168.1.7".parse().unwrap()));
        check("[fe80::7]:1", Interfaces::With("fe80::7".parse().unwrap()));
    }
}
