//! What a run teaches: its figures as quantities that are learned, and what was reckoned with before and after.

use herdwick_fleet::{Company, Moment, Quantity};
use herdwick_wire::bench::{BenchFigureView, BenchRunView};

use crate::admin::Admin;
use crate::bench::run::Run;
use crate::bench::target::Target;
use crate::learned;

/// Teaches what was measured and keeps the run; returns when both are safe. What was reckoned with before and after stands
/// beside each figure then.
pub(crate) async fn teach(admin: &Admin, run: &Run, target: &Target) -> Vec<BenchFigureView> {
    let now = admin.now();
    let mut figures = run.figures();
    for figure in &mut figures {
        figure.before = reckoned(target, figure, now);
        figure.before_is_learned = is_learned(target, figure);
    }
    admin.learned.measured((target.backend.id, target.model()), quantities(&figures), now);
    for figure in &mut figures {
        figure.after = reckoned(target, figure, now);
    }
    let view = run.view();
    let kept = BenchRunView {
        run: view.run,
        age_s: 0,
        node: view.node,
        model: view.model,
        quick: run.quick,
        figures: figures.clone(),
    };
    admin.memory.add_run(target.backend.id.node, kept);
    learned::safe(admin).await;
    figures
}

/// The figures as quantities that are learned.
fn quantities(figures: &[BenchFigureView]) -> Vec<(Quantity, f64)> {
    let alone = figures.iter().find(|figure| figure.quantity == "decode" && figure.streams == 1);
    let learned = figures.iter().filter_map(|figure| {
        let what = quantity(figure)?;
        if what != Quantity::SameDrag {
            return Some((what, figure.measured));
        }
        // How much each further stream slows one down.
        let slower = alone?.measured / figure.measured - 1.0;
        Some((what, (slower / f64::from(figure.streams - 1)).max(0.0)))
    });
    learned.collect()
}

/// Which quantity a figure teaches.
fn quantity(figure: &BenchFigureView) -> Option<Quantity> {
    match (figure.quantity.as_str(), figure.streams) {
        ("prefill", _) => Some(Quantity::Prefill),
        ("decode", 1) => Some(Quantity::Decode),
        ("decode", 2..) => Some(Quantity::SameDrag),
        ("load-disk", _) => Some(Quantity::LoadDisk),
        ("load-cache", _) => Some(Quantity::LoadCache),
        _ => None,
    }
}

/// What is reckoned with now in place of the figure.
fn reckoned(target: &Target, figure: &BenchFigureView, now: Moment) -> Option<f64> {
    let rates = target.holding.rates(&target.backend, now);
    match quantity(figure)? {
        Quantity::Prefill => Some(rates?.prefill_per_s),
        Quantity::Decode | Quantity::SameDrag => {
            let company = Company { same: f64::from(figure.streams), other: 0.0 };
            Some(rates?.decode_per_s / rates?.slow_down(company))
        }
        what => Some(target.holding.live.speed.load_bytes_per_s(what == Quantity::LoadCache)),
    }
}

fn is_learned(target: &Target, figure: &BenchFigureView) -> bool {
    let track = quantity(figure).and_then(|what| target.holding.live.speed.track(what));
    track.is_some_and(|track| track.samples() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(quantity: &str, streams: u32, measured: f64) -> BenchFigureView {
        BenchFigureView { quantity: quantity.to_owned(), streams, measured, ..BenchFigureView::default() }
    }

    #[test]
    fn answers_at_once_teach_what_company_costs() {
        for (at_once, streams, drag) in [(40.0, 4, 0.5), (100.0, 4, 0.0), (120.0, 2, 0.0), (50.0, 2, 1.0)] {
            let taught = quantities(&[figure("decode", 1, 100.0), figure("decode", streams, at_once)]);
            assert_eq!(
                taught,
                [(Quantity::Decode, 100.0), (Quantity::SameDrag, drag)],
                "{at_once} of {streams}"
            );
        }
        assert_eq!(quantities(&[figure("decode", 4, 40.0)]), [], "nobody knows how fast one alone is");
        assert_eq!(quantities(&[figure("load-disk", 0, 1e9)]), [(Quantity::LoadDisk, 1e9)]);
    }
}
