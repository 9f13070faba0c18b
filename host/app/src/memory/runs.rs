//! Runs of `herdwick bench` that are remembered, as the store keeps them and as they are shown.

use std::collections::VecDeque;
use std::time::SystemTime;

use herdwick_fleet::NodeId;
use herdwick_store::{BenchRun, RunFigure};
use herdwick_wire::bench::{BenchFigureView, BenchRunView};

/// Runs that are shown. The store keeps no more.
const MOST: usize = 200;

/// Runs, the newest first.
pub(crate) struct Runs(VecDeque<BenchRun>);

impl Runs {
    /// Those of before.
    pub(crate) fn new(runs: Vec<BenchRun>) -> Self {
        Self(runs.into())
    }

    /// One more.
    pub(crate) fn add(&mut self, run: BenchRun) {
        self.0.push_front(run);
        self.0.truncate(MOST);
    }

    /// As they are shown at `now`.
    pub(crate) fn views(&self, now: SystemTime) -> Vec<BenchRunView> {
        self.0.iter().map(|run| view(run, now)).collect()
    }
}

/// A run as it is kept.
pub(crate) fn kept(run: BenchRunView, node: NodeId, ended: SystemTime) -> BenchRun {
    let figures = run.figures.into_iter().map(|figure| RunFigure {
        quantity: figure.quantity,
        streams: figure.streams,
        measured: figure.measured,
        before: figure.before,
        after: figure.after,
    });
    BenchRun {
        id: run.run,
        ended,
        node,
        name: run.node,
        model: run.model,
        is_quick: run.quick,
        figures: figures.collect(),
    }
}

fn view(run: &BenchRun, now: SystemTime) -> BenchRunView {
    let figures = run.figures.iter().map(|figure| BenchFigureView {
        quantity: figure.quantity.clone(),
        streams: figure.streams,
        unit: if figure.quantity.starts_with("load") { "bytes/s" } else { "tokens/s" }.to_owned(),
        measured: figure.measured,
        before: figure.before,
        before_is_learned: false,
        after: figure.after,
    });
    BenchRunView {
        run: run.id.clone(),
        // By a clock that was set back it ended in the future, which is as good as now.
        age_s: now.duration_since(run.ended).unwrap_or_default().as_secs(),
        node: run.name.clone(),
        model: run.model.clone(),
        quick: run.is_quick,
        figures: figures.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_shown_as_it_was_and_the_oldest_makes_room() {
        let now = SystemTime::now();
        let run = |number: usize| BenchRunView {
            run: number.to_string(),
            node: "studio".to_owned(),
            model: "m".to_owned(),
            figures: vec![BenchFigureView {
                quantity: "decode".to_owned(),
                streams: 4,
                unit: "tokens/s".to_owned(),
                measured: 40.0,
                before: Some(10.0),
                ..BenchFigureView::default()
            }],
            ..BenchRunView::default()
        };
        let mut runs = Runs::new(Vec::new());
        for number in 0..=MOST {
            runs.add(kept(run(number), NodeId::from_origin("studio"), now - Duration::from_secs(9)));
        }
        let views = runs.views(now);
        assert_eq!(views.len(), MOST);
        assert_eq!(views[0], BenchRunView { age_s: 9, ..run(MOST) });
    }
}
