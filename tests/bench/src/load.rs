//! A slice of load: clients that ask again as soon as they are answered, warm up, are counted for a while, and stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{Client, question};

/// A client that is not answered for so long will not be.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Clients at once, each with a connection of its own.
    pub clients: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// What counts.
    pub span: Duration,
}

/// What a slice showed.
#[derive(Debug, Default)]
pub struct Taken {
    /// How long it really was.
    pub span: Duration,
    /// Processor time of what was asked, meanwhile.
    pub cpu: Duration,
    /// Waits that ended meanwhile, sorted: for an answer in one piece, or for a line from its sender to its reader.
    pub waits: Vec<u32>,
    /// Waits for the first line of a stream, sorted; none for answers in one piece.
    pub firsts: Vec<u32>,
}

/// What one client saw while it counted, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) waits: Vec<u32>,
    pub(crate) firsts: Vec<u32>,
}

/// What the clients are to do, the same for all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

const COUNTING: u8 = 1;
const OVER: u8 = 2;

impl Phase {
    pub(crate) fn counts(&self) -> bool {
        self.0.load(Relaxed) == COUNTING
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Relaxed) == OVER
    }
}

impl Taken {
    /// What was done, per second.
    pub fn rate(&self) -> f64 {
        self.waits.len() as f64 / self.span.as_secs_f64()
    }

    /// Processor time for each of it, in microseconds; NaN when nothing was done.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.waits.len() as f64
    }
}

/// The wait that this share of the sorted waits did not exceed, in microseconds; NaN without any.
pub fn percentile_us(sorted: &[u32], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).map_or(f64::NAN, |ns| f64::from(*ns) / 1e3)
}

/// A wait in nanoseconds, at most four seconds of them.
pub(crate) fn ns(wait: Duration) -> u32 {
    u32::try_from(wait.as_nanos()).unwrap_or(u32::MAX)
}

/// Asks for answers in one piece. The clients share out the targets among them; `cpu` tells the processor time of what
/// they ask.
///
/// # Errors
/// One client was not answered as it should be; then nothing of the slice counts.
pub async fn requests(
    targets: &[SocketAddr],
    slice: Slice,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<Taken> {
    let phase = Phase::default();
    let question: Arc<[u8]> = question(false).into();
    let clients = targets.iter().copied().cycle().take(slice.clients).map(|target| {
        let (phase, question) = (phase.clone(), Arc::clone(&question));
        tokio::spawn(async move {
            let mut client = Client::connect(target).await?;
            let mut seen = Seen::default();
            while !phase.is_over() {
                let asked = Instant::now();
                client.ask(&question).await?;
                if phase.counts() {
                    seen.waits.push(ns(asked.elapsed()));
                }
            }
            Ok(seen)
        })
    });
    measure(clients.collect(), &phase, slice, cpu).await
}

/// Leads clients that run through the slice.
pub(crate) async fn measure(
    clients: Vec<JoinHandle<Result<Seen>>>,
    phase: &Phase,
    slice: Slice,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<Taken> {
    // sleeps because a slice is a span of time.
    tokio::time::sleep(slice.warm_up).await;
    let (cpu_before, began) = (cpu()?, Instant::now());
    phase.0.store(COUNTING, Relaxed);
    // sleeps because a slice is a span of time.
    tokio::time::sleep(slice.span).await;
    phase.0.store(OVER, Relaxed);
    let (span, cpu_after) = (began.elapsed(), cpu()?);
    let mut taken = Taken { span, cpu: cpu_after.saturating_sub(cpu_before), ..Taken::default() };
    for client in clients {
        let seen = timeout(PATIENCE, client).await.context("a client was not answered")?;
        let Seen { mut waits, mut firsts } = seen.context("a client panicked")??;
        taken.waits.append(&mut waits);
        taken.firsts.append(&mut firsts);
    }
    taken.waits.sort_unstable();
    taken.firsts.sort_unstable();
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_waits_that_happened() {
        let waits: Vec<u32> = (1..=100).map(|us| us * 1_000).collect();
        for (share, us) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(percentile_us(&waits, share), us);
        }
        assert!(percentile_us(&[], 0.5).is_nan());
    }
}
