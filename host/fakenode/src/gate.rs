//! Whether new connections are taken; the verbs `refuse` and `acceptclose` work here.

use std::time::Duration;

use tokio::sync::watch;

/// What the accept loop shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Accept,
    /// No listener, for this long or until told otherwise.
    Refuse(Option<Duration>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) wish: Wish,
    /// What the accept loop does, which follows the wish.
    pub(crate) listening: bool,
    /// Connections still to be closed as they come.
    pub(crate) close_next: u32,
}

/// Shared by the accept loop, the connections and the control port.
#[derive(Debug)]
pub(crate) struct Gatekeeper(watch::Sender<Gate>);

impl Gatekeeper {
    pub(crate) fn new() -> Gatekeeper {
        Gatekeeper(watch::Sender::new(Gate { wish: Wish::Accept, listening: true, close_next: 0 }))
    }

    /// Changes the wish and waits until the accept loop has followed it.
    pub(crate) async fn ask(&self, wish: Wish) {
        let mut gate = self.0.subscribe();
        self.0.send_modify(|gate| gate.wish = wish);
        let wanted = wish == Wish::Accept;
        // Fails only when the node is gone, and then it is not listening either.
        let _ = gate.wait_for(|gate| gate.listening == wanted).await;
    }

    pub(crate) fn close_next(&self, connections: u32) {
        self.0.send_modify(|gate| gate.close_next = connections);
    }

    /// Whether the connection just accepted is to be closed.
    pub(crate) fn closes_this_one(&self) -> bool {
        self.0.send_if_modified(|gate| {
            let closes = gate.close_next > 0;
            gate.close_next = gate.close_next.saturating_sub(1);
            closes
        })
    }

    pub(crate) fn now_listening(&self, listening: bool) {
        self.0.send_modify(|gate| gate.listening = listening);
    }

    /// The time of a `Refuse` is over.
    pub(crate) fn reopen(&self) {
        self.0.send_modify(|gate| gate.wish = Wish::Accept);
    }

    /// Resolves once the wish fits, with the wish.
    pub(crate) async fn until(&self, fits: impl Fn(Wish) -> bool) -> Wish {
        let mut gate = self.0.subscribe();
        match gate.wait_for(|gate| fits(gate.wish)).await {
            Ok(gate) => gate.wish,
            Err(_) => Wish::Accept,
        }
    }
}
