//! Whoever is at the other end of one connection, as the rest of the data plane sees them. It knows no socket.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use crate::patience::Happened;
use crate::rescue::Problem;

/// One connected client. All its fields are single words that are read on one thread, so that relaxed order is enough.
#[derive(Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    /// Whether clients there are served.
    welcome: bool,
    /// Whether the router takes new work, the same for all.
    draining: Arc<AtomicBool>,
    /// Requests that began, all told.
    begun: AtomicUsize,
    /// Those that are being answered.
    answered: AtomicUsize,
    /// Those of them that are for a model.
    busy: AtomicUsize,
    /// Whether bytes came since somebody asked.
    heard: AtomicBool,
    cut: AtomicBool,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct UnderWay {
    peer: Arc<Peer>,
    for_model: bool,
}

impl Peer {
    /// A client at this address.
    pub(crate) fn new(address: IpAddr, welcome: bool, draining: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            address,
            welcome,
            draining,
            begun: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            heard: AtomicBool::new(false),
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

    /// A request begins. It is under way until the guard is dropped, which is at the end of its answer.
    pub(crate) fn begin(self: &Arc<Self>, for_model: bool) -> UnderWay {
        self.begun.fetch_add(1, Relaxed);
        self.answered.fetch_add(1, Relaxed);
        self.busy.fetch_add(usize::from(for_model), Relaxed);
        UnderWay { peer: Arc::clone(self), for_model }
    }

    /// Whether a machine works for this client: if it leaves, its requests end at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// Bytes came from it.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    /// What happened until now, for whoever watches the connection.
    pub(crate) fn happened(&self) -> Happened {
        // It is one thread that tells and asks: no exchange is needed.
        let heard = self.heard.load(Relaxed);
        self.heard.store(false, Relaxed);
        let is_answered = self.answered.load(Relaxed) > 0;
        Happened { begun: self.begun.load(Relaxed), is_answered, heard }
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
        self.peer.is_cut()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.peer.answered.fetch_sub(1, Relaxed);
        self.peer.busy.fetch_sub(usize::from(self.for_model), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_busy_as_long_as_one_of_its_requests_for_a_model_is_under_way() {
        let peer = Peer::new([127, 0, 0, 1].into(), true, Arc::default());
        let first = peer.begin(true);
        let second = peer.begin(true);
        let other = peer.begin(false);
        drop(first);
        assert!(peer.is_busy() && !peer.is_cut());
        drop(second);
        assert!(!peer.is_busy() && peer.happened().is_answered);
        drop(other);
        assert!(!peer.happened().is_answered);
        assert_eq!(peer.happened().begun, 3);
    }
}
