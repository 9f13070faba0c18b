//! Is the system's limit on open files enough for the clients that the router should take.

use super::line::Line;
use crate::handles;

/// What the check is called.
const CHECK: &str = "open files";
/// A house's programs and what they keep open; a router that takes fewer lets people wait.
const FEW: usize = 256;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// How many a program here may open at most. `None` without a limit.
    pub(crate) most: Option<u64>,
    /// Clients that the router should take (`limits.connections`).
    pub(crate) wanted: usize,
}

/// Looks at the limits of this shell, as far as a program may raise them.
pub(crate) fn look(wanted: usize) -> Seen {
    Seen { most: handles::most(), wanted }
}

pub(crate) fn judge(seen: &Seen) -> Line {
    let Some(most) = seen.most else { return Line::good(CHECK, "the system sets no limit") };
    let clients = handles::fitting(seen.wanted, most);
    let of = |number: usize| crate::cli::print::count(number as u64);
    let found = format!("{} may be open", of(usize::try_from(most).unwrap_or(usize::MAX)));
    if clients >= seen.wanted {
        return Line::good(CHECK, format!("{found}, enough for {} clients", of(seen.wanted)));
    }
    let found = format!("{found}, which is enough for {} of {} clients", of(clients), of(seen.wanted));
    let line = if clients < FEW { Line::problem(CHECK, found) } else { Line::note(CHECK, found) };
    line.cause("the limit of this shell is lower than limits.connections wants; further clients wait")
        .fix("raise it (in a service: LimitNOFILE=65536), or lower limits.connections:")
        .command("ulimit -n 65536")
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn a_limit_is_judged_by_the_clients_that_it_is_enough_for() {
        for (most, wanted, verdict) in [
            (None, 10_000, Verdict::Good),
            (Some(1 << 20), 10_000, Verdict::Good),
            (Some(1_024), 500, Verdict::Good),
            (Some(10_240), 10_000, Verdict::Note),
            (Some(128), 10_000, Verdict::Problem),
        ] {
            let line = judge(&Seen { most, wanted });
            assert_eq!(line.verdict, verdict, "{line:?}");
        }
    }
}
