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

/// Waits for both signals.
pub(crate) async fn on_signals(ends: &Ends) -> io::Result<()> {
    signal().await?;
    tracing::info!("stopping: running answers may finish; a second signal ends at once");
    ends.stop.send_replace(true);
    signal().await?;
    ends.cut.send_replace(true);
    Ok(())
}

#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
