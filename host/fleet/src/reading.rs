//! A number about the fleet that goes stale: value, when it was taken, how long it may be believed.
//! Unknown and stale are the same thing to everybody who asks.

use std::time::Duration;

use crate::moment::Moment;

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading<T> {
    value: T,
    taken: Moment,
    best_before: Moment,
}

impl<T> Reading<T> {
    /// A reading taken at `taken` that may be believed for `keeps`.
    pub fn new(value: T, taken: Moment, keeps: Duration) -> Self {
        Self { value, taken, best_before: taken.plus(keeps) }
    }

    /// A reading taken at `taken` that may be believed until then: whoever told it says how old it is, and that it
    /// holds still.
    pub fn until(value: T, taken: Moment, best_before: Moment) -> Self {
        Self { value, taken, best_before }
    }

    /// The value, as long as it is fresh.
    pub fn at(&self, now: Moment) -> Option<&T> {
        (now <= self.best_before).then_some(&self.value)
    }

    /// The value without asking for its age: for comparing with a newer one and for display beside its age.
    pub fn last(&self) -> &T {
        &self.value
    }

    /// When it was taken.
    pub fn taken(&self) -> Moment {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_reading_is_no_reading() {
        let reading = Reading::new(7, Moment(1_000), Duration::from_secs(6));
        assert_eq!(reading.at(Moment(7_000)), Some(&7));
        assert_eq!(reading.at(Moment(7_001)), None);
        assert_eq!(reading.last(), &7);
    }
}
