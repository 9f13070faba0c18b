//! The decision: candidates in the order in which they should be tried, with every reason as data. `why` puts
//! the reasons into words.

use std::sync::Arc;

use crate::candidate::{Candidate, Eliminated, Elimination, Field};
use crate::column::{Matrix, NoWork, Sight};
use crate::cost::{self, Folded, Term, Total};
use crate::id::{Generation, PluginId, RequestId, RowId};
use crate::model::{ModelName, Residency};
use crate::moment::Moment;
use crate::policy::{Answer, Overruled, SignalPolicy, Words};
use crate::profile::Profile;
use crate::snapshot::Snapshot;

/// One candidate and what it is predicted to cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The backend's row.
    pub row: RowId,
    /// The machine's name.
    pub node: Arc<str>,
    /// Its place in the decision's matrix.
    pub at: usize,
    /// Predicted milliseconds.
    pub ms: f64,
    /// How ready the model was there when this was decided.
    pub residency: Option<Residency>,
}

/// What decided between the first two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The signals' costs.
    Costs,
    /// Equal costs: the candidate with less in flight.
    LessInFlight,
    /// Equal in everything: a lot.
    Lot,
    /// No signal answered: least in flight, then name order.
    Baseline,
    /// This signal failed, and its operator wants the baseline then.
    BaselineFor(PluginId),
    /// This signal failed, and its operator wants no answer without it.
    Refused(PluginId),
}

/// What a signal in shadow mode would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Who.
    pub plugin: PluginId,
    /// Whether another candidate would have won.
    pub changes: bool,
}

/// A decision with its reasons: numbers and names, never a prompt. It holds nothing of the fleet alive.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Whose.
    pub id: RequestId,
    /// When.
    pub at: Moment,
    /// What was asked for.
    pub model: ModelName,
    /// Path of the client's request.
    pub endpoint: &'static str,
    /// The fleet picture it was made on.
    pub fleet: Generation,
    /// The plugin set that was asked.
    pub plugins: Generation,
    /// Who answered.
    pub signals: Vec<PluginId>,
    /// Best first.
    pub ranked: Vec<Ranked>,
    /// Each signal's part of each row of the matrix; see [`Decision::terms`].
    pub(crate) terms: Vec<Term>,
    /// Holders that could not serve.
    pub eliminated: Vec<Eliminated>,
    /// Plugins that misbehaved.
    pub faults: Vec<(PluginId, String)>,
    /// What those in shadow mode would have done.
    pub shadows: Vec<Shadow>,
    /// What decided.
    pub basis: Basis,
    /// The readings it was made on: with them it can be made again.
    pub matrix: Matrix,
}

impl Decision {
    /// Each signal's part in the total of one of those ranked, in the order of [`Decision::signals`].
    pub fn terms(&self, ranked: &Ranked) -> &[Term] {
        let width = self.signals.len();
        self.terms.get(ranked.at * width..(ranked.at + 1) * width).unwrap_or_default()
    }
}

/// A decision and those among whom it was made.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Why.
    pub decision: Arc<Decision>,
    candidates: Vec<Candidate>,
}

impl Decided {
    /// Those among whom it was made, in the order of the matrix.
    pub(crate) fn field(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Whom to ask, best first.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.decision.ranked.iter().filter_map(|ranked| self.candidates.get(ranked.at))
    }
}

/// Decides among the candidates of `field`.
pub fn decide(
    profile: &Profile,
    snapshot: &Snapshot,
    field: Field,
    policy: &dyn SignalPolicy,
    now: Moment,
) -> Decided {
    decide_by(field, policy, Sight { profile, snapshot, now, work: &NoWork })
}

/// The same, with what is known of work.
pub fn decide_by(field: Field, policy: &dyn SignalPolicy, sight: Sight<'_>) -> Decided {
    let Sight { profile, snapshot, now, .. } = sight;
    let Field { candidates, mut eliminated } = field;
    let matrix = Matrix::look(policy.columns(), &candidates, sight);
    let sheet = policy.score(&matrix, &Words { model: profile.model.as_str(), endpoint: profile.endpoint });
    let Folded { mut totals, terms, vetoed } = cost::fold(&sheet.answers, candidates.len());
    for (row, plugin) in vetoed {
        let Some(Candidate { backend, .. }) = candidates.get(row) else { continue };
        let node = Arc::clone(&backend.node.name);
        eliminated.push(Eliminated { row: backend.row, node, why: Elimination::Vetoed(plugin) });
    }
    let basis = match sheet.overruled {
        Some(Overruled::Refuse(plugin)) => {
            totals.clear();
            Basis::Refused(plugin)
        }
        Some(Overruled::Baseline(plugin)) => {
            baseline(&mut totals, &candidates);
            Basis::BaselineFor(plugin)
        }
        None if sheet.answers.is_empty() => {
            baseline(&mut totals, &candidates);
            Basis::Baseline
        }
        None => break_tie(&mut totals, &candidates, profile.id.lot()),
    };
    let shadows = shadows(&sheet.answers, sheet.shadows, &totals, candidates.len());
    let ranked = totals.into_iter().filter_map(|Total { row: at, ms }| {
        let Candidate { backend, holding } = candidates.get(at)?;
        let residency = holding.residency(now).map(|(residency, _)| residency);
        Some(Ranked { row: backend.row, node: Arc::clone(&backend.node.name), at, ms, residency })
    });
    let ranked = ranked.collect();
    let decision = Decision {
        id: profile.id,
        at: now,
        model: profile.model.clone(),
        endpoint: profile.endpoint,
        fleet: snapshot.generation,
        plugins: sheet.generation,
        signals: sheet.answers.into_iter().map(|answer| answer.plugin).collect(),
        ranked,
        terms,
        eliminated,
        faults: sheet.faults,
        shadows,
        basis,
        matrix,
    };
    Decided { decision: Arc::new(decision), candidates }
}

/// What each signal in shadow mode would have changed: whether, with its costs added, the winner would not be
/// among the best any more.
fn shadows(answers: &[Answer], shadows: Vec<Answer>, totals: &[Total], rows: usize) -> Vec<Shadow> {
    let each = shadows.into_iter().map(|shadow| {
        let plugin = shadow.plugin.clone();
        let mut answers = answers.to_vec();
        answers.push(shadow);
        let would = cost::fold(&answers, rows).totals;
        let best = would.get(..cost::tied(&would)).unwrap_or_default();
        let changes = totals.first().is_some_and(|won| !best.iter().any(|total| total.row == won.row));
        Shadow { plugin, changes }
    });
    each.collect()
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
    (f64::from(slots.busy()) + f64::from(slots.foreign())) / f64::from(slots.total())
}
