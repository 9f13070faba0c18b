//! Where model servers are looked for on this machine: where each kind listens by default, where Ollama was told to,
//! and where the operator says.

use std::net::IpAddr;

use herdwick_fleet::{BackendKind, Origin};

/// Where a server on this machine is reached.
const LOOPBACK: &str = "127.0.0.1";

/// One place to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub origin: Origin,
    /// What is there, if somebody said so. Otherwise it is found out.
    pub kind: Option<BackendKind>,
}

/// Where servers listen by default; what is there is found out all the same.
///
/// Ollama; llama.cpp's server and `mlx_lm.server`; vLLM; LM Studio; other MLX servers.
const USUAL: [u16; 6] = [Origin::DEFAULT_PORT, 8080, 8000, 1234, 8081, 10_240];

impl Place {
    /// Every usual place. `ollama_host` is Ollama's own variable, if it is set for us too; `own` are the addresses of
    /// this machine.
    pub fn usual(ollama_host: Option<&str>, own: &[IpAddr]) -> Vec<Self> {
        let told = ollama_host.and_then(|host| Origin::parse(host).ok()).map(here);
        let is_ours = |origin: &Origin| {
            origin.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback() || own.contains(&host))
        };
        let usual = USUAL.into_iter().map(|port| Origin { host: LOOPBACK.to_owned(), port });
        let mut places: Vec<Self> = Vec::new();
        // A client's setting names another machine; servers there have their own agent.
        for origin in told.filter(is_ours).into_iter().chain(usual) {
            if !places.iter().any(|place| place.origin == origin) {
                places.push(Self { origin, kind: None });
            }
        }
        places
    }
}

/// Nobody can connect to a wildcard, on which a server may well listen.
fn here(origin: Origin) -> Origin {
    let address = origin.host.parse::<IpAddr>();
    let is_here = address.is_ok_and(|address| address.is_unspecified()) || origin.host == "localhost";
    if is_here { Origin { host: LOOPBACK.to_owned(), ..origin } } else { origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(host: Option<&str>) -> (String, usize) {
        let places = Place::usual(host, &[IpAddr::from([10, 0, 0, 7])]);
        (places[0].origin.to_string(), places.len())
    }

    #[test]
    fn ollama_is_looked_for_where_it_was_told_to_listen() {
        for (told, place, places) in [
            (None, "http://127.0.0.1:11434", 6),
            (Some("0.0.0.0"), "http://127.0.0.1:11434", 6),
            (Some("0.0.0.0:11500"), "http://127.0.0.1:11500", 7),
            (Some("localhost:11500"), "http://127.0.0.1:11500", 7),
            (Some("10.0.0.7"), "http://10.0.0.7:11434", 7),
            // A client is told where another machine is.
            (Some("http://studio:11434"), "http://127.0.0.1:11434", 6),
            (Some("192.168.1.9"), "http://127.0.0.1:11434", 6),
            (Some("not a host"), "http://127.0.0.1:11434", 6),
        ] {
            assert_eq!(first(told), (place.to_owned(), places), "{told:?}");
        }
    }
}
