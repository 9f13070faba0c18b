//! Ten thousand who are not there.

use herdwick_discovery::{Fingerprint, MOST_SIGHTINGS, Role};

use super::packet::Stranger;
use super::place::{Place, names, until};

/// Services that are made up.
const FAKES: u32 = 10_000;
/// Megabytes that the process may grow by, whatever it hears.
const MOST_GROWTH: u64 = 32;

fn fake(number: u32) -> Stranger {
    Stranger::router(&format!("fake-{number}")).with_text("key", format!("{number:016x}").as_bytes())
}

#[tokio::test]
async fn a_flood_of_fakes_costs_neither_memory_nor_whom_we_know() {
    let place = Place::new();
    let (_mdns, mut browser) = place.browser(Role::Router).await;
    let before = resident_mb();
    for number in 1..=FAKES {
        place.send(&fake(number).packet());
        if number % 50 == 0 {
            // Lets them be read; a queue that overflows would spare the reader the flood.
            tokio::task::yield_now().await;
        }
    }
    let seen = until(&mut browser, |seen| seen.len() == MOST_SIGHTINGS).await;
    assert_eq!(seen.len(), MOST_SIGHTINGS);
    // Whose key we know is seen, however many fakes there are. It is told again and again, as somebody does who is
    // there: what comes while all is begun anew is not heard.
    browser.know(&[Fingerprint::new([0xbb; 8])]);
    let known = Stranger::router("known").with_text("key", b"bbbbbbbbbbbbbbbb").packet();
    let telling = async {
        let mut every = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            every.tick().await;
            place.send(&known);
        }
    };
    let seen = tokio::select! {
        () = telling => unreachable!(),
        seen = until(&mut browser, |seen| names(seen).contains(&"known")) => seen,
    };
    assert!(seen.len() <= MOST_SIGHTINGS, "{}", seen.len());
    let growth = resident_mb().saturating_sub(before);
    assert!(growth <= MOST_GROWTH, "it grew by {growth} MB");
}

/// Megabytes that this process has in memory; 0 where the system does not tell.
fn resident_mb() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok());
    resident.unwrap_or(0) * 4_096 / 1_000_000
}
