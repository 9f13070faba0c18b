//! The decision: candidates in the order in which they should be tried, and every reason for it, in words.

use std::fmt;

use crate::candidate::{Candidate, Eliminated, Elimination, Field};
use crate::column::Matrix;
use crate::cost::{self, Term, Total};
use crate::id::{Generation, PluginId};
use crate::model::{ModelName, Residency};
use crate::moment::{Moment, Ms};
use crate::policy::{SignalPolicy, Words};
use crate::profile::Profile;
use crate::snapshot::Snapshot;

/// One candidate and what it is predicted to cost.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Who.
    pub candidate: Candidate,
    /// Predicted milliseconds.
    pub ms: f64,
    /// Each signal's part, in the order of [`Decision::signals`].
    pub terms: Vec<Term>,
    /// How ready the model was there when this was decided.
    pub residency: Option<Residency>,
}

/// What decided between the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The signals' costs.
    Costs,
    /// Equal costs: the candidate with less in flight.
    LessInFlight,
    /// Equal in everything: a lot.
    Lot,
    /// No signal answered: least in flight, then name order.
    Baseline,
}

/// A decision with its reasons.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What was asked for.
    pub model: ModelName,
    /// The fleet picture it was made on.
    pub fleet: Generation,
    /// The plugin set that was asked.
    pub plugins: Generation,
    /// Who answered.
    pub signals: Vec<PluginId>,
    /// Best first.
    pub ranked: Vec<Ranked>,
    /// Holders that could not serve.
    pub eliminated: Vec<Eliminated>,
    /// Plugins that misbehaved.
    pub faults: Vec<(PluginId, String)>,
    /// What decided.
    pub basis: Basis,
}

/// Decides among the candidates of `field`.
pub fn decide(
    profile: &Profile,
    snapshot: &Snapshot,
    field: Field,
    policy: &dyn SignalPolicy,
    now: Moment,
) -> Decision {
    let Field { candidates, mut eliminated } = field;
    let matrix = Matrix::fill(policy.columns(), &candidates, profile, snapshot, now);
    let words = Words { model: profile.model.as_str(), endpoint: "" };
    let sheet = policy.score(&matrix, &words);
    let (mut totals, vetoed) = cost::fold(&sheet, candidates.len());
    for (row, plugin) in vetoed {
        let Some(candidate) = candidates.get(row) else {
            continue;
        };
        eliminated.push(Eliminated {
            row: candidate.backend.row,
            node: candidate.backend.node.name.clone(),
            why: Elimination::Vetoed(plugin),
        });
    }
    let basis = if sheet.answers.is_empty() {
        baseline(&mut totals, &candidates);
        Basis::Baseline
    } else {
        break_tie(&mut totals, &candidates, profile.id.lot())
    };
    let ranked = totals.into_iter().filter_map(|Total { row, ms, terms }| {
        let candidate = candidates.get(row)?.clone();
        let residency = candidate.holding.residency(now).map(|(residency, _)| residency);
        Some(Ranked { candidate, ms, terms, residency })
    });
    Decision {
        model: profile.model.clone(),
        fleet: snapshot.generation,
        plugins: sheet.generation,
        signals: sheet.answers.iter().map(|answer| answer.plugin.clone()).collect(),
        ranked: ranked.collect(),
        eliminated,
        faults: sheet.faults,
        basis,
    }
}

/// Without any signal: least in flight, then name order.
fn baseline(totals: &mut [Total], candidates: &[Candidate]) {
    totals.sort_by(|a, b| {
        let key = |total: &Total| candidates.get(total.row).map(|c| (busy_ratio(c), c.name()));
        match (key(a), key(b)) {
            (Some((busy_a, name_a)), Some((busy_b, name_b))) => {
                busy_a.total_cmp(&busy_b).then_with(|| name_a.cmp(name_b))
            }
            _ => std::cmp::Ordering::Equal,
        }
    });
}

