//! Can the configuration be read: all its mistakes, or the files that it came from.

use std::path::PathBuf;

use super::line::Line;
use crate::config::Problems;

/// What the check is called.
const CHECK: &str = "configuration";

/// What came of reading it: the files that are there, and what is probably not meant; or what is wrong.
pub(crate) type Seen = Result<(Vec<PathBuf>, Vec<String>), Problems>;

pub(crate) fn judge(seen: &Seen) -> Line {
    match seen {
        Err(problems) => {
            let told = problems.each();
            let what =
                if told.len() == 1 { "one mistake".to_owned() } else { format!("{} mistakes", told.len()) };
            Line::problem(CHECK, format!("{what}; the router does not start with it"))
                .cause(told.join("\n"))
                .fix("mend what is named, then look again:")
                .command("herdwick config check")
        }
        Ok((files, warnings)) => {
            let found = match files.as_slice() {
                [] => "there is no file, so defaults hold".to_owned(),
                files => files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
            };
            if warnings.is_empty() {
                return Line::good(CHECK, found);
            }
            Line::note(CHECK, found).cause(warnings.join("\n")).fix("correct the name, or take it away")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;
    use crate::config::env::Platform;
    use crate::config::{Config, Env, Flags};

    fn seen(variables: &[(&str, &str)]) -> Seen {
        let config = Config::load(&Flags::default(), &Env::of(Platform::Linux, variables));
        config.map(|config| (Vec::new(), config.warnings))
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let line = judge(&seen(&[("HERDWICK_LISTEN", "here"), ("HERDWICK_LIMITS__BODY", "much")]));
        assert_eq!(line.verdict, Verdict::Problem);
        let cause = line.cause.unwrap();
        assert!(line.found.starts_with("2 mistakes") && cause.lines().count() == 2, "{cause}");
        assert!(cause.contains("HERDWICK_LISTEN") && cause.contains("HERDWICK_LIMITS__BODY"), "{cause}");
    }

    #[test]
    fn what_is_probably_not_meant_is_a_note() {
        assert_eq!(judge(&seen(&[])).verdict, Verdict::Good);
        let line = judge(&seen(&[("HERDWICK_LISTN", "here")]));
        assert_eq!(line.verdict, Verdict::Note);
        assert!(line.cause.unwrap().contains("HERDWICK_LISTN"));
    }
}
