//! What a plugin must survive before it goes live: no candidates, one, many, and readings that nobody knows.

use crate::fault::Fault;
use crate::instance::Instance;
use crate::limits;
use crate::manifest::Described;

/// Numbers of candidates that are tried.
const ROWS: [usize; 4] = [0, 1, 8, 64];

/// Calls the plugin as traffic would, and worse. The error says whether it is only that time ran out.
pub(crate) fn run(instance: &mut Instance, described: &Described) -> Result<(), (bool, String)> {
    let words: Vec<String> = described.words.iter().map(|_| String::new()).collect();
    let words = (!words.is_empty()).then_some(words.as_slice());
    for rows in ROWS {
        for (kind, value) in [("unknown", f64::NAN), ("zero", 0.0), ("huge", f64::MAX)] {
            let matrix: Vec<f64> = (0..rows)
                .flat_map(|row| std::iter::once(row as f64).chain(described.columns.iter().map(|_| value)))
                .collect();
            let answer =
                instance.cost(words, &matrix).and_then(|costs| checked(costs, rows, described.may_veto));
            if let Err(fault) = answer {
                let late = matches!(fault, Fault::Deadline { .. });
                let problem = format!(
                    "fails the trial with {rows} candidates whose readings are {kind}: {fault}; \
                     `cargo test` in its folder runs the same calls"
                );
                return Err((late, problem));
            }
        }
    }
    Ok(())
}

/// Holds an answer against the contract: length, no minus infinity, veto only with the right, sane size.
pub(crate) fn checked(mut costs: Vec<f64>, rows: usize, may_veto: bool) -> Result<Vec<f64>, Fault> {
    if costs.len() != rows {
        return Err(Fault::Length { rows, got: costs.len() });
    }
    for cost in &mut costs {
        match *cost {
            f64::NEG_INFINITY => return Err(Fault::MinusInfinity),
            f64::INFINITY if !may_veto => return Err(Fault::Veto),
            f64::INFINITY => {}
            // NaN stays NaN but loses its payload, which means nothing.
            value if value.is_nan() => *cost = f64::NAN,
            value => *cost = value.clamp(-limits::COST_MS, limits::COST_MS),
        }
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_held_against_the_contract() {
        let check = |costs: &[f64], may_veto| checked(costs.to_vec(), 2, may_veto);
        assert_eq!(check(&[1.0], true), Err(Fault::Length { rows: 2, got: 1 }));
        assert_eq!(check(&[1.0, 2.0, 3.0], true), Err(Fault::Length { rows: 2, got: 3 }));
        assert_eq!(check(&[f64::NEG_INFINITY, 0.0], true), Err(Fault::MinusInfinity));
        assert_eq!(check(&[f64::INFINITY, 0.0], false), Err(Fault::Veto));
        assert_eq!(check(&[f64::INFINITY, 0.0], true), Ok(vec![f64::INFINITY, 0.0]));
        assert_eq!(check(&[1e300, -1e300], true), Ok(vec![600_000.0, -600_000.0]));
        let payload = f64::from_bits(0xfff8_0000_dead_beef);
        let canonical = check(&[payload, 0.0], true).expect("a NaN is an abstention");
        assert_eq!(canonical[0].to_bits(), f64::NAN.to_bits());
    }
}
