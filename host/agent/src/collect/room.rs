//! Which memory models have on this machine: that of its cards, where they have any of their own, else the system's. No
//! source knows that alone; this makes the columns of all that is known. Pure.

use std::time::Duration;

use herdwick_fleet::Column;
use herdwick_wire::machine::MachineFacts;

/// The columns of memory and of its bandwidth, with their ages.
pub(super) fn columns(facts: &MachineFacts, has_card: bool) -> Vec<(Column, f64, Duration)> {
    let mut columns = Vec::new();
    let mut add = |column: Column, value: f64, age_ms: u64| {
        columns.push((column, value, Duration::from_millis(age_ms)));
    };
    let memory = facts.memory.as_ref();
    let cards = facts.cards.as_ref();
    let own = || cards.iter().flat_map(|told| &told.cards).filter(|card| !card.shares_memory);
    let age_ms = cards.map_or(0, |cards| cards.age_ms);
    if let Some(total) = own().map(|card| card.memory_total).sum::<Option<u64>>().filter(|total| *total > 0) {
        add(Column::MemTotal, total as f64, age_ms);
        if let Some(free) = own().map(|card| card.memory_free).sum::<Option<u64>>() {
            add(Column::MemFree, free as f64, age_ms);
        }
        if let Some(memory) = memory {
            add(Column::MemSystem, (total + memory.total) as f64, age_ms.max(memory.age_ms));
        }
        // A model that is spread over several is read as fast as all of them together are; one that is not, as fast as
        // the slowest may be. The slowest promises nothing that does not come.
        let slowest = own().map(|card| card.bytes_per_s).collect::<Option<Vec<_>>>();
        let slowest = slowest.into_iter().flatten().reduce(f64::min);
        slowest.into_iter().for_each(|slowest| add(Column::Bandwidth, slowest, 0));
    } else if !has_card {
        if let Some(memory) = memory {
            // A card that shares the machine's memory may take a part of it, as long as there is that much.
            let shared = cards.iter().flat_map(|told| &told.cards).find(|card| card.memory_total.is_some());
            let total = shared.and_then(|card| card.memory_total).unwrap_or(memory.total);
            let free = shared.and_then(|card| card.memory_free).unwrap_or(memory.available);
            add(Column::MemTotal, total.min(memory.total) as f64, memory.age_ms);
            add(Column::MemFree, free.min(memory.available) as f64, memory.age_ms);
            add(Column::MemSystem, memory.total as f64, memory.age_ms);
        }
        // As true as when it was measured.
        let bandwidth = facts.bandwidth.as_ref();
        bandwidth.into_iter().for_each(|it| add(Column::Bandwidth, it.bytes_per_s, 0));
    }
    columns
}

#[cfg(test)]
mod tests {
    use herdwick_wire::machine::{BandwidthFacts, CardFacts, CardsFacts, MemoryFacts};

    use super::*;

    fn machine(cards: &[(bool, Option<u64>)]) -> MachineFacts {
        let card = |(shares_memory, total): &(bool, Option<u64>)| CardFacts {
            shares_memory: *shares_memory,
            memory_total: *total,
            memory_free: total.map(|total| total / 2),
            bytes_per_s: Some(total.map_or(1e12, |total| total as f64 * 40.0)),
            ..CardFacts::default()
        };
        MachineFacts {
            memory: Some(MemoryFacts { age_ms: 5, total: 64, available: 32, ..MemoryFacts::default() }),
            bandwidth: Some(BandwidthFacts { age_ms: 86_400_000, bytes_per_s: 50e9 }),
            cards: Some(CardsFacts { age_ms: 900, cards: cards.iter().map(card).collect() }),
            ..MachineFacts::default()
        }
    }

    fn check(cards: &[(bool, Option<u64>)], has_card: bool, expected: [Option<f64>; 4]) {
        let told = columns(&machine(cards), has_card);
        let of = |column| told.iter().find(|(known, ..)| *known == column).map(|(_, value, _)| *value);
        let columns = [Column::MemTotal, Column::MemFree, Column::MemSystem, Column::Bandwidth];
        assert_eq!(columns.map(of), expected, "{cards:?} {has_card}");
    }

    #[test]
    fn models_go_where_there_is_memory_for_them() {
        let system = [Some(64.0), Some(32.0), Some(64.0), Some(50e9)];
        check(&[], false, system);
        check(&[(true, None)], false, system);
        check(&[(true, Some(48))], false, [Some(48.0), Some(24.0), Some(64.0), Some(50e9)]);
        check(&[(true, None), (true, Some(72))], false, system);
        check(&[(false, Some(24))], true, [Some(24.0), Some(12.0), Some(88.0), Some(960.0)]);
        check(
            &[(false, Some(24)), (false, Some(16)), (true, None)],
            true,
            [Some(40.0), Some(20.0), Some(104.0), Some(640.0)],
        );
    }

    #[test]
    fn of_a_card_that_tells_nothing_nothing_is_concluded() {
        check(&[], true, [None; 4]);
        check(&[(false, None)], true, [None; 4]);
        check(&[(false, Some(24)), (false, None)], true, [None; 4]);
    }

    #[test]
    fn each_is_as_old_as_what_it_is_made_of() {
        let told = columns(&machine(&[(false, Some(24))]), true);
        let ages: Vec<_> = told.iter().map(|(_, _, age)| age.as_millis()).collect();
        assert_eq!(ages, [900, 900, 900, 0]);
    }
}
