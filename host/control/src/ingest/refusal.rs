//! Every way in which a heartbeat is not taken in: its status, what its sender is told, and what the log says of it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use herdwick_wire::seal::PublicKey;
use http::StatusCode;

use super::Unheard;

/// Why a heartbeat was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many came from its address; another one may after so long.
    Flood(Duration),
    /// No machine of a fleet can be where it came from.
    Address(&'static str),
    /// This header is missing, stands twice or is no such thing.
    Unsealed(&'static str),
    /// It is not signed by the key that it shows.
    Forged(PublicKey),
    /// It is meant for another router.
    OtherRouter(PublicKey),
    /// It breaks rules.
    Broken(Vec<String>),
    /// It was seen before, or a newer one was.
    Old,
    /// Another start of the agent beats on, from `elsewhere`.
    Twin { name: String, elsewhere: IpAddr, left: Duration },
    /// The router would ask itself.
    Itself(u16),
    /// There are as many agents, or machines, as there may be.
    Full,
    /// The fleet takes nothing in now.
    Busy,
}

/// The least time after which a refused agent comes back, and the longest that it is told to wait.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

impl Refusal {
    /// Chosen by what the agent should do next.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Flood(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Address(_) | Self::Forged(_) => StatusCode::FORBIDDEN,
            Self::Unsealed(_) | Self::Broken(_) | Self::Itself(_) => StatusCode::BAD_REQUEST,
            Self::OtherRouter(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Old | Self::Twin { .. } => StatusCode::CONFLICT,
            Self::Full | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A stable word for the log.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Flood(_) => "flood",
            Self::Address(_) => "unfit_address",
            Self::Unsealed(_) => "unsealed",
            Self::Forged(_) => "forged",
            Self::OtherRouter(_) => "other_router",
            Self::Broken(_) => "broken",
            Self::Old => "replayed",
            Self::Twin { .. } => "duplicate_identity",
            Self::Itself(_) => "router_itself",
            Self::Full => "full",
            Self::Busy => "busy",
        }
    }

    /// When another beat makes sense, if not at the usual time.
    pub(crate) fn again(&self) -> Option<Duration> {
        let (least, most) = AGAIN;
        match self {
            Self::Flood(left) | Self::Twin { left, .. } => Some((*left).clamp(least, most)),
            _ => None,
        }
    }
}

impl From<Unheard> for Refusal {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Busy => Self::Busy,
            Unheard::NoRoom => Self::Full,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flood(left) => write!(
                out,
                "too many heartbeats come from this address; the next one is looked at in {} ms, beat once a second",
                left.as_millis()
            ),
            Self::Address(why) => write!(out, "the address it comes from cannot be a node's: {why}"),
            Self::Unsealed(header) => write!(
                out,
                "the header {header} is missing or not what it should be; use an agent of this router's version"
            ),
            Self::Forged(key) => {
                write!(out, "it is not signed by the key {key} that it shows; sign it anew, or restart the agent")
            }
            Self::OtherRouter(router) => write!(
                out,
                "it is meant for the router with the key {router}, which is not this one; if this router's state was \
                 lost, have the agent forget the old one"
            ),
            Self::Broken(problems) => out.write_str(&problems.join(". Also ")),
            Self::Old => out.write_str(
                "it is no newer than one that was taken in; if nobody repeats heartbeats on this network, restart the \
                 agent",
            ),
            Self::Twin { name, elsewhere, .. } => write!(
                out,
                "another agent at {elsewhere} has the same key and beats as {name}; if this machine is a copy of that \
                 one, remove node.key from the state folder here and restart the agent"
            ),
            Self::Itself(port) => {
                write!(out, "port {port} of this machine is the router's own; leave it out of the agent's servers")
            }
            Self::Full => out.write_str(
                "as many nodes are known as there may be; on the router, forget those that are gone: herdwick nodes \
                 forget NAME",
            ),
            Self::Busy => out.write_str("the router has no time for it now; beat on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_back_within_bounds() {
        for (left, told) in [(0, 100), (700, 700), (5_000, 1_000)] {
            let refusal = Refusal::Flood(Duration::from_millis(left));
            assert_eq!(refusal.again(), Some(Duration::from_millis(told)));
        }
        assert_eq!(Refusal::Busy.again(), None);
    }
}
