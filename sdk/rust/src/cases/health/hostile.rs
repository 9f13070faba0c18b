//! Facts that no case names: each one that is asked for, of every subject and with every kind of value.
//! Must not know: what the right findings are, only which shapes they may have.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cases::hostile::VALUES;
use crate::health::{Check, Fact, Finding, HealthRunner, Probe};
use crate::{Health, Value};

/// The contract's limits.
const CHECKS: usize = 64;
const PROBES: usize = 256;
const FINDINGS: usize = 1000;
/// What fits one line of a list of findings.
const TITLE_CHARS: usize = 120;

/// What a subject may smuggle into a command that somebody copies into a shell.
const SMUGGLED: &str = "x; rm -rf ~\nrm -rf ~ \u{1b}[2J $(rm -rf ~) `rm -rf ~` '\"";

/// What `H` does wrong with such facts, with its default settings.
pub(in crate::cases) fn problems<H: Health>() -> Vec<String> {
    let mut runner = HealthRunner::<H>::new();
    if let Err(problems) = runner.configure(Vec::new()) {
        return vec![format!("the defaults are refused: {}", problems.join("; "))];
    }
    let (checks, probes) = (runner.checks(), runner.plan());
    let mut problems = shape(&checks, &probes);
    let names: Vec<String> = checks.iter().flat_map(|check| check.facts.iter().cloned()).collect();
    for (what, facts) in situations(&names) {
        problems.extend(problem(&runner, &checks, &facts).map(|text| format!("{what}: {text}")));
    }
    problems
}

/// What is wrong with the lists that do not depend on facts.
fn shape(checks: &[Check], probes: &[Probe]) -> Vec<String> {
    let mut problems = Vec::new();
    if checks.is_empty() || checks.len() > CHECKS {
        problems.push(format!("{} checks; there must be 1 to {CHECKS}", checks.len()));
    }
    if probes.len() > PROBES {
        problems.push(format!("{} probes; at most {PROBES}", probes.len()));
    }
    for check in checks {
        if check.id.is_empty() || check.summary.is_empty() {
            problems.push(format!("the check `{}` has no id or no summary", check.id));
        }
        if checks.iter().filter(|other| other.id == check.id).count() > 1 {
            problems.push(format!("two checks are named `{}`", check.id));
        }
    }
    problems
}

/// No facts; each kind of value for all of them; facts that contradict each other; more subjects than findings fit.
fn situations(names: &[String]) -> Vec<(String, Vec<Fact>)> {
    let fact = |subject: &str, name: &String, value: &Value| Fact {
        subject: subject.to_owned(),
        name: name.clone(),
        value: value.clone(),
    };
    let smuggled = format!("node:{SMUGGLED}");
    let subjects = [
        "fleet",
        "router",
        "node:a",
        "node:b",
        "backend:a",
        "model:m",
        "plugin:p",
        "node:",
        ":",
        "",
        smuggled.as_str(),
    ];
    let texts = ["", "a", "1", SMUGGLED].map(|text| Value::Text(text.to_owned()));
    let lists = [vec![], vec!["a".to_owned()], vec![String::new(), SMUGGLED.to_owned()]].map(Value::Texts);
    let flags = [Value::Flag(false), Value::Flag(true)];
    let values: Vec<Value> =
        VALUES.map(Value::Number).into_iter().chain(texts).chain(lists).chain(flags.clone()).collect();

    let mut situations = vec![("no facts".to_owned(), Vec::new())];
    let of_all = |value: &Value| {
        subjects
            .iter()
            .flat_map(|subject| names.iter().map(|name| fact(subject, name, value)))
            .collect::<Vec<_>>()
    };
    for value in &values {
        situations.push((format!("all facts are {value:?}"), of_all(value)));
    }
    situations.push(("each fact twice, true and false".to_owned(), flags.iter().flat_map(&of_all).collect()));
    for value in &values {
        let many = (0..1500).flat_map(|node| names.iter().map(move |name| (format!("node:{node}"), name)));
        let facts = many.map(|(subject, name)| fact(&subject, name, value)).collect();
        situations.push((format!("all facts of 1500 nodes are {value:?}"), facts));
    }
    situations
}

