//! Looks which machines answer on a port, a few at a time. It says nothing to them and hears nothing of them: what
//! answers there is for others to find out. It chooses no address; see [`crate::lan`].

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How fast one looks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Connections that are being opened at once, at least 1. Routers of households keep a table of a few thousand.
    pub at_once: usize,
    /// How long an answer is waited for. A machine on the same network answers within milliseconds unless it sleeps.
    pub patience: Duration,
}

impl Default for Pace {
    /// A whole /24 in less than four seconds when nobody answers.
    fn default() -> Self {
        Self { at_once: 64, patience: Duration::from_millis(900) }
    }
}

/// Those of the addresses at which something takes connections on the port, in order.
pub async fn open_ports(addresses: Vec<Ipv4Addr>, port: u16, pace: Pace) -> Vec<SocketAddr> {
    let mut rest = addresses.into_iter().map(|address| SocketAddr::from((address, port)));
    let mut under_way = JoinSet::new();
    let mut open = Vec::new();
    for address in rest.by_ref().take(pace.at_once.max(1)) {
        under_way.spawn(answers(address, pace.patience));
    }
    while let Some(done) = under_way.join_next().await {
        open.extend(done.ok().flatten());
        if let Some(address) = rest.next() {
            under_way.spawn(answers(address, pace.patience));
        }
    }
    open.sort_unstable();
    open
}

async fn answers(address: SocketAddr, patience: Duration) -> Option<SocketAddr> {
    let connection = timeout(patience, TcpStream::connect(address)).await.ok()?.ok()?;
    // A machine that has no port to give connects to itself, and finds itself there.
    let is_itself = connection.local_addr().is_ok_and(|own| own == address);
    (!is_itself).then_some(address)
}
