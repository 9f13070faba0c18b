//! How many connections of one client a door takes before that client showed a bearer: whoever is near may connect and say
//! nothing, and must not keep out the router.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of one client that showed no bearer yet. A router shows it at once.
const PER_CLIENT: usize = 32;

/// Who sits where.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// The seat of somebody who showed nothing yet, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    client: IpAddr,
}

impl Seats {
    /// A seat for a client at this address; `None` when it has as many as it may.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let client = client(address);
        let mut taken = self.lock();
        let count = taken.entry(client).or_default();
        if *count >= PER_CLIENT {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(count) = taken.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

/// Whom an address counts for. A machine has a whole /64 of IPv6 addresses to choose from.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_never_takes_all_of_them() {
        let seats = Arc::new(Seats::default());
        let take = |address: &str| seats.take(address.parse().expect("an address"));
        let mut held: Vec<_> = (0..1_000).filter_map(|_| take("10.0.0.66")).collect();
        assert_eq!(held.len(), PER_CLIENT);
        assert!(take("::ffff:10.0.0.66").is_none() && take("10.0.0.1").is_some());
        held.pop();
        assert!(take("10.0.0.66").is_some());
        let many: Vec<_> = (0..1_000).filter_map(|last| take(&format!("fd00::{last:x}"))).collect();
        assert_eq!(many.len(), PER_CLIENT, "a machine has many addresses");
        drop((held, many));
        assert!(seats.lock().is_empty());
    }
}
