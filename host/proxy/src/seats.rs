//! How many connections there may be, in all and from one client. It knows addresses and no sockets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for connections.
pub(crate) struct Seats {
    all: Arc<Semaphore>,
    per_client: usize,
    clients: Arc<Clients>,
}

/// How many places each client has. Nobody stands here with none.
#[derive(Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// One place, given back when it is dropped.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    clients: Arc<Clients>,
    client: Option<IpAddr>,
}

impl Seats {
    /// So many in all, and of these so many for one client.
    pub(crate) fn new(all: usize, per_client: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { all, per_client, clients: Arc::default() }
    }

    /// Waits until a place is free.
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.all).acquire_owned().await {
            Ok(permit) => permit,
            // It is never closed; were it, nobody more could come in.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives the place to a client, unless it has as many as one may have.
    pub(crate) fn take(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Seat> {
        let client = client(address);
        if let Some(client) = client {
            let mut clients = self.clients.lock();
            let seats = clients.entry(client).or_default();
            if *seats >= self.per_client {
                return None;
            }
            *seats += 1;
        }
        Some(Seat { _permit: permit, clients: Arc::clone(&self.clients), client })
    }
}

/// Whom an address counts for. Programs on this machine are not counted: among them are proxies, which speak for many. A
/// machine has a whole /64 of IPv6 addresses to choose from.
fn client(address: IpAddr) -> Option<IpAddr> {
    match address {
        _ if address.is_loopback() => None,
        IpAddr::V4(_) => Some(address),
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            Some(IpAddr::V6(Ipv6Addr::from(network)))
        }
    }
}

impl Clients {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut clients = self.clients.lock();
        if let Some(seats) = clients.get_mut(&client) {
            *seats -= 1;
            if *seats == 0 {
                clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_client_gets_only_its_part() {
        let seats = Seats::new(100, 2);
        let sit = async |address: &str| seats.take(seats.free().await, address.parse().unwrap());
        let held = [sit("10.0.0.1").await, sit("10.0.0.1").await];
        assert!(held.iter().all(Option::is_some));
        assert!(sit("10.0.0.1").await.is_none());
        assert!(sit("10.0.0.2").await.is_some(), "another one has its own");
        drop(held);
        assert!(sit("10.0.0.1").await.is_some(), "what was given back is free");
        assert!(seats.clients.lock().is_empty(), "nobody is remembered");
        assert_eq!(seats.all.available_permits(), 100);
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_client_and_this_machine_is_none() {
        let seats = Seats::new(100, 1);
        let mut held = Vec::new();
        for (address, expected) in [
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::2", true),
            ("127.0.0.1", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("::1", true),
        ] {
            let seat = seats.take(seats.free().await, address.parse().unwrap());
            assert_eq!(seat.is_some(), expected, "{address}");
            held.extend(seat);
        }
    }
}
