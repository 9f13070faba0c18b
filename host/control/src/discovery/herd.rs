//! When the router shows itself to agents of Ollama Herd: only where they have no router of their own, since they go to
//! whichever they see first and stay there. A fleet that runs is never taken over, unless its owner wants that.

use std::time::Duration;

use herdwick_discovery::{Advertiser, HerdCard, Mdns};
use tokio::time::{Instant, sleep_until};

/// How long none of their routers may be seen before ours is shown. Theirs answers within a second.
const AT_FIRST: Duration = Duration::from_secs(5);
/// How long after one was there. Their router may only be restarted, and agents that start meanwhile are its own.
const AFTER_ONE: Duration = Duration::from_secs(600);

/// Shows and hides the router for ever.
pub(super) async fn run(mdns: &Mdns, card: HerdCard, adopt: bool) {
    let mut herds = mdns.herd();
    let mut quiet = Quiet::new(Instant::now());
    let mut shown: Option<Advertiser> = None;
    loop {
        let names = herds.borrow_and_update().clone();
        let now = Instant::now();
        quiet.see(!names.is_empty(), now);
        let may = if adopt { May::Show } else { quiet.may(now) };
        match (may, &shown) {
            (May::Show, None) => {
                tracing::info!("agents of Ollama Herd that look for a router find this one");
                shown = Some(mdns.advertise_to_herd(card));
            }
            (May::Hide { .. }, Some(_)) => {
                tracing::info!(
                    routers = names.join(", "),
                    "a router of Ollama Herd came to the network: its agents are left alone; \
                     discovery.adopt_herd_nodes = true would call them"
                );
                if let Some(shown) = shown.take() {
                    shown.withdraw().await;
                }
            }
            _ => {}
        }
        let again = match may {
            May::Hide { until: Some(until) } => until,
            // A change will tell.
            May::Hide { until: None } | May::Show => now + AFTER_ONE,
        };
        tokio::select! {
            () = sleep_until(again) => {}
            changed = herds.changed() => if changed.is_err() {
                // Multicast is over, and with it all that is shown.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether the router may be shown to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Show,
    Hide {
        /// When it may, if none of theirs comes; `None` while one is there.
        until: Option<Instant>,
    },
}

/// For how long none of their routers was there.
#[derive(Debug)]
struct Quiet {
    since: Instant,
    needed: Duration,
    is_one_there: bool,
}

impl Quiet {
    fn new(now: Instant) -> Self {
        Self { since: now, needed: AT_FIRST, is_one_there: false }
    }

    /// Whether one is there now.
    fn see(&mut self, is_one_there: bool, now: Instant) {
        if is_one_there {
            self.needed = AFTER_ONE;
        } else if self.is_one_there {
            self.since = now;
        }
        self.is_one_there = is_one_there;
    }

    fn may(&self, now: Instant) -> May {
        if self.is_one_there {
            return May::Hide { until: None };
        }
        let until = self.since + self.needed;
        if now < until { May::Hide { until: Some(until) } } else { May::Show }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_none_is_there_ours_is_shown_after_a_while() {
        let start = Instant::now();
        let mut quiet = Quiet::new(start);
        quiet.see(false, start);
        assert_eq!(quiet.may(start), May::Hide { until: Some(start + AT_FIRST) });
        assert_eq!(quiet.may(start + AT_FIRST), May::Show);
    }

    #[test]
    fn where_one_is_there_ours_is_never_shown() {
        let start = Instant::now();
        let mut quiet = Quiet::new(start);
        quiet.see(true, start + Duration::from_secs(1));
        assert_eq!(quiet.may(start + Duration::from_secs(100_000)), May::Hide { until: None });
    }

    #[test]
    fn one_that_comes_later_hides_ours_until_it_was_gone_for_long() {
        let start = Instant::now();
        let mut quiet = Quiet::new(start);
        let came = start + Duration::from_secs(60);
        assert_eq!(quiet.may(came), May::Show);
        quiet.see(true, came);
        assert_eq!(quiet.may(came), May::Hide { until: None });
        let left = came + Duration::from_secs(60);
        quiet.see(false, left);
        assert_eq!(quiet.may(left), May::Hide { until: Some(left + AFTER_ONE) });
        // It was only restarted.
        let back = left + Duration::from_secs(20);
        quiet.see(true, back);
        quiet.see(false, back + Duration::from_secs(1));
        assert_eq!(
            quiet.may(left + AFTER_ONE),
            May::Hide { until: Some(back + Duration::from_secs(1) + AFTER_ONE) }
        );
        assert_eq!(quiet.may(back + Duration::from_secs(1) + AFTER_ONE), May::Show);
    }
}
