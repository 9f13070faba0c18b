//! Who was seen: a list that is bounded, forgets, and cannot be taken over by whoever comes in great numbers. Time is an
//! argument; it knows no network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::MOST_SIGHTINGS;
use crate::answer::Sighting;
use crate::card::Fingerprint;

/// How long somebody stays listed who said goodbye. Anybody can say goodbye for another, and whoever only restarts is
/// back by then.
const GOODBYE: Duration = Duration::from_secs(3);
/// Who was not told of for so long is gone, however long an answer said that it holds.
const MOST_AGE: Duration = Duration::from_secs(20 * 60);

/// Who was seen.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// By the names of their instances.
    seen: BTreeMap<String, Seen>,
    /// Keys that somebody here knows already; they find room when all is taken.
    wanted: Vec<Fingerprint>,
    /// Somebody was turned away since the list was last not full.
    turned_away: bool,
}

#[derive(Debug)]
struct Seen {
    sighting: Sighting,
    /// When it is taken off the list.
    until: Instant,
}

impl Sightings {
    /// Whoever says to have one of these keys finds room.
    pub(crate) fn want(&mut self, keys: Vec<Fingerprint>) {
        self.wanted = keys;
    }

    /// Somebody was told of. Says whether the list changed for its readers.
    pub(crate) fn add(&mut self, instance: &str, sighting: Sighting) -> bool {
        let until = sighting.seen + MOST_AGE;
        if let Some(seen) = self.seen.get_mut(instance) {
            let changed = !same(&seen.sighting, &sighting);
            *seen = Seen { sighting, until };
            return changed;
        }
        if self.seen.len() >= MOST_SIGHTINGS && !self.make_room(&sighting) {
            if !self.turned_away {
                tracing::warn!(
                    "more than {MOST_SIGHTINGS} say on the network to be one of us; the others are not looked at"
                );
                self.turned_away = true;
            }
            return false;
        }
        self.seen.insert(instance.to_owned(), Seen { sighting, until });
        true
    }

    /// What an instance answers now is no use. Says whether the list changed.
    pub(crate) fn remove(&mut self, instance: &str) -> bool {
        self.seen.remove(instance).is_some()
    }

    /// Somebody said goodbye, or nobody answers for it any more.
    pub(crate) fn goodbye(&mut self, instance: &str, now: Instant) {
        if let Some(seen) = self.seen.get_mut(instance) {
            seen.until = seen.until.min(now + GOODBYE);
        }
    }

    /// Takes those off the list whose time is over. Says whether the list changed.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.seen.len();
        self.seen.retain(|_, seen| now < seen.until);
        if self.seen.len() < MOST_SIGHTINGS {
            self.turned_away = false;
        }
        self.seen.len() != before
    }

    /// The names of their instances.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &String> {
        self.seen.keys()
    }

    /// Everybody, in an order that does not change by itself.
    pub(crate) fn list(&self) -> impl Iterator<Item = &Sighting> {
        self.seen.values().map(|seen| &seen.sighting)
    }

    /// Lets a stranger go for somebody who is known. Among strangers the first one stays: whoever comes in great
    /// numbers would otherwise drive everybody else out.
    fn make_room(&mut self, newcomer: &Sighting) -> bool {
        if !self.wanted.contains(&newcomer.fingerprint) {
            return false;
        }
        let stranger = self.seen.iter().find(|(_, seen)| !self.wanted.contains(&seen.sighting.fingerprint));
        let Some(instance) = stranger.map(|(instance, _)| instance.clone()) else {
            return false;
        };
        self.seen.remove(&instance).is_some()
    }
}

/// Whether two say the same, whenever they said it.
fn same(a: &Sighting, b: &Sighting) -> bool {
    (&a.name, a.role, &a.addresses, a.fingerprint) == (&b.name, b.role, &b.addresses, b.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Role;

    fn sighting(number: u64, seen: Instant) -> Sighting {
        Sighting {
            name: format!("n{number}"),
            role: Role::Router,
            addresses: vec!["192.168.1.2:11435".parse().unwrap()],
            fingerprint: Fingerprint::new(number.to_be_bytes()),
            seen,
        }
    }

    #[test]
    fn ten_thousand_find_no_more_room_than_there_is() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        assert!(sightings.add("first", sighting(77_777, now)));
        for number in 0..10_000 {
            sightings.add(&number.to_string(), sighting(number, now));
        }
        assert_eq!(sightings.list().count(), MOST_SIGHTINGS);
        assert!(sightings.list().any(|seen| seen.name == "n77777"), "who was there first was driven out");
    }

    #[test]
    fn whose_key_is_known_finds_room_and_keeps_it() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        for number in 0..10_000 {
            sightings.add(&number.to_string(), sighting(number, now));
        }
        sightings.want(vec![Fingerprint::new(77_777_u64.to_be_bytes())]);
        assert!(sightings.add("known", sighting(77_777, now)));
        for number in 20_000..30_000 {
            assert!(!sightings.add(&number.to_string(), sighting(number, now)));
        }
        assert_eq!(sightings.list().count(), MOST_SIGHTINGS);
        assert!(sightings.list().any(|seen| seen.name == "n77777"));
        // Copies of the known key take strangers' places and never the list.
        for copy in 0..1_000 {
            sightings.add(&format!("copy{copy}"), sighting(77_777, now));
        }
        assert_eq!(sightings.list().count(), MOST_SIGHTINGS);
    }

    #[test]
    fn a_goodbye_holds_only_when_nobody_comes_back() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        sightings.add("a", sighting(1, now));
        sightings.goodbye("a", now);
        assert!(!sightings.expire(now + GOODBYE - Duration::from_millis(1)));
        assert!(
            !sightings.add("a", sighting(1, now + Duration::from_secs(1))),
            "nothing changed for readers"
        );
        assert!(!sightings.expire(now + GOODBYE));
        sightings.goodbye("a", now + GOODBYE);
        assert!(sightings.expire(now + GOODBYE * 2));
        assert_eq!(sightings.list().count(), 0);
    }

    #[test]
    fn who_is_not_told_of_again_is_forgotten() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        sightings.add("a", sighting(1, now));
        let later = now + MOST_AGE / 2;
        sightings.add("b", sighting(2, later));
        assert!(sightings.expire(now + MOST_AGE));
        assert_eq!(sightings.list().map(|seen| seen.name.as_str()).collect::<Vec<_>>(), ["n2"]);
    }

    #[test]
    fn a_change_of_address_is_a_change() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        assert!(sightings.add("a", sighting(1, now)));
        assert!(!sightings.add("a", sighting(1, now)));
        let mut moved = sighting(1, now);
        moved.addresses = vec!["192.168.1.3:11435".parse().unwrap()];
        assert!(sightings.add("a", moved));
    }
}