/// Puts one of the equally good first: of two drawn by lot the one with less in flight (Mitzenmacher, "The
/// power of two choices in randomized load balancing", 2001). Never simply the first that joined.
fn break_tie(totals: &mut [Total], candidates: &[Candidate], lot: u64) -> Basis {
    let tied = cost::tied(totals);
    if tied < 2 {
        return Basis::Costs;
    }
    let count = tied as u64;
    let first = (lot % count) as usize;
    let step = 1 + (lot / count % (count - 1)) as usize;
    let second = (first + step) % tied;
    let busy = |index: usize| {
        totals.get(index).and_then(|total| candidates.get(total.row)).map_or(f64::INFINITY, busy_ratio)
    };
    let (winner, basis) = match busy(first).total_cmp(&busy(second)) {
        std::cmp::Ordering::Less => (first, Basis::LessInFlight),
        std::cmp::Ordering::Greater => (second, Basis::LessInFlight),
        std::cmp::Ordering::Equal => (first, Basis::Lot),
    };
    if let Some(head) = totals.get_mut(..=winner) {
        head.rotate_right(1);
    }
    basis
}

fn busy_ratio(candidate: &Candidate) -> f64 {
    let slots = &candidate.holding.live.slots;
    f64::from(slots.busy()) / f64::from(slots.total())
}

impl Decision {
    /// One line for people: who won over whom, by how much and by which signal, and who was out of the running.
    pub fn why(&self) -> String {
        let mut why = match (self.ranked.first(), self.ranked.get(1)) {
            (None, _) => format!("nobody can serve {}", self.model),
            (Some(only), None) => format!("{} is the only one that can take it now", Named(only)),
            (Some(won), Some(next)) => self.between(won, next),
        };
        for out in self.eliminated.iter().take(3) {
            why.push_str(&format!("; {} {}", out.node, out.why));
        }
        if let Some(more) = self.eliminated.len().checked_sub(3).filter(|more| *more > 0) {
            why.push_str(&format!("; {more} more cannot"));
        }
        why
    }

    fn between(&self, won: &Ranked, next: &Ranked) -> String {
        match self.basis {
            Basis::Baseline => format!("{} has the least in flight (no signal answered)", Named(won)),
            Basis::LessInFlight => format!("{} costs as little as others and has less in flight", Named(won)),
            Basis::Lot => format!("{} drawn among equals", Named(won)),
            Basis::Costs => {
                let ahead = Ms(next.ms - won.ms);
                let reason = self.deciding(won, next).map_or(String::new(), |(signal, here, there)| {
                    format!(": {signal} {} against {}", Ms(here), Ms(there))
                });
                format!("{} is {ahead} ahead of {}{reason}", Named(won), Named(next))
            }
        }
    }

    /// The signal that speaks most for `won`.
    fn deciding<'a>(&'a self, won: &Ranked, next: &Ranked) -> Option<(&'a PluginId, f64, f64)> {
        let pairs = self.signals.iter().zip(won.terms.iter().zip(&next.terms));
        pairs
            .map(|(signal, (here, there))| (signal, here.ms, there.ms))
            .max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))
    }
}

/// `studio (model resident)`.
struct Named<'a>(&'a Ranked);

impl fmt::Display for Named<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.residency {
            Some(Residency::Resident) => "model resident",
            Some(Residency::Loading) => "model loading",
            Some(Residency::Warm) => "model in page cache",
            Some(Residency::OnDisk) => "model on disk",
            None => "model state unknown",
        };
        write!(out, "{} ({state})", self.0.candidate.name())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}: {}", self.model, self.why())?;
        writeln!(out, "fleet generation {}, plugin set {}", self.fleet, self.plugins)?;
        let width = |text: &str| text.len().max(9);
        write!(out, "  {:<20} {:>9}", "node", "total")?;
        for signal in &self.signals {
            write!(out, "  {:>w$}", signal.as_str(), w = width(signal.as_str()))?;
        }
        writeln!(out)?;
        for ranked in &self.ranked {
            write!(out, "  {:<20} {:>9}", ranked.candidate.name(), Ms(ranked.ms).to_string())?;
            for (signal, term) in self.signals.iter().zip(&ranked.terms) {
                let text = match term {
                    Term { abstained: true, .. } => format!("~{}", Ms(term.ms)),
                    Term { ms, .. } => Ms(*ms).to_string(),
                };
                write!(out, "  {text:>w$}", w = width(signal.as_str()))?;
            }
            writeln!(out)?;
        }
        for eliminated in &self.eliminated {
            writeln!(out, "  {:<20} {:>9}  {}", eliminated.node, "out", eliminated.why)?;
        }
        for (plugin, fault) in &self.faults {
            writeln!(out, "  {plugin} was ignored: {fault}")?;
        }
        Ok(())
    }
}
