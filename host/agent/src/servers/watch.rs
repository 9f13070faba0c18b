//! Watches one place: finds out who is there, then asks what it holds, for as long as the agent lives. A server that
//! is slow costs its own facts their freshness and nobody a beat.

use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::BackendKind;
use herdwick_probe::{Depth, Probe, ProbeError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::parallel;
use crate::servers::board::Board;
use crate::servers::place::Place;

/// Between two looks at what is in memory.
const MEMORY: Duration = Duration::from_secs(1);
/// Between two looks at what is on disk.
const DISK: Duration = Duration::from_secs(10);
/// How long an answer may take; a server that is slower is asked again.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a place was found empty: soon, then seldom. Whoever starts a server waits this long for it to be found.
const EMPTY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];
/// After something was found that is no model server.
const STRANGER: Duration = Duration::from_secs(30);
/// How often what a service was started with is asked again: it changes only with a restart, which may be too quick to
/// be seen.
const FIGURES: Duration = Duration::from_secs(300);
/// How long a server that nobody named is told as down before it is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// Never returns.
pub(crate) async fn run(place: Place, board: Arc<Board>) {
    let probe = Probe::new(place.origin.clone(), PATIENCE);
    loop {
        let kind = find(&place, &probe, &board).await;
        tracing::info!("{} is {}", place.origin, name(kind));
        follow(&place, kind, &probe, &board).await;
    }
}

/// Returns once somebody is there.
async fn find(place: &Place, probe: &Probe, board: &Board) -> BackendKind {
    let [mut pause, seldom] = EMPTY;
    let mut told = String::new();
    loop {
        let why = match probe.identify().await {
            Ok(found) => {
                let kind = place.kind.unwrap_or(found.kind);
                board.found(&place.origin, kind, found.version);
                return kind;
            }
            Err(error) => error,
        };
        // Of a usual place it is no news that nobody is there.
        if let Some(kind) = place.kind {
            missing(place, kind, &why, board, &mut told);
        }
        board.looked(place.origin.port);
        match why {
            ProbeError::Stranger | ProbeError::Herdwick => sleep(STRANGER).await,
            _ => sleep(pause).await,
        }
        pause = (pause * 2).min(seldom);
    }
}

/// A server that was named and is not there is reported as such.
fn missing(place: &Place, kind: BackendKind, why: &ProbeError, board: &Board, told: &mut String) {
    if board.server(place.origin.port).is_none() {
        board.found(&place.origin, kind, String::new());
    }
    let why = why.to_string();
    board.down(place.origin.port, &why);
    if *told != why {
        tracing::warn!("{} does not answer: {why}", place.origin);
        *told = why;
    }
}

/// Returns when it is gone, or somebody else has its place.
async fn follow(place: &Place, kind: BackendKind, probe: &Probe, board: &Arc<Board>) {
    let port = place.origin.port;
    let mut ticks = interval(MEMORY);
    // After a pause of the whole machine one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut listed, mut figured): (Option<Instant>, Option<Instant>) = (None, None);
    let mut silent: Option<Instant> = None;
    let mut troubled = false;
    loop {
        ticks.tick().await;
        if kind == BackendKind::Ollama && figured.is_none_or(|at| at.elapsed() >= FIGURES) {
            figured = Some(Instant::now());
            let (board, origin) = (Arc::clone(board), place.origin.clone());
            tokio::spawn(async move { board.started_with(port, parallel::figures(&origin).await) });
        }
        let everything = listed.is_none_or(|at| at.elapsed() >= DISK);
        let asked = Instant::now();
        match probe.look(kind, if everything { Depth::All } else { Depth::Memory }).await {
            Ok(facts) => {
                troubled = false;
                if silent.take().is_some() {
                    tracing::info!("{} answers again", place.origin);
                    figured = None;
                }
                if everything {
                    listed = Some(asked);
                }
                board.told(port, asked, facts);
            }
            // It may be at work; what is known of it grows old, and whoever reads it sees how old.
            Err(error) if error.is_slow() => {}
            // Our own trouble says nothing of the server. It is told once until it is over.
            Err(error) if error.is_ours() => {
                if !std::mem::replace(&mut troubled, true) {
                    tracing::warn!("{} could not be asked: {error}", place.origin);
                }
            }
            Err(error) => {
                let since = *silent.get_or_insert(asked);
                // Somebody who comes back may have other models.
                listed = None;
                if board.down(port, &error.to_string()) {
                    tracing::warn!("{} does not answer: {error}", place.origin);
                }
                let somebody_else = matches!(error, ProbeError::Status { .. } | ProbeError::Format { .. });
                if somebody_else && probe.identify().await.is_ok_and(|found| found.kind != kind) {
                    return;
                }
                if place.kind.is_none() && since.elapsed() >= FORGET {
                    board.gone(port);
                    return;
                }
            }
        }
        board.looked(port);
    }
}

/// As people call it.
pub(crate) fn name(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Ollama => "Ollama",
        BackendKind::LlamaCpp => "llama.cpp's server",
        BackendKind::Vllm => "vLLM",
        BackendKind::LmStudio => "LM Studio",
        BackendKind::Mlx => "an MLX server",
        BackendKind::OpenAi => "a server with OpenAI's API",
    }
}
