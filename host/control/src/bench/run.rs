//! One run as others see it: how far it is, and who may end it. A run lives as long as somebody asks about it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use herdwick_wire::bench::{BenchFigureView, BenchView, LEASE_S, StartBench};
use tokio::sync::watch;

use crate::bench::target::Target;

/// How often it is looked whether a run is to end.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// What is done before any step.
const LOOKING: &str = "looking what is in memory";

/// Why a run ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Whoever began it says so.
    Wanted,
    /// Nobody asks about it any more.
    Lease,
    /// Clients wait.
    Clients,
    /// The router ends.
    Router,
}

/// A run.
pub(crate) struct Run {
    /// Whether clients come first.
    pub(crate) gives_way: bool,
    /// Whether it is a quick one.
    pub(crate) quick: bool,
    began: Instant,
    inner: Mutex<Inner>,
    stop: watch::Sender<Option<Stop>>,
    over: watch::Sender<bool>,
}

struct Inner {
    view: BenchView,
    asked: Instant,
}

impl Run {
    /// A run that begins now.
    pub(crate) fn new(wanted: &StartBench, target: &Target) -> Self {
        let view = BenchView {
            run: number(),
            node: target.node().to_owned(),
            kind: target.backend.kind.name().to_owned(),
            model: target.model().to_string(),
            state: "running".to_owned(),
            step: LOOKING.to_owned(),
            ..BenchView::default()
        };
        let now = Instant::now();
        Self {
            gives_way: !wanted.force,
            quick: wanted.quick,
            began: now,
            inner: Mutex::new(Inner { view, asked: now }),
            stop: watch::Sender::new(None),
            over: watch::Sender::new(false),
        }
    }

    /// How far it is.
    pub(crate) fn view(&self) -> BenchView {
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut view = self.inner().view.clone();
        if !view.is_over() {
            view.took_ms = took;
        }
        view
    }

    /// Somebody asked.
    pub(crate) fn asked(&self) {
        self.inner().asked = Instant::now();
    }

    /// Has it end, and leave things as they were. The first reason counts.
    pub(crate) fn stop(&self, why: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(why);
            is_first
        });
    }

    /// Returns when it is to end, with why.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut stop = self.stop.subscribe();
        loop {
            if let Some(why) = *stop.borrow_and_update() {
                return why;
            }
            if self.inner().asked.elapsed() > Duration::from_secs(LEASE_S) {
                return Stop::Lease;
            }
            // Whether somebody still asks only time tells. The sender lives as long as this.
            let _ = tokio::time::timeout(LOOK, stop.changed()).await;
        }
    }

    /// Returns when nothing of it is left.
    pub(crate) async fn over(&self) {
        // The sender lives as long as this.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Says so many steps are to come.
    pub(crate) fn plan(&self, steps: u32) {
        self.inner().view.steps = steps;
    }

    /// Begins a step; the one before it is done.
    pub(crate) fn step(&self, what: impl Into<String>) {
        let mut inner = self.inner();
        inner.view.steps_done += u32::from(inner.view.step != LOOKING);
        inner.view.step = what.into();
    }

    /// One should know this.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.inner().view.notes.push(what.into());
    }

    /// This was measured.
    pub(crate) fn measured(&self, figure: BenchFigureView) {
        self.inner().view.figures.push(figure);
    }

    /// What was measured so far.
    pub(crate) fn figures(&self) -> Vec<BenchFigureView> {
        self.inner().view.figures.clone()
    }

    /// Nothing more is measured; things are put back.
    pub(crate) fn tidies(&self) {
        let mut inner = self.inner();
        inner.view.state = "tidying".to_owned();
        inner.view.step = "putting back what was in memory".to_owned();
    }

    /// It is over: `state` and what goes with it.
    pub(crate) fn end(&self, end: impl FnOnce(&mut BenchView)) {
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut inner = self.inner();
        inner.view.took_ms = took;
        inner.view.step = String::new();
        end(&mut inner.view);
        drop(inner);
        self.over.send_replace(true);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What is in it is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that no run before had, also of a router that was started anew.
fn number() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", since.as_micros())
}
