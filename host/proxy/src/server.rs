//! Listens, accepts, and ends in order: refuse new work with a word, let answers finish, cut what is left, close.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::connection::{self, Client};
use crate::listen::Listeners;
use crate::peer::Peer;
use crate::router::Router;

/// How long accepting rests after the system refused a socket, which it does when file handles run out.
const REST: Duration = Duration::from_millis(100);
/// What answers that were cut have to say so to their clients. One that does not read does not hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everybody is served.
    Open,
    /// No new work; what runs may finish.
    Draining,
    /// What still runs ends now, and says so.
    Cut,
}

/// Serves until `stop` turns true, then lets running answers end, at most for as long as the limits say. Until the
/// last has ended, the listeners stay open: new clients are told to go elsewhere, at once and in words.
/// Returns how many connections were cut.
pub async fn serve(router: Arc<Router>, listeners: Listeners, stop: watch::Receiver<bool>) -> usize {
    let draining = Arc::new(AtomicBool::new(false));
    let (phase, phases) = watch::channel(Phase::Open);
    // Nothing is ever sent: what counts is who still holds an end of it.
    let (running, mut ended) = mpsc::channel(1);
    let drain = router.limits.drain;
    let seats = Arc::new(Semaphore::new(router.limits.connections));

    let open = Door { router, seats, draining: Arc::clone(&draining), phases, running: Some(running) };
    let mut closing = open.clone();
    closing.running = None;
    beside(open.accept(&listeners), stopped(stop)).await;
    drop(open);
    draining.store(true, Relaxed);
    phase.send_replace(Phase::Draining);
    let ending = async {
        if timeout(drain, ended.recv()).await.is_ok() {
            return 0;
        }
        let cut = ended.sender_strong_count();
        phase.send_replace(Phase::Cut);
        // Whether or not all could be told, they are cut.
        let _ = timeout(LAST_WORDS, ended.recv()).await;
        cut
    };
    beside(closing.accept(&listeners), ending).await
}

/// What every connection gets from the door that let it in.
#[derive(Clone)]
struct Door {
    router: Arc<Router>,
    seats: Arc<Semaphore>,
    draining: Arc<AtomicBool>,
    phases: watch::Receiver<Phase>,
    /// Held by every connection that the end waits for. Those that come when it has begun are not waited for.
    running: Option<mpsc::Sender<()>>,
}

impl Door {
    /// Lets clients in, for ever.
    async fn accept(&self, listeners: &Listeners) {
        loop {
            // Never closed, so the only result is a permit. Past the cap, clients wait in the system's backlog.
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else {
                return;
            };
            match listeners.accept().await {
                Ok((stream, address)) => {
                    // An IPv4 client is one, also when it comes to a socket for both.
                    let address = address.ip().to_canonical();
                    let welcome = self.router.gate.takes(address);
                    let peer = Peer::new(address, welcome, Arc::clone(&self.draining));
                    let phases = self.phases.clone();
                    let client = Client { stream, peer, phases, _seat: seat, _running: self.running.clone() };
                    tokio::spawn(connection::serve(Arc::clone(&self.router), client));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// Does `accepting`, which never ends, until `until` does.
async fn beside<T>(accepting: impl Future<Output = ()>, until: impl Future<Output = T>) -> T {
    tokio::pin!(until);
    tokio::select! {
        done = &mut until => return done,
        () = accepting => {}
    }
    until.await
}

/// Returns when the router shall stop, which it shall too when whoever could say so is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("nobody is left who could say stop");
    }
}
