//! Input that no case names: unknown, infinite and absurd readings for no, one, several and many candidates, and
//! facts of every kind about everything. Knows no right answer, only what an answer may look like.

use std::time::Duration;

use herdwick_plugin_host::Kind;
use herdwick_plugin_host::config::SettingValue;
use herdwick_plugin_host::instance_fallback::{Asked, Attempt, Failure, Step};
use herdwick_plugin_host::instance_health::Fact;
use herdwick_plugin_host::limits::{self, Budget};

use super::alone::{Alone, Answer, NO_WORDS, Question};

/// Numbers of candidates, or of subjects.
const ROWS: [usize; 4] = [0, 1, 8, 64];
/// A fleet of the usual size.
const USUAL_ROWS: usize = 8;
/// Calls whose median counts as the time of one.
const CALLS: usize = 5;

/// These fill all readings at once; then each reading gets another one of them.
const VALUES: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e18,
    -1e18,
    f64::MAX,
    f64::MIN_POSITIVE,
    0.5,
];

/// What a call of this kind may take.
pub(super) fn budget(kind: Kind) -> Budget {
    match kind {
        Kind::Signal => limits::COST,
        Kind::Fallback => limits::NEXT,
        Kind::Health => limits::JUDGE,
    }
}

/// The first thing that the plugin does wrong.
pub(super) fn problem(plugin: &mut Alone) -> Option<String> {
    for (told, question) in every(plugin) {
        let problem = match (plugin.ask(&question), plugin.ask(&question)) {
            (Err(fault), _) | (_, Err(fault)) => Some(fault),
            (Ok(first), Ok(second)) if first != second => Some("two calls, two answers".to_owned()),
            (Ok(answer), Ok(_)) => wrong(plugin, &question, &answer),
        };
        if let Some(problem) = problem {
            return Some(format!("{told}: {problem}"));
        }
    }
    None
}

/// What is wrong with an answer that the router itself would take.
fn wrong(plugin: &Alone, question: &Question, answer: &Answer) -> Option<String> {
    match (question, answer) {
        (Question::Cost(matrix), _) if plugin.explain(matrix, &NO_WORDS).is_none() => {
            Some("it does not explain itself, one phrase for each candidate".to_owned())
        }
        (Question::Next(asked), Answer::Step(Step::Retry(slot))) => {
            let width = plugin.asks.columns.len() + 1;
            let known = asked.rows.iter().step_by(width).any(|row| *row == f64::from(*slot));
            (!known).then(|| format!("it wants a retry of slot {slot}, which is no candidate"))
        }
        _ => None,
    }
}

/// The slowest call, and what it was asked.
pub(super) fn slowest(plugin: &mut Alone) -> (Duration, String) {
    let questions = every(plugin);
    let times = questions.into_iter().map(|(told, question)| (plugin.time(&question, CALLS), told));
    times.max().unwrap_or_default()
}

/// What a fleet of the usual size asks of it, in words too.
pub(super) fn usual(plugin: &mut Alone) -> (String, Question) {
    (format!("{USUAL_ROWS} {}", subjects(plugin)), question(plugin, USUAL_ROWS, &|_, _| 1.0))
}

fn subjects(plugin: &Alone) -> &'static str {
    match plugin.status.kind {
        Kind::Signal | Kind::Fallback => "candidates",
        Kind::Health => "nodes",
    }
}

fn every(plugin: &mut Alone) -> Vec<(String, Question)> {
    let mut questions = Vec::new();
    let subjects = subjects(plugin);
    for rows in ROWS {
        for value in VALUES {
            questions.push((
                format!("{rows} {subjects}, readings {value:?}"),
                question(plugin, rows, &|_, _| value),
            ));
        }
        // Each reading of a row another value, each row another beginning.
        let mixed = |row: usize, column: &str| {
            let at = column.bytes().fold(row * 7 + rows, |at, byte| at + usize::from(byte));
            VALUES.get(at % VALUES.len()).copied().unwrap_or(f64::NAN)
        };
        questions.push((format!("{rows} {subjects}, readings mixed"), question(plugin, rows, &mixed)));
    }
    questions
}

fn question(plugin: &mut Alone, rows: usize, reading: &dyn Fn(usize, &str) -> f64) -> Question {
    match plugin.status.kind {
        Kind::Signal => Question::Cost(plugin.matrix(rows, reading)),
        Kind::Fallback => {
            // The first candidate refused the connection, and one that is none any more failed before it.
            let attempt = |slot, why| Attempt { slot, why, status: None, took_ms: reading(0, "") };
            Question::Next(Asked {
                words: plugin.asks.words.iter().map(|_| String::new()).collect(),
                tried: vec![attempt(u32::MAX, Failure::Other), attempt(0, Failure::Connect)],
                eliminated: Vec::new(),
                rows: plugin.rows(rows, reading),
            })
        }
        Kind::Health => Question::Judge(facts(plugin, rows, reading)),
    }
}

/// Every fact that it asks for about each of `nodes` nodes, as a number and as everything else.
fn facts(plugin: &mut Alone, nodes: usize, reading: &dyn Fn(usize, &str) -> f64) -> Vec<Fact> {
    // One that cannot say its checks is asked without facts, and the fault shows when it judges.
    let checks = plugin.checks().unwrap_or_default();
    let names = || checks.iter().flat_map(|check| &check.facts);
    let of = |node: usize| {
        names().map(move |name| {
            let value = match node % 4 {
                0 | 1 => SettingValue::Number(reading(node, name)),
                2 => SettingValue::Flag(reading(node, name) > 0.0),
                _ => SettingValue::Texts(vec![reading(node, name).to_string(); 3]),
            };
            Fact { subject: format!("node:n{node}"), name: name.clone(), value }
        })
    };
    (0..nodes).flat_map(of).collect()
}