/// The first thing wrong with one judgement.
fn problem<H: Health>(runner: &HealthRunner<H>, checks: &[Check], facts: &[Fact]) -> Option<String> {
    let judge = || (runner.judge(facts, &[]), runner.judge(facts, &[]));
    let Ok((findings, again)) = catch_unwind(AssertUnwindSafe(judge)) else {
        return Some("it panics, which ends the plugin's instance".to_owned());
    };
    // As text, since a NaN in the evidence differs from itself.
    if format!("{findings:?}") != format!("{again:?}") {
        return Some("two calls, two answers".to_owned());
    }
    if findings.len() > FINDINGS {
        return Some(format!("{} findings; at most {FINDINGS}", findings.len()));
    }
    findings.iter().find_map(|finding| flaw(finding, checks))
}

fn flaw(finding: &Finding, checks: &[Check]) -> Option<String> {
    let Finding { check, title, detail, advice, command, .. } = finding;
    let command = command.as_deref().unwrap_or_default();
    if checks.iter().all(|known| known.id != *check) {
        return Some(format!("a finding of `{check}`, which is no check"));
    }
    if title.is_empty() || detail.is_empty() || advice.is_empty() {
        return Some(format!("a finding of `{check}` without title, detail or advice"));
    }
    if title.chars().count() > TITLE_CHARS {
        return Some(format!("a title of more than {TITLE_CHARS} characters: {title}"));
    }
    if command.contains("rm -rf") || command.chars().any(char::is_control) {
        return Some(format!("a command that a node's name can change: {command}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::health::{Reply, Severity};

    /// Finds something in every fact, and misbehaves in the way that its parameter names.
    struct Bad<const HOW: u8>;

    impl<const HOW: u8> Health for Bad<HOW> {
        fn new(_settings: &mut Settings) -> Self {
            Bad
        }

        fn checks(&self) -> Vec<Check> {
            let check = Check { id: "a".into(), summary: "s".into(), facts: vec!["f".into()] };
            if HOW == b'2' { vec![check.clone(), check] } else { vec![check] }
        }

        fn judge(&self, facts: &[Fact], _replies: &[Reply]) -> Vec<Finding> {
            let limit = if HOW == b'm' { 5000 } else { 1000 };
            let finding = |fact: &Fact| Finding {
                check: if HOW == b'c' { "b".into() } else { "a".into() },
                severity: Severity::Info,
                subject: fact.subject.clone(),
                title: if HOW == b't' { "t".repeat(121) } else { "t".into() },
                detail: "d".into(),
                advice: if HOW == b'a' { String::new() } else { "a".into() },
                command: (HOW == b's').then(|| format!("ping {}", fact.subject)),
                evidence: vec![fact.clone()],
                visible_after_s: 0,
                out_of_rotation: false,
            };
            if HOW == b'p' {
                return vec![finding(&facts[0])];
            }
            facts.iter().take(limit).map(finding).collect()
        }
    }

    fn check<const HOW: u8>(first: &str) {
        let found = problems::<Bad<HOW>>();
        assert!(found.first().is_some_and(|problem| problem.contains(first)), "{found:?}");
    }

    #[test]
    fn a_plugin_that_behaves_has_no_problems() {
        assert_eq!(problems::<Bad<0>>(), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_misbehaviour_is_found() {
        check::<b'2'>("two checks are named `a`");
        check::<b'c'>("which is no check");
        check::<b't'>("a title of more than 120 characters");
        check::<b'a'>("without title, detail or advice");
        check::<b's'>("a command that a node's name can change");
        check::<b'm'>("1500 findings; at most 1000");
        check::<b'p'>("it panics");
    }
}
