//! Who may come through the agent's doors: each router that the agent reports to, by a bearer of its own, drawn at
//! the agent's start; and what each of them has running here.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::random;

/// Bytes of a bearer before it is written as hexadecimal digits.
const BEARER: usize = 32;

/// One router, as the agent numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouterId(pub(crate) u64);

/// All of them.
#[derive(Debug)]
pub(crate) struct Guests {
    bearers: Mutex<Vec<(RouterId, String)>>,
    /// Requests with a prompt under way, by router and port of the server.
    running: watch::Sender<BTreeMap<(RouterId, u16), u32>>,
}

impl Default for Guests {
    fn default() -> Self {
        Self { bearers: Mutex::default(), running: watch::Sender::new(BTreeMap::new()) }
    }
}

impl Guests {
    /// The router's bearer, drawn when it is asked for first.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn bearer(&self, router: RouterId) -> io::Result<String> {
        let mut bearers = self.lock();
        if let Some((_, bearer)) = bearers.iter().find(|(known, _)| *known == router) {
            return Ok(bearer.clone());
        }
        let bearer = random::hex::<BEARER>()?;
        bearers.push((router, bearer.clone()));
        Ok(bearer)
    }

    /// Whose bearer it is. Every known one is compared to its end, so that the time tells nothing of them.
    pub(super) fn whose(&self, bearer: &[u8]) -> Option<RouterId> {
        let mut whose = None;
        for (router, known) in self.lock().iter() {
            if is_same(known.as_bytes(), bearer) {
                whose = Some(*router);
            }
        }
        whose
    }

    /// Counts a request of a router for as long as the answer lives.
    pub(super) fn count(self: &Arc<Self>, router: RouterId, port: u16) -> Counted {
        self.running.send_modify(|running| *running.entry((router, port)).or_default() += 1);
        Counted { guests: Arc::clone(self), of: (router, port) }
    }

    /// Requests at a server that came through here and are not this router's.
    pub(crate) fn others(&self, router: RouterId, port: u16) -> u32 {
        let running = self.running.borrow();
        running.iter().filter(|((of, at), _)| *of != router && *at == port).map(|(_, count)| count).sum()
    }

    /// Requests of all routers that came through here.
    pub(crate) fn running(&self) -> u32 {
        self.running.borrow().values().sum()
    }

    /// Returns once none is under way.
    pub(crate) async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as this.
        let _ = running.wait_for(|running| running.values().all(|count| *count == 0)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(RouterId, String)>> {
        self.bearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the answer that it counts.
#[derive(Debug)]
pub(super) struct Counted {
    guests: Arc<Guests>,
    of: (RouterId, u16),
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.guests.running.send_modify(|running| {
            if let Some(count) = running.get_mut(&self.of) {
                *count = count.saturating_sub(1);
            }
        });
    }
}

/// Compares without telling by time where the first difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_one_routers_and_nobody_elses() {
        let guests = Guests::default();
        let [a, b] = [1, 2].map(|id| guests.bearer(RouterId(id)).expect("randomness"));
        assert!(a != b && a.len() == 64 && guests.bearer(RouterId(1)).ok() == Some(a.clone()));
        assert_eq!(guests.whose(a.as_bytes()), Some(RouterId(1)));
        assert_eq!(guests.whose(&a.as_bytes()[..63]), None);
        assert_eq!(guests.whose(b""), None);
    }

    #[test]
    fn what_runs_is_counted_by_router_and_server() {
        let guests = Arc::new(Guests::default());
        let first = guests.count(RouterId(1), 11_434);
        let _second = guests.count(RouterId(2), 11_434);
        let _elsewhere = guests.count(RouterId(2), 8_080);
        assert_eq!((guests.others(RouterId(1), 11_434), guests.others(RouterId(2), 11_434)), (1, 1));
        drop(first);
        assert_eq!((guests.others(RouterId(2), 11_434), guests.running()), (0, 2));
    }
}
