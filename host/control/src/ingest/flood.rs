//! How many heartbeats one address may send, before anybody looks at them: to look costs more than to send.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use herdwick_fleet::Moment;

/// Beats of one address per second in the long run. As many machines as may stand behind one address beat once a
/// second; and looking at so many takes less than a hundredth of a core.
const PER_SECOND: u64 = 50;
/// Beats of one address at once, as when all of its machines come back together.
const BURST: u64 = 100;
/// Addresses that are counted at once. One that has been quiet for two seconds is forgotten when there is no room.
const ADDRESSES: usize = 1_024;
/// Time between two looks for addresses that have been quiet: a crowd of strangers must not cost a look each.
const SWEEP: Duration = Duration::from_millis(100);
/// A second in the unit of [`Bucket::left`].
const BEAT: u64 = 1_000;

/// What each address may still send.
#[derive(Default)]
pub(crate) struct Flood {
    buckets: HashMap<IpAddr, Bucket>,
    swept: Option<Moment>,
}

struct Bucket {
    /// In thousandths of a beat, as at `at`.
    left: u64,
    at: Moment,
}

impl Flood {
    /// Lets one more beat of this address pass, or says when to try again.
    pub(crate) fn pass(&mut self, address: IpAddr, now: Moment) -> Result<(), Duration> {
        let address = client(address);
        if !self.buckets.contains_key(&address) && !self.has_room(now) {
            return Err(Duration::from_secs(1));
        }
        let bucket = self.buckets.entry(address).or_insert(Bucket { left: BURST * BEAT, at: now });
        bucket.left = bucket.at(now);
        bucket.at = now;
        match bucket.left.checked_sub(BEAT) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(Duration::from_millis((BEAT - bucket.left).div_ceil(PER_SECOND))),
        }
    }

    fn has_room(&mut self, now: Moment) -> bool {
        if self.buckets.len() >= ADDRESSES && self.swept.is_none_or(|swept| now.since(swept) >= SWEEP) {
            self.swept = Some(now);
            self.buckets.retain(|_, bucket| bucket.at(now) < BURST * BEAT);
        }
        self.buckets.len() < ADDRESSES
    }
}

impl Bucket {
    fn at(&self, now: Moment) -> u64 {
        let ms = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.left.saturating_add(ms.saturating_mul(PER_SECOND)).min(BURST * BEAT)
    }
}

/// Whom an address counts for. A machine has a whole /64 of IPv6 addresses to choose from.
pub(crate) fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_then_so_many_per_second_and_others_do_not_feel_it() {
        let mut flood = Flood::default();
        let mut passed = |from: &str, now| flood.pass(address(from), Moment(now));
        assert_eq!((0..1_000).filter(|_| passed("10.0.0.5", 0).is_ok()).count(), 100);
        assert_eq!(passed("10.0.0.5", 5), Err(Duration::from_millis(15)));
        assert_eq!(passed("10.0.0.6", 5), Ok(()));
        assert_eq!(passed("10.0.0.5", 20), Ok(()));
        // A thousand a second for ten seconds.
        let all = (20..10_020).filter(|now| passed("10.0.0.5", *now).is_ok()).count();
        assert!((499..=501).contains(&all), "{all}");
        assert_eq!((0..1_000).filter(|_| passed("10.0.0.5", 100_000).is_ok()).count(), 100);
    }

    #[test]
    fn a_machine_with_many_addresses_counts_once_and_strangers_do_not_fill_the_memory() {
        let mut flood = Flood::default();
        let passed =
            (0..200).filter(|last| flood.pass(address(&format!("fd00::{last:x}")), Moment(0)).is_ok());
        assert_eq!(passed.count(), 100);
        for number in 0..100_000_u32 {
            let _ = flood.pass(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), Moment(0));
        }
        assert_eq!(flood.buckets.len(), ADDRESSES);
        assert!(flood.pass(address("192.168.1.1"), Moment(0)).is_err());
        assert_eq!(flood.pass(address("192.168.1.1"), Moment(3_000)), Ok(()));
    }
}
