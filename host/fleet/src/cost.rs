//! The arithmetic that turns the signals' answers into one total per candidate.
//!
//! `total = Σ weight · cost`. An abstention takes the median of what the same signal said of the others, so
//! that not knowing is neither punished nor rewarded. A veto takes the candidate out.

use crate::id::PluginId;
use crate::policy::Answer;

/// Totals closer than this share of the best are equal.
const TIE_RATIO: f64 = 0.01;
/// Totals closer than this many milliseconds are equal.
const TIE_MS: f64 = 5.0;

/// What the fold says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// Position in the matrix.
    pub row: usize,
    /// Predicted milliseconds.
    pub ms: f64,
}

/// What the fold says of all rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// Rows that are left, cheapest first.
    pub totals: Vec<Total>,
    /// What each signal added, weighted: one row of the matrix after the other, in each the signals in their order.
    /// One allocation for all, since a decision is made per request.
    pub terms: Vec<Term>,
    /// Rows that were vetoed, and by whom.
    pub vetoed: Vec<(usize, PluginId)>,
}

/// One signal's part in a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Weighted milliseconds.
    pub ms: f64,
    /// Whether the signal had no opinion and `ms` is the others' median.
    pub abstained: bool,
}

/// Folds the signals' answers over `rows` rows.
pub fn fold(answers: &[Answer], rows: usize) -> Folded {
    let medians: Vec<f64> = answers.iter().map(|answer| stand_in(&answer.costs)).collect();
    let mut totals = Vec::with_capacity(rows);
    let mut terms = Vec::with_capacity(rows * answers.len());
    let mut vetoed = Vec::new();
    for row in 0..rows {
        let mut ms = 0.0;
        let mut veto = None;
        for (answer, median) in answers.iter().zip(&medians) {
            let cost = answer.costs.get(row).copied().unwrap_or(f64::NAN);
            if cost == f64::INFINITY && veto.is_none() {
                veto = Some(&answer.plugin);
            }
            let abstained = cost.is_nan();
            let term = answer.weight * if abstained { *median } else { cost };
            ms += term;
            terms.push(Term { ms: term, abstained });
        }
        match veto {
            Some(plugin) => vetoed.push((row, plugin.clone())),
            None => totals.push(Total { row, ms }),
        }
    }
    totals.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    Folded { totals, terms, vetoed }
}

/// How many of the sorted totals count as equal to the best.
pub fn tied(totals: &[Total]) -> usize {
    let Some(best) = totals.first() else { return 0 };
    let reach = best.ms + (best.ms.abs() * TIE_RATIO).max(TIE_MS);
    totals.iter().take_while(|total| total.ms <= reach).count()
}

/// What an abstention costs: the others' median. Not computed where nobody abstained, which is the rule.
fn stand_in(costs: &[f64]) -> f64 {
    if costs.iter().any(|cost| cost.is_nan()) { median(costs) } else { 0.0 }
}

/// The median of the finite costs, 0 when there is none. Vetoes are no opinion about the others.
fn median(costs: &[f64]) -> f64 {
    let mut finite: Vec<f64> = costs.iter().copied().filter(|cost| cost.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    let middle = finite.len() / 2;
    match (finite.get(middle.wrapping_sub(1)), finite.get(middle)) {
        (Some(low), Some(high)) if finite.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(high)) => *high,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: f64 = f64::NAN;
    const VETO: f64 = f64::INFINITY;

    fn check(answers: &[(f64, &[f64])], totals: &[(usize, f64)], vetoes: &[usize]) {
        let given: Vec<_> = answers
            .iter()
            .enumerate()
            .map(|(index, (weight, costs))| Answer {
                plugin: PluginId::new(&format!("s{index}")),
                weight: *weight,
                costs: costs.to_vec(),
            })
            .collect();
        let rows = answers.first().map_or(2, |answer| answer.1.len());
        let Folded { totals: folded, terms, vetoed } = fold(&given, rows);
        assert_eq!(terms.len(), rows * answers.len(), "{answers:?}");
        let found: Vec<_> = folded.iter().map(|total| (total.row, total.ms)).collect();
        assert_eq!(found, totals, "{answers:?}");
        assert_eq!(vetoed.iter().map(|veto| veto.0).collect::<Vec<_>>(), vetoes, "{answers:?}");
    }

    #[test]
    fn lower_sums_win_and_weights_count() {
        check(&[(1.0, &[5.0, 1.0]), (2.0, &[0.0, 3.0])], &[(0, 5.0), (1, 7.0)], &[]);
    }

    #[test]
    fn an_abstention_takes_the_median_of_the_others() {
        check(&[(1.0, &[NO, 10.0, 30.0])], &[(1, 10.0), (0, 20.0), (2, 30.0)], &[]);
        check(&[(1.0, &[NO, 10.0, 20.0, 90.0])], &[(1, 10.0), (0, 20.0), (2, 20.0), (3, 90.0)], &[]);
    }

    #[test]
    fn nobody_with_an_opinion_costs_nothing() {
        check(&[(1.0, &[NO, NO])], &[(0, 0.0), (1, 0.0)], &[]);
        check(&[], &[(0, 0.0), (1, 0.0)], &[]);
    }

    #[test]
    fn a_veto_takes_a_row_out_and_stays_out_of_the_median() {
        check(&[(1.0, &[VETO, NO, 4.0])], &[(1, 4.0), (2, 4.0)], &[0]);
        check(&[(1.0, &[VETO, VETO])], &[], &[0, 1]);
    }

    #[test]
    fn near_totals_are_ties() {
        let total = |ms| Total { row: 0, ms };
        for (totals, expected) in [
            (vec![], 0),
            (vec![0.0, 5.0, 5.1], 2),
            (vec![10_000.0, 10_100.0, 10_101.0], 2),
            (vec![-1_000.0, -990.0, -989.0], 2),
        ] {
            let totals: Vec<_> = totals.into_iter().map(total).collect();
            assert_eq!(tied(&totals), expected, "{totals:?}");
        }
    }
}
