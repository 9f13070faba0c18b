//! Keeps a flood out of the log: of one kind of line about one subject one passes per minute, and says how many did not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use herdwick_fleet::Moment;

/// Time between two lines of one kind about one subject.
const QUIET: Duration = Duration::from_secs(60);
/// Lines that are remembered. With more at once all share one line.
const LINES: usize = 256;

/// Time between two looks for lines that are over: a crowd of strangers must not cost a look each.
const SWEEP: Duration = Duration::from_secs(1);

/// The lines of the last minute.
#[derive(Default)]
pub(crate) struct Hush {
    lines: BTreeMap<(&'static str, Option<IpAddr>), Line>,
    swept: Option<Moment>,
}

struct Line {
    at: Moment,
    held: u64,
}

impl Hush {
    /// Whether a line passes; if so, how many of its like were held back since the last one.
    pub(crate) fn pass(&mut self, kind: &'static str, about: IpAddr, now: Moment) -> Option<u64> {
        let known = self.lines.contains_key(&(kind, Some(about)));
        let is_full = !known && self.lines.len() >= LINES;
        if is_full && self.swept.is_none_or(|swept| now.since(swept) >= SWEEP) {
            self.swept = Some(now);
            self.lines.retain(|_, line| now.since(line.at) < QUIET);
        }
        // Whom there is no room for is told of together with the others.
        let about = (known || self.lines.len() < LINES).then_some(about);
        match self.lines.get_mut(&(kind, about)) {
            Some(line) if now.since(line.at) < QUIET => {
                line.held += 1;
                None
            }
            Some(line) => {
                line.at = now;
                Some(std::mem::take(&mut line.held))
            }
            None => {
                self.lines.insert((kind, about), Line { at: now, held: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_passes_and_tells_of_the_others() {
        let mut hush = Hush::default();
        let here = IpAddr::from([10, 0, 0, 5]);
        assert_eq!(hush.pass("forged", here, Moment(0)), Some(0));
        assert_eq!(hush.pass("broken", here, Moment(0)), Some(0));
        for now in 1..60_000 {
            assert_eq!(hush.pass("forged", here, Moment(now)), None);
        }
        assert_eq!(hush.pass("forged", here, Moment(60_000)), Some(59_999));
    }

    #[test]
    fn a_crowd_shares_one_line() {
        let mut hush = Hush::default();
        let passed = |hush: &mut Hush, now| {
            let all = 0..100_000_u32;
            all.filter(|n| hush.pass("forged", IpAddr::from(n.to_be_bytes()), Moment(now)).is_some()).count()
        };
        assert_eq!(passed(&mut hush, 0), LINES + 1);
        assert!(hush.lines.len() <= LINES + 1);
        assert!(passed(&mut hush, 60_000) <= LINES + 1);
    }
}
