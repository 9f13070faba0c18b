//! Does the router answer, is it of the same version, and do its clock and ours agree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herdwick_fleet::Origin;

use super::ask::{self, Answer, Silence};
use super::line::{Line, Verdict};

/// What the check is called.
const CHECK: &str = "router";
const CLOCK: &str = "clock";
/// Clocks that differ by less read the same in logs.
const SKEW: Duration = Duration::from_secs(60);
/// Says that the process serves, and which version it is.
const PATH: &str = "/healthz";

/// How a router came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Somebody named it.
    Named,
    /// The agent of this machine reported there before, or is to.
    Met,
    /// It says on the network that it is there.
    Seen,
    /// One may run on this machine.
    Here,
    /// One should run on this machine: it did before.
    HereBefore,
}

/// A router that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) origin: Origin,
    pub(crate) known: Known,
    pub(crate) answer: Result<Answer, Silence>,
    /// This machine's clock when it answered.
    pub(crate) now: SystemTime,
}

/// Asks the router.
pub(crate) async fn look(origin: Origin, known: Known) -> Seen {
    let answer = ask::get(&origin, PATH).await;
    Seen { origin, known, answer, now: SystemTime::now() }
}

impl Known {
    pub(crate) fn is_here(self) -> bool {
        matches!(self, Self::Here | Self::HereBefore)
    }
}

impl Seen {
    /// Whether a router answers there.
    pub(crate) fn is_there(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.is_router && answer.status == 200)
    }

    /// Whether something between here and there may have swallowed what was sent.
    pub(crate) fn may_be_a_firewall(&self) -> bool {
        self.answer.as_ref().is_err_and(Silence::may_be_a_firewall)
    }
}

pub(crate) fn judge(seen: &Seen) -> Line {
    let Seen { origin, known, answer, .. } = seen;
    let at = origin.authority();
    match answer {
        Ok(answer) if !answer.is_router => Line::problem(CHECK, format!("another program answers at {at}"))
            .cause(format!("it answers {} and does not mark its answers as a router does", answer.status))
            .fix("say where the router is, or end that program:")
            .command("herdwick doctor --router HOST:PORT"),
        Ok(answer) if answer.status == 403 => Line::problem(
            CHECK,
            format!("the router at {at} refuses this machine"),
        )
        .cause(refusal(answer))
        .fix(
            "on the router's machine, let this one in (`allowed_sources` in herdwick.toml) and start it anew",
        ),
        Ok(answer) if answer.status != 200 => {
            Line::problem(CHECK, format!("the router at {at} answers {}", answer.status))
                .cause(refusal(answer))
                .fix("on its machine:")
                .command("herdwick status")
        }
        Ok(answer) => version(&at, answer),
        Err(silence) if !known.is_here() => {
            let how = match known {
                Known::Met => ", to which the agent here reported",
                Known::Seen => ", where one says on the network that it is",
                Known::Named | Known::Here | Known::HereBefore => "",
            };
            let line =
                Line::problem(CHECK, format!("no router answers at {at}{how}")).cause(silence.to_string());
            match silence {
                Silence::Refused => line
                    .fix("start it on that machine, or say where it is:")
                    .command("herdwick")
                    .command("herdwick doctor --router HOST:PORT"),
                Silence::NoName => line
                    .fix("name its address, as its banner says it:")
                    .command("herdwick doctor --router 192.168.1.20:11435"),
                Silence::Mute | Silence::Strange => {
                    line.fix("say where the router is:").command("herdwick doctor --router HOST:PORT")
                }
                Silence::Lost | Silence::Unreachable | Silence::Other(_) => line
                    .fix("see that the machine is on and in this network, then try the way to it:")
                    .command(format!("ping {}", origin.host)),
            }
        }
        Err(silence) if *silence == Silence::Refused => {
            let verdict = if *known == Known::HereBefore { Verdict::Problem } else { Verdict::Note };
            Line::of(verdict, CHECK, format!("no router runs on this machine (nothing listens at {at})"))
                .fix("start one, for now or for good; or say where it is:")
                .command("herdwick")
                .command("herdwick service install router")
                .command("herdwick doctor --router HOST:PORT")
        }
        Err(silence) => Line::problem(CHECK, format!("no router answers at {at}"))
            .cause(silence.to_string())
            .fix("end what listens there, or say where the router is:")
            .command("herdwick doctor --router HOST:PORT"),
    }
}

