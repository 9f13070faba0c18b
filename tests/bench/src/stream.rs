//! Clients that listen to streams: how long each line was under way from the mock to its reader, and how long the first
//! one took from the question on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::client::{Client, question};
use crate::load::{Phase, Seen, Slice, Taken, measure, ns};
use crate::mock::{Mock, moment};

/// Asks for streams. A client whose stream ends begins the next one.
///
/// # Errors
/// One client was not answered as it should be; then nothing of the slice counts.
pub async fn streams(
    targets: &[SocketAddr],
    mock: &Mock,
    slice: Slice,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<Taken> {
    let phase = Phase::default();
    let question: Arc<[u8]> = question(true).into();
    let start = mock.start_of_time();
    let clients = targets.iter().copied().cycle().take(slice.clients).map(|target| {
        let (phase, question) = (phase.clone(), Arc::clone(&question));
        tokio::spawn(async move {
            let mut client = Client::connect(target).await?;
            let mut seen = Seen::default();
            while !phase.is_over() {
                listen(&mut client, &question, &mut seen, (&phase, start)).await?;
            }
            Ok(seen)
        })
    });
    measure(clients.collect(), &phase, slice, cpu).await
}

async fn listen(
    client: &mut Client,
    question: &[u8],
    seen: &mut Seen,
    (phase, start): (&Phase, Instant),
) -> Result<()> {
    let asked = Instant::now();
    let (mut lines, mut untold, mut told_end) = (0, 0, false);
    let first = client
        .listen(question, |line, now| {
            lines += 1;
            told_end = line.windows(11).any(|window| window == b"\"done\":true");
            match moment(line) {
                Some(sent) if phase.counts() => seen.waits.push(ns((now - start).saturating_sub(sent))),
                Some(_) => {}
                None => untold += 1,
            }
        })
        .await?;
    anyhow::ensure!(untold == 0 && told_end, "a stream of {lines} lines without its end, or with an error");
    if phase.counts() {
        seen.firsts.push(ns(first.checked_duration_since(asked).context("time went backwards")?));
    }
    Ok(())
}
