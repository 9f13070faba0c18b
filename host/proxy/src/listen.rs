//! The sockets on which clients come in: one, or two where an address stands for everything. It knows no HTTP.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that the system completes before we accept them. Linux takes at most its own 4096.
const BACKLOG: i32 = 4_096;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    first: TcpListener,
    /// `[::]` beside `0.0.0.0`.
    second: Option<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Listens on the address; on `[::]` as well if it is `0.0.0.0`, unless this machine has no IPv6.
    ///
    /// # Errors
    /// Somebody else listens there, or we may not.
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let first = bind(address, false).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?;
        let second = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => beside(address.port()),
            _ => None,
        };
        Ok(Self { first, second, address })
    }

    /// The first of the addresses, with the port that the system chose if it was left to it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next client.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let Some(second) = &self.second else { return self.first.accept().await };
        tokio::select! {
            client = self.first.accept() => client,
            client = second.accept() => client,
        }
    }
}

/// IPv6 on the same port. Without it the router is reached as before.
fn beside(port: u16) -> Option<TcpListener> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match bind(address, true) {
        Ok(listener) => Some(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(
                "cannot listen on {address} as well: {error}; who asks there reaches another program"
            );
            None
        }
        Err(error) => {
            tracing::debug!("cannot listen on {address} as well: {error}");
            None
        }
    }
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    // A router that starts again right away must not wait for connections of the one before. On Windows the option would
    // let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wildcard_is_reached_by_both_kinds_of_addresses() {
        let listeners = Listeners::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
        let port = listeners.address().port();
        for loopback in ["127.0.0.1", "::1"] {
            let address: std::net::IpAddr = loopback.parse().unwrap();
            if address.is_ipv6() && listeners.second.is_none() {
                continue;
            }
            let client = TcpStream::connect((address, port)).await.unwrap();
            let (_, from) = listeners.accept().await.unwrap();
            assert_eq!(from, client.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told() {
        let first = Listeners::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let error = Listeners::bind(first.address()).await.unwrap_err();
        assert_eq!((error.address, error.source.kind()), (first.address(), io::ErrorKind::AddrInUse));
    }
}
