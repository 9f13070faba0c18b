//! A signal's answer for one candidate, and how answers become the numbers of the contract.
//! Must not know: readings, weights, or what other signals answered.

/// What choosing a candidate is predicted to cost, in the opinion of one signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cost {
    /// Predicted milliseconds; negative is a credit, work that is saved.
    ///
    /// A number that is not finite is an abstention: a division by zero never becomes a veto.
    Ms(f64),
    /// No opinion. The router puts the median of this signal's other answers in its place.
    Abstain,
    /// This candidate must not be chosen. Only for a signal with `MAY_VETO`.
    Veto,
}

impl Cost {
    /// The number that crosses the boundary: milliseconds, NaN or +infinity.
    pub fn number(self) -> f64 {
        match self {
            Cost::Ms(ms) if ms.is_finite() => ms,
            Cost::Ms(_) | Cost::Abstain => f64::NAN,
            Cost::Veto => f64::INFINITY,
        }
    }
}

/// `None` is an abstention, so that arithmetic on readings can use `?`.
impl From<Option<f64>> for Cost {
    fn from(ms: Option<f64>) -> Cost {
        ms.map_or(Cost::Abstain, Cost::Ms)
    }
}

/// The answers of one call, filled in the order of the rows.
#[derive(Debug, Default)]
pub struct Costs(Vec<f64>);

impl Costs {
    pub(crate) fn with_capacity(rows: usize) -> Costs {
        Costs(Vec::with_capacity(rows))
    }

    pub(crate) fn into_numbers(self) -> Vec<f64> {
        self.0
    }

    /// Answers for the next row.
    pub fn push(&mut self, cost: Cost) {
        self.0.push(cost.number());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_veto_is_infinite() {
        assert_eq!(Cost::Ms(-3.5).number(), -3.5);
        assert_eq!(Cost::Veto.number(), f64::INFINITY);
        for cost in [Cost::Abstain, Cost::Ms(f64::NAN), Cost::Ms(f64::INFINITY), Cost::Ms(f64::NEG_INFINITY)]
        {
            assert!(cost.number().is_nan(), "{cost:?}");
        }
        assert_eq!(Cost::from(Some(2.0)), Cost::Ms(2.0));
        assert_eq!(Cost::from(None), Cost::Abstain);
    }
}
