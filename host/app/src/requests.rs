//! One line of log per request. The data thread only lays a record down; the control thread makes the lines, ten
//! times a second, so that a request neither pays for its line nor wakes another thread.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use herdwick_fleet::{Ending, Event, Outcome, Outcomes};
use tracing::Level;

/// The lines' target, for whoever filters them.
const TARGET: &str = "herdwick::request";
/// Routes of operators, their tools and agents, told only when the filter asks for more than usual.
const QUIET: [&str; 5] = ["/admin/", "/fleet/v1/beat", "/healthz", "/heartbeat", "/readyz"];
/// Of these, the routes of agents. One that is refused here, and not by whoever takes heartbeats in, is told all the same:
/// nobody else says why a machine does not join.
const BEATS: [&str; 2] = ["/fleet/v1/beat", "/heartbeat"];
/// Time between two such lines about one client and for one reason. It beats on, and says nothing new.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Such lines that are remembered; when there are more, all may be told again.
const TOLD: usize = 256;
/// How long a record lies before its line is made.
const PERIOD: Duration = Duration::from_millis(100);
/// Records that may lie in one tray: 80,000 requests per second, and at most 3 MB.
const MOST: usize = 8_192;
/// Changes of trust that may lie here: a fleet trips a backend at most once in seconds.
const CHANGES: usize = 256;
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
    making: Mutex<Making>,
    dropped: AtomicU64,
    /// What became of backends' trust meanwhile.
    changes: Mutex<Vec<Event>>,
}

/// What whoever makes lines has at hand.
#[derive(Default)]
struct Making {
    outcomes: Vec<Outcome>,
    /// When an agent that is refused was told of.
    told: BTreeMap<(IpAddr, &'static str), Instant>,
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

    fn changed(&self, event: Event) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() < CHANGES {
            changes.push(event);
        }
    }
}

impl RequestLog {
    /// Keeps what shall get a line. When the log's filter wants no such lines, there is nothing to keep.
    pub(crate) fn new(logged: Logged) -> Self {
        let wanted = tracing::enabled!(target: TARGET, Level::INFO);
        Self::of(if wanted { logged } else { Logged::Off })
    }

    fn of(logged: Logged) -> Self {
        Self {
            logged,
            trays: Default::default(),
            making: Mutex::default(),
            dropped: AtomicU64::new(0),
            changes: Mutex::default(),
        }
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
            let Making { outcomes, told } = &mut *making;
            std::mem::swap(outcomes, &mut *tray.lock().unwrap_or_else(PoisonError::into_inner));
            outcomes.drain(..).filter(|outcome| is_told(outcome, told)).for_each(line);
            outcomes.shrink_to(KEPT);
        }
        let changes = std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        changes.iter().for_each(herdwick_control::log_event);
        match self.dropped.swap(0, Relaxed) {
            0 => {}
            dropped => tracing::warn!(dropped, "more requests ended than could be logged"),
        }
    }
}

/// Whoever asks every second how we are must not bury the rest.
fn is_told(outcome: &Outcome, told: &mut BTreeMap<(IpAddr, &'static str), Instant>) -> bool {
    if !QUIET.contains(&outcome.route) || tracing::enabled!(target: TARGET, Level::DEBUG) {
        return true;
    }
    let Ending::Refused(code) = outcome.ending else { return false };
    if !BEATS.contains(&outcome.route) {
        return false;
    }
    let now = Instant::now();
    let agent = (outcome.client, code);
    if told.get(&agent).is_some_and(|at| now.duration_since(*at) < TELL_AGAIN) {
        return false;
    }
    if told.len() >= TOLD {
        told.clear();
    }
    told.insert(agent, now);
    true
}

fn line(outcome: Outcome) {
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

    use herdwick_fleet::RequestId;

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
    fn an_agent_that_is_refused_is_told_of_once_a_minute_and_not_buried_by_those_that_are_heard() {
        let mut told = BTreeMap::new();
        let beat = |last, ending| Outcome {
            route: "/fleet/v1/beat",
            client: [8, 8, 8, last].into(),
            ending,
            ..outcome()
        };
        let mut tells = |outcome| is_told(&outcome, &mut told);
        assert!(!tells(beat(1, Ending::Complete)));
        assert!(tells(beat(1, Ending::Refused("not_near"))));
        assert!(!tells(beat(1, Ending::Refused("not_near"))));
        assert!(tells(beat(1, Ending::Refused("forbidden"))), "for another reason");
        assert!(tells(beat(2, Ending::Refused("not_near"))), "another one");
        assert!(!tells(Outcome { route: "/readyz", ending: Ending::Refused("no_node"), ..outcome() }));
        assert!(tells(outcome()));
        for number in 0..10_000_u32 {
            let stranger = IpAddr::from(number.to_be_bytes());
            tells(Outcome { client: stranger, ..beat(0, Ending::Refused("not_near")) });
        }
        assert!(told.len() <= TOLD);
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
