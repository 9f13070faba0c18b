//! How the lines of `herdwick doctor` are shown: marks for people with a terminal, plain ASCII for everybody else, a
//! document for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::line::{Line, Verdict};
use crate::cli::terminal::{COLUMNS, Terminal, Tone, wrap};

/// Between a mark and what it is about.
const GAP: usize = 2;
/// `cause` and `fix` and what stands behind them.
const LABEL: usize = 7;
/// No check is longer than this, unless a machine's name is part of it.
const CHECK: usize = 14;

/// What was found, as programs read it. Fields are added, never changed.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    /// This program's version.
    version: &'static str,
    /// What this machine is: `router`, `node`, both, or nothing yet.
    roles: &'a [&'static str],
    /// Checks that found something broken.
    problems: usize,
    /// Checks that found something to know.
    notes: usize,
    /// How long it took.
    took_ms: u64,
    /// Everything that was looked at.
    checks: &'a [Line],
}

impl<'a> Report<'a> {
    pub(crate) fn new(roles: &'a [&'static str], checks: &'a [Line], took: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            roles,
            problems: count(checks, Verdict::Problem),
            notes: count(checks, Verdict::Note),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            checks,
        }
    }

    /// For people.
    pub(crate) fn text(&self, terminal: Terminal) -> String {
        let roles = match self.roles {
            [] => "nothing is set up on this machine yet".to_owned(),
            roles => format!("this machine is a {}", roles.join(" and a ")),
        };
        let mut out = format!("herdwick {}: {roles}\n\n", self.version);
        let widest = self.checks.iter().map(|line| line.check.chars().count()).max().unwrap_or(0);
        let width = widest.min(CHECK);
        for line in self.checks {
            one(&mut out, line, width, terminal);
        }
        out.push('\n');
        out.push_str(&self.sum(terminal));
        out
    }

    /// The last line.
    fn sum(&self, terminal: Terminal) -> String {
        let several =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (tone, text) = match (self.problems, self.notes) {
            (0, 0) => (Tone::Good, "nothing is wrong".to_owned()),
            (0, notes) => (Tone::Good, format!("nothing is wrong; {}", several(notes, "note"))),
            (problems, 0) => (Tone::Bad, several(problems, "problem")),
            (problems, notes) => {
                (Tone::Bad, format!("{}, {}", several(problems, "problem"), several(notes, "note")))
            }
        };
        format!("{}\n", terminal.paint(tone, &text))
    }
}

fn count(lines: &[Line], verdict: Verdict) -> usize {
    lines.iter().filter(|line| line.verdict == verdict).count()
}

fn one(out: &mut String, line: &Line, width: usize, terminal: Terminal) {
    let (mark, tone) = mark(line.verdict, terminal);
    let columns = terminal.columns().unwrap_or(COLUMNS);
    let indent = mark.chars().count() + 1 + width + GAP;
    let check = format!("{:<width$}", printable(&line.check));
    let check = if line.verdict == Verdict::Problem { terminal.paint(Tone::Strong, &check) } else { check };
    // A name that is too long for its column pushes what was found into the next line.
    let found = if line.check.chars().count() > width {
        format!("\n{:indent$}{}", "", wrap(&printable(&line.found), columns, indent))
    } else {
        format!("{:GAP$}{}", "", wrap(&printable(&line.found), columns, indent))
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{} {check}{found}", terminal.paint(tone, mark));
    for (label, text) in [("cause", &line.cause), ("fix", &line.fix)] {
        let Some(text) = text else { continue };
        let mut label = terminal.paint(Tone::Faint, &format!("{label:<LABEL$}"));
        // A text may have lines of its own, like the problems of a configuration.
        for part in text.lines() {
            let _ = writeln!(out, "{:indent$}{label}{}", "", wrap(&printable(part), columns, indent + LABEL));
            label = " ".repeat(LABEL);
        }
    }
    for (index, command) in line.commands.iter().enumerate() {
        let label = if index == 0 && line.fix.is_none() { "fix" } else { "" };
        let label = terminal.paint(Tone::Faint, &format!("{label:<LABEL$}"));
        // In one piece, to be pasted.
        let _ = writeln!(out, "{:indent$}{label}{}", "", terminal.paint(Tone::Strong, &printable(command)));
    }
}

/// What other programs said, without what a terminal would act on.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn mark(verdict: Verdict, terminal: Terminal) -> (&'static str, Tone) {
    let (fancy, plain, tone) = match verdict {
        Verdict::Good => ("✓", "ok", Tone::Good),
        Verdict::Note => ("!", "! ", Tone::Warn),
        Verdict::Problem => ("✗", "X ", Tone::Bad),
        Verdict::Skipped => ("-", "- ", Tone::Faint),
    };
    (if terminal.marks() { fancy } else { plain }, tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        vec![
            Line::good("port", "127.0.0.1:11435 is free"),
            Line::problem("ollama", "nothing listens at http://127.0.0.1:11434")
                .cause("no Ollama runs here, so that this machine can answer nobody who asks it for a model")
                .fix("start it:")
                .command("ollama serve"),
            Line::note("a-machine-with-a-long-name", "it is slow").command("herdwick nodes test it"),
            Line::skipped("multicast", "--local was asked for"),
        ]
    }

    #[test]
    fn a_pipe_gets_plain_text_that_fits() {
        let lines = lines();
        let text = Report::new(&["router"], &lines, Duration::ZERO).text(Terminal::default());
        assert!(text.is_ascii(), "{text}");
        let body: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            body,
            [
                "ok port            127.0.0.1:11435 is free",
                "X  ollama          nothing listens at http://127.0.0.1:11434",
                "                   cause  no Ollama runs here, so that this machine can answer",
                "                          nobody who asks it for a model",
                "                   fix    start it:",
                "                          ollama serve",
                "!  a-machine-with-a-long-name",
                "                   it is slow",
                "                   fix    herdwick nodes test it",
                "-  multicast       --local was asked for",
                "",
                "1 problem, 1 note",
            ]
        );
    }

    #[test]
    fn a_terminal_gets_marks_and_nothing_longer_than_it_is() {
        let lines = lines();
        let text = Report::new(&[], &lines, Duration::ZERO).text(Terminal::of(60, 24, true));
        assert!(text.contains("\x1b[32m✓\x1b[0m port") && text.contains("\x1b[31m✗\x1b[0m"), "{text}");
        let plain = Report::new(&[], &lines, Duration::ZERO).text(Terminal::of(60, 24, false));
        assert!(plain.lines().all(|line| line.chars().count() <= 60), "{plain}");
    }

    #[test]
    fn what_others_said_does_nothing_to_a_terminal() {
        let line =
            Line::problem("no\u{7}de", "\u{1b}[2Jgone").cause("one\ntwo\r\u{9b}").command("ping \u{1b}c");
        let text = Report::new(&[], &[line], Duration::ZERO).text(Terminal::of(80, 24, false));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("?[2Jgone") && text.contains("two??"), "{text}");
    }

    #[test]
    fn programs_get_stable_names() {
        let lines = lines();
        let report = Report::new(&["router", "node"], &lines, Duration::from_millis(7));
        let json = serde_json::to_value(report).unwrap();
        assert_eq!(json["problems"], 1);
        assert_eq!(json["roles"], serde_json::json!(["router", "node"]));
        assert_eq!(json["checks"][0]["verdict"], "good");
        assert_eq!(json["checks"][1]["commands"][0], "ollama serve");
        assert!(json["checks"][0].get("cause").is_none());
    }
}
