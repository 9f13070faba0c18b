//! Whether a machine may be disturbed now. What a bench measures on a machine that does something else holds for nobody,
//! and whoever works there would feel it.

use herdwick_fleet::{Backend, Column, Moment, Snapshot};

use crate::bench::target::Target;

/// A processor that is busier than this does something else.
const BUSY: f64 = 0.5;
/// From this level on (0 to 3) a machine is so warm that it is slower than usual, or soon will be.
const HOT: f64 = 2.0;
/// How to go on in spite of all.
const FORCE: &str = "try again later, or measure all the same with --force";

/// Says why not, with what to do next. Nobody is measured who cannot be reached, whatever is forced.
pub(crate) fn check(target: &Target, snapshot: &Snapshot, now: Moment, force: bool) -> Result<(), String> {
    let node = target.node();
    if let Some(why) = target.backend.unreachable() {
        return Err(format!("{node} cannot be measured: {why}; `herdwick nodes test {node}` looks closer"));
    }
    if force {
        return Ok(());
    }
    let refuse = |why: String| Err(format!("{node} would be disturbed: {why}; {FORCE}"));
    let own = servers(target, snapshot);
    let ours: u32 = own.iter().map(|backend| running(backend)).sum();
    if ours > 0 {
        return refuse(format!("{} there", requests(ours, "of clients")));
    }
    let others: u32 = own.iter().map(|backend| backend.foreign).sum();
    if others > 0 {
        return refuse(format!("{} there", requests(others, "of others")));
    }
    if let Some(loading) = loading(&own, now) {
        return refuse(format!("{loading} is being loaded there"));
    }
    let told = |column| target.backend.reading(column, now);
    let is_set = |column| told(column).is_some_and(|flag| flag > 0.0);
    if is_set(Column::Meeting) {
        return refuse("its owner is in a meeting".to_owned());
    }
    if is_set(Column::Battery) {
        return refuse("it runs on battery, which makes it slower than it is".to_owned());
    }
    if is_set(Column::Throttled) || told(Column::Thermal).is_some_and(|level| level >= HOT) {
        return refuse("it is too hot to be as fast as it is".to_owned());
    }
    match told(Column::CpuBusy) {
        Some(busy) if busy > BUSY => refuse(format!("its processor is busy ({:.0} %)", busy * 100.0)),
        _ => Ok(()),
    }
}

/// Every server of the machine: they share what it has.
pub(crate) fn servers<'a>(target: &Target, snapshot: &'a Snapshot) -> Vec<&'a Backend> {
    let own = snapshot.backends().iter().filter(|backend| backend.id.node == target.backend.id.node);
    own.map(AsRef::as_ref).collect()
}

/// Requests of this router that run on a server.
fn running(backend: &Backend) -> u32 {
    backend.holdings.values().map(|holding| holding.live.slots.busy()).sum()
}

/// A model that is on its way into memory.
fn loading<'a>(own: &[&'a Backend], now: Moment) -> Option<&'a str> {
    use herdwick_fleet::Residency::Loading;
    let all = own.iter().flat_map(|backend| backend.holdings.values());
    let mut loading = all.filter(|holding| matches!(holding.residency(now), Some((Loading, _))));
    loading.next().map(|holding| holding.model.name.as_str())
}

fn requests(count: u32, whose: &str) -> String {
    if count == 1 { format!("a request {whose} runs") } else { format!("{count} requests {whose} run") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herdwick_fleet::Claim;

    use super::*;
    use crate::bench::target::tests::fleet;

    fn refusal(change: impl FnOnce(&mut herdwick_fleet::Fleet, herdwick_fleet::BackendId)) -> Option<String> {
        let (mut fleet, id) = fleet();
        change(&mut fleet, id);
        let snapshot = fleet.snapshot();
        let target = Target::find(&snapshot, "studio", "m:1").expect("it is there");
        let forced = check(&target, &snapshot, Moment(10), true);
        let refused = check(&target, &snapshot, Moment(10), false).err();
        assert_eq!(forced.is_err(), refused.as_ref().is_some_and(|why| why.contains("cannot be measured")));
        refused
    }

    fn told(column: Column, value: f64) -> Option<String> {
        refusal(|fleet, backend| {
            let claim = Claim::Readings(vec![(column, value)], Duration::from_secs(60));
            fleet.observe(herdwick_fleet::Observation { backend, at: Moment(1), claim });
        })
    }

    #[test]
    fn a_machine_that_does_something_else_is_left_alone() {
        assert_eq!(refusal(|_, _| ()), None);
        for (column, value, why) in [
            (Column::Meeting, 1.0, Some("its owner is in a meeting")),
            (Column::Meeting, 0.0, None),
            (Column::Battery, 1.0, Some("it runs on battery")),
            (Column::Throttled, 1.0, Some("it is too hot")),
            (Column::Thermal, 1.0, None),
            (Column::Thermal, 3.0, Some("it is too hot")),
            (Column::CpuBusy, 0.3, None),
            (Column::CpuBusy, 0.72, Some("its processor is busy (72 %)")),
        ] {
            let refused = told(column, value);
            assert_eq!(refused.is_some(), why.is_some(), "{column} {value}: {refused:?}");
            if let Some((refused, why)) = refused.zip(why) {
                assert!(refused.starts_with(&format!("studio would be disturbed: {why}")), "{refused}");
                assert!(
                    refused.ends_with("; try again later, or measure all the same with --force"),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn a_machine_with_requests_is_left_alone_and_one_that_is_away_is_not_measured_at_all() {
        let silent = refusal(|fleet, backend| {
            let claim = Claim::Unreachable("nothing listens there".into());
            fleet.observe(herdwick_fleet::Observation { backend, at: Moment(2), claim });
        });
        assert_eq!(
            silent.as_deref(),
            Some(
                "studio cannot be measured: nothing listens there; `herdwick nodes test studio` looks closer"
            )
        );
        let mut guard = None;
        let busy = refusal(|fleet, _| {
            let snapshot = fleet.snapshot();
            let target = Target::find(&snapshot, "studio", "m:1").expect("it is there");
            guard = target.holding.live.slots.try_acquire();
        });
        assert!(busy.is_some_and(|why| why.contains("a request of clients runs there")));
        assert!(guard.is_some());
    }
}