/// How far the two clocks are apart. `None` when nobody told.
pub(crate) fn clock(seen: &Seen) -> Option<Line> {
    let answer = seen.answer.as_ref().ok().filter(|answer| answer.is_router)?;
    let theirs = date(answer.date.as_deref()?)?;
    let ours = i64::try_from(seen.now.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let apart = Duration::from_secs(theirs.abs_diff(ours));
    if apart <= SKEW {
        return Some(Line::good(CLOCK, "agrees with the router's"));
    }
    let (apart, which) =
        (crate::cli::print::lasting(apart.as_secs()), if theirs > ours { "behind" } else { "ahead of" });
    Some(
        Line::note(CLOCK, format!("this machine's clock is {apart} {which} the router's"))
            .cause("nothing depends on it but the times in logs, which do not fit together")
            .fix("have the system set it:")
            .command(if cfg!(windows) {
                "w32tm /resync"
            } else if cfg!(target_os = "macos") {
                "sudo sntp -sS time.apple.com"
            } else {
                "sudo timedatectl set-ntp true"
            }),
    )
}

fn version(at: &str, answer: &Answer) -> Line {
    let ours = env!("CARGO_PKG_VERSION");
    let ms = answer.took.as_millis();
    match &answer.version {
        Some(theirs) if theirs == ours => {
            Line::good(CHECK, format!("answers at {at} in {ms} ms, version {theirs}"))
        }
        Some(theirs) => {
            Line::note(CHECK, format!("answers at {at} in {ms} ms; it is {theirs} and this is {ours}"))
                .cause("two versions understand each other as far as both know the same")
                .fix("bring the older one to the version of the other")
        }
        None => Line::note(CHECK, format!("answers at {at} in {ms} ms, and does not say its version"))
            .cause("it is older than this program")
            .fix("bring it to the same version"),
    }
}

/// Why a router refused, in its own words.
fn refusal(answer: &Answer) -> String {
    let told: Result<herdwick_wire::admin::ErrorView, _> = serde_json::from_slice(&answer.body);
    told.map_or_else(|_| answer.text(), |told| told.error)
}

/// Seconds since 1970 of an HTTP date, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), the form that servers send.
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace().skip(1);
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let year: i64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut time = words.next()?.split(':').map(str::parse::<i64>);
    let mut part = || time.next()?.ok();
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    // Days of the civil calendar: years begin in March, so that the odd day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(answer: Result<Answer, Silence>) -> Seen {
        let origin = Origin { host: "studio".to_owned(), port: 11_435 };
        Seen { origin, known: Known::Named, answer, now: UNIX_EPOCH + Duration::from_secs(784_111_777) }
    }

    fn router(version: &str) -> Answer {
        Answer { status: 200, is_router: true, version: Some(version.to_owned()), ..Answer::default() }
    }

    #[test]
    fn each_answer_has_its_verdict() {
        let ours = env!("CARGO_PKG_VERSION");
        let refused =
            Answer { status: 403, body: r#"{"error":"not near: allowed_sources"}"#.into(), ..router(ours) };
        for (answer, verdict, told) in [
            (Ok(router(ours)), Verdict::Good, "answers at studio:11435"),
            (Ok(router("9.9.9")), Verdict::Note, "it is 9.9.9"),
            (Ok(Answer { version: None, ..router("") }), Verdict::Note, "does not say its version"),
            (Ok(Answer { status: 200, ..Answer::default() }), Verdict::Problem, "another program answers"),
            (Ok(refused), Verdict::Problem, "not near: allowed_sources"),
            (Ok(Answer { status: 500, ..router(ours) }), Verdict::Problem, "answers 500"),
            (Err(Silence::Refused), Verdict::Problem, "nothing listens there"),
            (Err(Silence::NoName), Verdict::Problem, "its name is not known here"),
            (Err(Silence::Lost), Verdict::Problem, "ping studio"),
            (Err(Silence::Mute), Verdict::Problem, "says nothing"),
        ] {
            let line = judge(&seen(answer));
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
        }
    }

    #[test]
    fn a_router_that_does_not_run_is_a_problem_only_where_one_did() {
        for (known, verdict, told) in [
            (Known::HereBefore, Verdict::Problem, "no router runs on this machine"),
            (Known::Here, Verdict::Note, "no router runs on this machine"),
            (Known::Met, Verdict::Problem, "to which the agent here reported"),
            (Known::Seen, Verdict::Problem, "says on the network"),
        ] {
            let line = judge(&Seen { known, ..seen(Err(Silence::Refused)) });
            assert_eq!(line.verdict, verdict);
            assert!(line.found.contains(told), "{line:?}");
        }
    }

    #[test]
    fn clocks_are_compared() {
        for (date, told) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "agrees"),
            ("Sun, 06 Nov 1994 08:50:30 GMT", "agrees"),
            ("Sun, 06 Nov 1994 09:49:37 GMT", "1 h behind the router's"),
            ("Sat, 05 Nov 1994 08:49:37 GMT", "1 d ahead of the router's"),
        ] {
            let answer = Answer { date: Some(date.to_owned()), ..router("1") };
            let line = clock(&seen(Ok(answer))).unwrap();
            assert!(line.found.contains(told), "{date}: {line:?}");
        }
        assert_eq!(clock(&seen(Ok(router("1")))), None);
        assert_eq!(clock(&seen(Err(Silence::Lost))), None);
    }

    #[test]
    fn dates_are_seconds() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 25 Nov 2026 16:21:02 GMT", Some(1_795_623_662)),
            ("yesterday", None),
            ("Sun, 06 Nov 99999999999999 08:49:37 GMT", None),
        ] {
            assert_eq!(date(text), seconds, "{text}");
        }
    }
}
