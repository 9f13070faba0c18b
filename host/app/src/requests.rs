//! One line of log per request. The data thread only lays a record down; the control thread makes the lines, ten
//! times a second, so that a request neither pays for its line nor wakes another thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use herdwick_fleet::{Outcome, Outcomes};
use tracing::Level;

/// The lines' target, for whoever filters them.
const TARGET: &str = "herdwick::request";
/// Routes of operators, their tools and agents, told only when the filter asks for more than usual.
const QUIET: [&str; 5] = ["/admin/", "/fleet/v1/beat", "/healthz", "/heartbeat", "/readyz"];
/// How long a record lies before its line is made.
const PERIOD: Duration = Duration::from_millis(100);
/// Records that may lie in one tray: 80,000 requests per second, and at most 3 MB.
const MOST: usize = 8_192;
/// Room that is kept after a burst.
const KEPT: usize = 1_024;

/// Which requests get a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logged {
    /// Every one.
    All,
    /// Those that did not end with a whole answer that is no error.
    Failures,
    /// None.
    Off,
}

/// Requests that ended and have no line yet.
pub(crate) struct RequestLog {
    logged: Logged,
    /// Two, so that one is free while the other is emptied.
    trays: [Mutex<Vec<Outcome>>; 2],
    /// What lines are being made of; held until all of them are made.
    making: Mutex<Vec<Outcome>>,
    dropped: AtomicU64,
}

impl Outcomes for RequestLog {
    fn record(&self, outcome: Outcome) {
        match self.logged {
            Logged::Off => return,
            Logged::Failures if outcome.is_good() => return,
            Logged::Failures | Logged::All => {}
        }
        for tray in &self.trays {
            let mut tray = match tray.try_lock() {
                Ok(tray) => tray,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            if tray.len() < MOST {
                return tray.push(outcome);
            }
        }
        self.dropped.fetch_add(1, Relaxed);
    }
}

impl RequestLog {
    /// Keeps what shall get a line. When the log's filter wants no such lines, there is nothing to keep.
    pub(crate) fn new(logged: Logged) -> Self {
        let wanted = tracing::enabled!(target: TARGET, Level::INFO);
        Self::of(if wanted { logged } else { Logged::Off })
    }

    fn of(logged: Logged) -> Self {
        Self { logged, trays: Default::default(), making: Mutex::default(), dropped: AtomicU64::new(0) }
    }

    /// Makes lines for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut timer = tokio::time::interval(PERIOD);
        loop {
            timer.tick().await;
            self.empty();
        }
    }

    /// Makes the lines of what lies here now. When this returns, they are made, whoever made them.
    pub(crate) fn empty(&self) {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        for tray in &self.trays {
            std::mem::swap(&mut *making, &mut *tray.lock().unwrap_or_else(PoisonError::into_inner));
            making.drain(..).for_each(line);
            making.shrink_to(KEPT);
        }
        match self.dropped.swap(0, Relaxed) {
            0 => {}
            dropped => tracing::warn!(dropped, "more requests ended than could be logged"),
        }
    }
}

fn line(outcome: Outcome) {
    // Whoever asks every second how we are must not bury the rest.
    if QUIET.contains(&outcome.route) && !tracing::enabled!(target: TARGET, Level::DEBUG) {
        return;
    }
    let ms = |duration: Duration| duration.as_micros() as f64 / 1e3;
    tracing::info!(
        target: TARGET,
        id = %outcome.id,
        client = %outcome.client,
        route = outcome.route,
        model = outcome.model.as_ref().map(tracing::field::display),
        node = outcome.node.as_deref(),
        status = outcome.status,
        ending = outcome.ending.word(),
        attempts = outcome.attempts,
        queued_ms = ms(outcome.queued),
        first_byte_ms = outcome.first_byte.map(ms),
        total_ms = ms(outcome.total),
        bytes = outcome.bytes,
        prompt_tokens = outcome.prompt_tokens,
        answer_tokens = outcome.answer_tokens,
        why = (!outcome.why.is_empty()).then_some(outcome.why.as_str()),
        "request"
    );
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use herdwick_fleet::{Ending, RequestId};

    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            id: RequestId::new(0, 0),
            client: Ipv4Addr::LOCALHOST.into(),
            route: "/api/chat",
            model: None,
            node: None,
            why: String::new(),
            status: Some(200),
            ending: Ending::Complete,
            attempts: 1,
            queued: Duration::ZERO,
            first_byte: None,
            total: Duration::ZERO,
            bytes: 0,
            prompt_tokens: None,
            answer_tokens: None,
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nothing_waits() {
        let log = RequestLog::of(Logged::All);
        for _ in 0..2 * MOST + 3 {
            log.record(outcome());
        }
        assert_eq!(log.dropped.load(Relaxed), 3);
        log.empty();
        log.record(outcome());
        assert_eq!((log.dropped.load(Relaxed), log.trays[0].lock().unwrap().len()), (0, 1));
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let kept = |logged| {
            let log = RequestLog::of(logged);
            log.record(outcome());
            log.record(Outcome { status: Some(500), ..outcome() });
            log.record(Outcome { ending: Ending::ClientGone, ..outcome() });
            log.trays[0].lock().unwrap().len()
        };
        assert_eq!([Logged::All, Logged::Failures, Logged::Off].map(kept), [3, 2, 0]);
    }

    #[test]
    fn a_record_finds_room_while_the_lines_of_others_are_made() {
        let log = RequestLog::of(Logged::All);
        let emptied = log.trays[0].lock().unwrap();
        log.record(outcome());
        drop(emptied);
        assert_eq!((log.dropped.load(Relaxed), log.trays[1].lock().unwrap().len()), (0, 1));
    }
}
