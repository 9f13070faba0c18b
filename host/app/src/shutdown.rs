//! Ending in order: the first signal lets running answers finish, the second ends at once.

use std::io;

use tokio::sync::watch;

/// The two ways in which the router is told to end.
pub(crate) struct Ends {
    /// Turns true at the first signal: no new work.
    pub(crate) stop: watch::Sender<bool>,
    /// Turns true at the second: what still runs is cut.
    pub(crate) cut: watch::Sender<bool>,
}

/// Waits for both signals. The handlers are made once: a second signal right after the first is not lost.
pub(crate) async fn on_signals(ends: &Ends) -> io::Result<()> {
    let mut signals = Signals::new()?;
    signals.next().await;
    tracing::info!("stopping: running answers may finish; a second signal ends at once");
    ends.stop.send_replace(true);
    signals.next().await;
    ends.cut.send_replace(true);
    Ok(())
}

/// The signals that tell a program to end.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From here on they are ours.
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
