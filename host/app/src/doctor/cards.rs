//! Do NVIDIA's cards tell what they have and do, so that models go where there is room. Where none is, nothing is said.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::line::Line;

/// What the check is called.
const CHECK: &str = "cards";
/// A driver that starts its cards first takes some seconds; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// No card of NVIDIA.
    Nothing,
    /// What they are called.
    Cards(Vec<String>),
    /// Why they cannot be read, and what to do.
    Wrong(String, &'static str),
    /// The driver did not answer.
    Silent,
}

/// Asks the driver, on a thread that is left behind if it hangs.
pub(crate) async fn look() -> Seen {
    let (tell, told) = oneshot::channel();
    let ask = move || drop(tell.send(herdwick_agent::nvidia()));
    if std::thread::Builder::new().name("cards".to_owned()).spawn(ask).is_err() {
        return Seen::Nothing;
    }
    match timeout(PATIENCE, told).await {
        Ok(Ok(Some(Ok(names)))) => Seen::Cards(names),
        Ok(Ok(Some(Err((why, next))))) => Seen::Wrong(why, next),
        Ok(Ok(None) | Err(_)) => Seen::Nothing,
        Err(_) => Seen::Silent,
    }
}

pub(crate) fn judge(seen: &Seen) -> Option<Line> {
    let wrong = |cause: &str, next: &str| {
        let found = "cards of NVIDIA cannot be read, and so not where models have room";
        Line::problem(CHECK, found).cause(cause).fix(next)
    };
    match seen {
        Seen::Nothing => None,
        Seen::Cards(names) => Some(Line::good(CHECK, format!("{} can be read", names.join(", ")))),
        Seen::Wrong(why, next) => Some(wrong(why, next)),
        Seen::Silent => {
            let why = format!("its driver does not answer within {} s", PATIENCE.as_secs());
            Some(wrong(&why, "see whether `nvidia-smi` answers; if not, restart the machine"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn only_a_machine_with_cards_hears_of_them() {
        assert_eq!(judge(&Seen::Nothing), None);
        let good = judge(&Seen::Cards(vec!["A".to_owned(), "B".to_owned()])).unwrap();
        assert_eq!((good.verdict, good.found.as_str()), (Verdict::Good, "A, B can be read"));
        for seen in [Seen::Wrong("it is too old".to_owned(), "renew it"), Seen::Silent] {
            let line = judge(&seen).unwrap();
            assert!(
                line.verdict == Verdict::Problem && line.cause.is_some() && line.fix.is_some(),
                "{line:?}"
            );
        }
    }
}
