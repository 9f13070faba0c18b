//! Runs one golden case of a health plugin and says what differs.
//! Must not know: files; the case has been read.

pub(super) mod file;
pub(super) mod hostile;

use std::fmt::Write as _;

use crate::Health;
use crate::health::{Check, Fact, Finding, HealthRunner};
use file::{Case, Expected};

/// What is wrong with the judgement of `H` in this case.
pub(super) fn problems<H: Health>(case: &Case) -> Vec<String> {
    let mut runner = HealthRunner::<H>::new();
    if let Err(problems) = runner.configure(case.settings()) {
        return problems;
    }
    let facts = case.facts();
    let unasked = unasked(&facts, &runner.checks());
    if !unasked.is_empty() {
        return unasked;
    }
    let findings = runner.judge(&facts, &case.replies());
    let is_right = findings.len() == case.findings.len()
        && findings
            .iter()
            .zip(&case.findings)
            .all(|(found, expected)| differences(expected, found).is_empty());
    if is_right { Vec::new() } else { vec![report(case, &findings)] }
}

/// Facts that the case gives and no check asks for.
fn unasked(facts: &[Fact], checks: &[Check]) -> Vec<String> {
    let is_asked = |fact: &&Fact| checks.iter().any(|check| check.facts.contains(&fact.name));
    let mut names: Vec<&str> =
        facts.iter().filter(|fact| !is_asked(fact)).map(|fact| fact.name.as_str()).collect();
    names.dedup();
    names.iter().map(|name| format!("`{name}` is not among the facts of any check")).collect()
}

/// In what a finding is not as expected; keys that the case does not name are not compared.
fn differences(expected: &Expected, found: &Finding) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |key: &str, wanted: Option<String>, found: String| {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            differences.push(format!("{key}: expected {wanted}, found {found}"));
        }
    };
    compare("check", Some(expected.check.clone()), found.check.clone());
    compare(
        "severity",
        Some(expected.severity.name().to_owned()),
        file::Severity::of(found.severity).name().to_owned(),
    );
    compare("subject", Some(expected.subject.clone()), found.subject.clone());
    compare("title", expected.title.clone(), found.title.clone());
    compare("detail", expected.detail.clone(), found.detail.clone());
    compare("advice", expected.advice.clone(), found.advice.clone());
    compare("command", expected.command.clone(), found.command.clone().unwrap_or_default());
    let evidence = found.evidence.iter().map(|fact| format!("{} {}", fact.subject, fact.name));
    compare(
        "evidence",
        expected.evidence.as_ref().map(|names| names.join(", ")),
        evidence.collect::<Vec<_>>().join(", "),
    );
    compare(
        "visible_after_s",
        expected.visible_after_s.map(|s| s.to_string()),
        found.visible_after_s.to_string(),
    );
    compare(
        "out_of_rotation",
        expected.out_of_rotation.map(|out| out.to_string()),
        found.out_of_rotation.to_string(),
    );
    differences
}

/// Every finding with what was expected in its place.
fn report(case: &Case, findings: &[Finding]) -> String {
    let mut text = case.what.clone();
    for place in 0..findings.len().max(case.findings.len()) {
        // Writing to a String cannot fail.
        let _ = match (case.findings.get(place), findings.get(place)) {
            (Some(expected), Some(found)) => {
                let differences = differences(expected, found);
                let mark = if differences.is_empty() { ' ' } else { '!' };
                let lines: String = differences.iter().map(|line| format!("\n    {line}")).collect();
                write!(text, "\n{mark} {} of {}{lines}", found.check, found.subject)
            }
            (Some(expected), None) => {
                write!(text, "\n! not found: {} of {}", expected.check, expected.subject)
            }
            (None, Some(found)) => {
                write!(text, "\n! not expected: {} of {}: {}", found.check, found.subject, found.title)
            }
            (None, None) => Ok(()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Reply, Severity};
    use crate::{Settings, Value};

    /// Finds each subject whose fact `silent` is true, and each reply that is not 200.
    struct Silent;

    impl Health for Silent {
        fn new(settings: &mut Settings) -> Silent {
            settings.flag("strict", false);
            Silent
        }

        fn checks(&self) -> Vec<Check> {
            vec![Check { id: "silent".into(), summary: "s".into(), facts: vec!["silent".into()] }]
        }

        fn judge(&self, facts: &[Fact], replies: &[Reply]) -> Vec<Finding> {
            let finding = |subject: String, evidence: Vec<Fact>| Finding {
                check: "silent".into(),
                severity: Severity::Warning,
                title: format!("{subject} is silent"),
                subject,
                detail: "d".into(),
                advice: "a".into(),
                command: None,
                evidence,
                visible_after_s: 30,
                out_of_rotation: false,
            };
            let silent = facts.iter().filter(|fact| fact.value == Value::Flag(true));
            let mut findings: Vec<Finding> =
                silent.map(|fact| finding(fact.subject.clone(), vec![fact.clone()])).collect();
            let broken = replies.iter().filter(|reply| reply.status != Some(200));
            findings.extend(broken.map(|reply| finding(format!("backend:{}", reply.slot), Vec::new())));
            findings
        }
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(problems::<Silent>(&Case::parse(text).unwrap()), expected, "{text}");
    }

    const FACT: &str = "[[facts]]\nsubject = 'node:a'\nname = 'silent'\nvalue = true\n";
    const FOUND: &str = "[[findings]]\ncheck = 'silent'\nseverity = 'warning'\nsubject = 'node:a'\n";

    #[test]
    fn a_case_that_holds_has_no_problems() {
        check("what = 'w'", &[]);
        check(
            &format!(
                "what = 'w'\n{FACT}{FOUND}title = 'node:a is silent'\ncommand = ''\n\
                 evidence = ['node:a silent']\nvisible_after_s = 30\nout_of_rotation = false"
            ),
            &[],
        );
        check("what = 'w'\n[[replies]]\nslot = 3\npath = '/'\nstatus = 200\nbody = 'x'", &[]);
        check(
            "what = 'w'\n[[replies]]\nslot = 3\npath = '/'\n\
             [[findings]]\ncheck = 'silent'\nseverity = 'warning'\nsubject = 'backend:3'",
            &[],
        );
    }

    #[test]
    fn findings_that_differ_lack_or_surprise_are_named() {
        check(
            &format!("what = 'w'\n{FACT}{}title = 'x'", FOUND.replace("warning", "critical")),
            &["w\n! silent of node:a\n    severity: expected critical, found warning\n    \
               title: expected x, found node:a is silent"],
        );
        check(&format!("what = 'w'\n{FOUND}"), &["w\n! not found: silent of node:a"]);
        check(&format!("what = 'w'\n{FACT}"), &["w\n! not expected: silent of node:a: node:a is silent"]);
    }

    #[test]
    fn facts_and_settings_the_plugin_does_not_know_are_problems() {
        check(
            &format!("what = 'w'\n{}", FACT.replace("silent", "silnet")),
            &["`silnet` is not among the facts of any check"],
        );
        check(
            "what = 'w'\n[settings]\nstrikt = true",
            &["`strikt` is not a setting; the nearest is `strict`"],
        );
    }
}
