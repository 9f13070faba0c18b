//! Listens, accepts, and ends in order: refuse new work with a word, let answers finish, cut what is left, close.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{self, Client};
use crate::dispatcher;
use crate::listen::Listeners;
use crate::peer::Peer;
use crate::router::Router;
use crate::seats::Seats;

/// How long accepting rests after the system refused a socket, which it does when file handles run out.
const REST: Duration = Duration::from_millis(100);
/// How often somebody is told that accepting fails.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// What a client reads whose connection is one too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=utf-8\r\n\
    x-herdwick-error: too_many_connections\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 131\r\n\r\n\
    {\"error\":\"this client has as many connections as one may have; close some, or let it have more with \
    limits.connections_per_client\"}";
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
    let seats = Arc::new(Seats::new(router.limits.connections, router.limits.connections_per_client));

    // It ends with the runtime.
    tokio::spawn(dispatcher::run(Arc::clone(&router)));
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
    seats: Arc<Seats>,
    draining: Arc<AtomicBool>,
    phases: watch::Receiver<Phase>,
    /// Held by every connection that the end waits for. Those that come when it has begun are not waited for.
    running: Option<mpsc::Sender<()>>,
}

impl Door {
    /// Lets clients in, for ever.
    async fn accept(&self, listeners: &Listeners) {
        let mut told: Option<Instant> = None;
        loop {
            // Past the cap, clients wait in the system's backlog.
            let free = self.seats.free().await;
            match listeners.accept().await {
                Ok((stream, address)) => self.let_in(stream, address.ip().to_canonical(), free),
                // It left again before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
                        tracing::warn!("cannot accept a connection: {error}; those that are open go on");
                        told = Some(Instant::now());
                    }
                    sleep(REST).await;
                }
            }
        }
    }

    /// Serves a client, unless it has as many connections as one may have. An IPv4 client has an IPv4 address here, also
    /// when it came to a socket for both.
    fn let_in(&self, stream: TcpStream, address: IpAddr, free: OwnedSemaphorePermit) {
        let Some(seat) = self.seats.take(free, address) else {
            tracing::debug!("{address} has as many connections as one client may have");
            // It may not even have asked yet. What cannot be written at once is not worth a wait.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        // There a connection does not take it over from its listener.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        let welcome = self.router.gate.takes(address);
        let peer = Peer::new(address, welcome, Arc::clone(&self.draining));
        let (phases, running) = (self.phases.clone(), self.running.clone());
        tokio::spawn(connection::serve(
            Arc::clone(&self.router),
            Client { stream, peer, phases, seat, running },
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_is_whole() {
        let text = str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
