//! Whoever is at the other end of one connection, as the rest of the data plane sees them. It knows no socket.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use crate::rescue::Problem;

/// One connected client. All its fields are single words that are read on one thread, so that relaxed order is enough.
#[derive(Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    /// Whether clients there are served.
    welcome: bool,
    /// Whether the router takes new work, the same for all.
    draining: Arc<AtomicBool>,
    under_way: AtomicUsize,
    cut: AtomicBool,
}

/// A request under way. While one is held, a client that closes its side is cut off at once.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Peer>);

impl Peer {
    /// A client at this address.
    pub(crate) fn new(address: IpAddr, welcome: bool, draining: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            address,
            welcome,
            draining,
            under_way: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether clients at its address are served.
    pub(crate) fn is_welcome(&self) -> bool {
        self.welcome
    }

    /// Whether the router was told to stop: what is asked from now on is answered with `draining`.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// A request for a backend begins. It is under way until the guard is dropped, which is at the end of its answer.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Whether somebody works for this client.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }

    /// Whether the time for its answer is over: a stream must now end, with a frame that says so.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// The time for its answer is over. Whoever calls this polls the connection afterwards, and with it every future and
    /// body that is under way on it; nobody needs to be woken.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Does `work`, unless the time is over before. Only for what runs inside the connection's own future.
    pub(crate) async fn unless_cut<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let over = poll_fn(|_| if self.is_cut() { Poll::Ready(()) } else { Poll::Pending });
        tokio::select! {
            biased;
            () = over => Err(Problem::Draining),
            done = work => done,
        }
    }
}

impl UnderWay {
    /// Whether the time for its answer is over.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.is_cut()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_busy_as_long_as_one_of_its_requests_is_under_way() {
        let peer = Peer::new([127, 0, 0, 1].into(), true, Arc::default());
        let first = peer.begin();
        let second = peer.begin();
        drop(first);
        assert!(peer.is_busy() && !peer.is_cut());
        drop(second);
        assert!(!peer.is_busy());
    }
}
