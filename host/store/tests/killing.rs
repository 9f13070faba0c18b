//! Kills a process in the middle of writes, again and again: what it was told is written is there, each machine is
//! whole, and the file is sound. This program is both: the one that writes, when it is given a folder, and the one that
//! kills.

#![cfg(test)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use herdwick_fleet::{
    BackendKind, Estimate, Lesson, ModelName, NodeId, Origin, Quantity, Remembered, RememberedServer, Source,
    Subject,
};
use herdwick_store::{BenchRun, Learnt, Record, RunFigure, Store};
use rusqlite::Connection;

/// Processes that are killed; `TEST_SEEDS` makes it more or fewer.
const KILLS: u64 = 50;
/// A process lives up to this long after its first write.
const SPAN_US: u64 = 30_000;
/// Machines that are written in one breath.
const MACHINES: u64 = 8;
/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Names the folder for the one that writes.
const FOLDER: &str = "HERDWICK_STORE_KILLING";

fn main() {
    match std::env::var_os(FOLDER) {
        Some(folder) => write_for_ever(&PathBuf::from(folder)),
        None => kill_again_and_again(),
    }
}

/// Writes rounds from where the one before was killed, and says each that is written.
fn write_for_ever(folder: &Path) {
    let opened = Store::open(folder).expect("it opens after any kill");
    let first = opened.records.iter().filter_map(round_of).max().unwrap_or(0) + 1;
    for round in first.. {
        for machine in 0..MACHINES {
            if is_gone(machine, round) {
                opened.store.forget(id(machine));
            } else {
                opened.store.keep(node(machine, round));
            }
        }
        opened.store.add_run(run(round), [lesson(round)], []);
        let (tell, told) = mpsc::channel();
        opened.store.written(move |result| tell.send(result).expect("it waits"));
        told.recv().expect("an answer").expect("it is written");
        let mut out = std::io::stdout();
        writeln!(out, "{round}").and_then(|()| out.flush()).expect("somebody reads");
    }
}

fn kill_again_and_again() {
    let folder = std::env::temp_dir().join(format!("herdwick-store-{}-killing", std::process::id()));
    let kills = std::env::var("TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(KILLS);
    let mut last = 0;
    for seed in 1..=kills {
        let said = kill_one(&folder, seed);
        assert!(said > last, "seed {seed}: round {said} was said after {last} was there");
        last = check(&folder, seed, said);
    }
    println!("{kills} kills, {last} rounds of {MACHINES} machines, nothing lost");
    std::fs::remove_dir_all(&folder).expect("our own folder");
}

/// Starts one, kills it at an instant of the seed's choice, and returns the last round that it said.
fn kill_one(folder: &Path, seed: u64) -> u64 {
    let program = std::env::current_exe().expect("we are a program");
    let mut child = Command::new(program)
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let stdout = child.stdout.take().expect("its output is ours");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A line that the kill cut off is no number, and was not said.
            if let Ok(round) = line.parse::<u64>() {
                let _ = tell.send(round);
            }
        }
    });
    let first = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("seed {seed}: it writes nothing"));
    // A multiplication by a large odd number spreads the seeds over the whole range.
    let spread = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    // sleeps because the instant of the kill is what the seed chooses
    std::thread::park_timeout(Duration::from_micros(spread % SPAN_US));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    told.iter().last().unwrap_or(first)
}

/// Whether everything is as it was said; returns the last round that is there.
fn check(folder: &Path, seed: u64, said: u64) -> u64 {
    let file = folder.join("state.db");
    let sound: String = Connection::open(&file)
        .and_then(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(sound, "ok", "seed {seed}");
    let opened = Store::open(folder).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(opened.warning, None, "seed {seed}");
    let mut rounds: BTreeMap<NodeId, u64> = BTreeMap::new();
    for record in &opened.records {
        let round = round_of(record).unwrap_or_else(|| panic!("seed {seed}: half a machine: {record:?}"));
        rounds.insert(record.node.node, round);
    }
    for machine in 0..MACHINES {
        let there = rounds.get(&id(machine)).copied();
        // The round after the last that was said had perhaps begun, and is written machine by machine.
        let possible = [after(machine, said), after(machine, said + 1)];
        assert!(
            possible.contains(&there),
            "seed {seed}: machine {machine} is of {there:?}, not {possible:?}"
        );
    }
    check_run(&opened.learnt, seed, said);
    rounds.values().copied().max().unwrap_or(said)
}

/// A run is there with all that it measured and what it taught, or not at all.
fn check_run(learnt: &Learnt, seed: u64, said: u64) {
    let last = learnt.runs.first().unwrap_or_else(|| panic!("seed {seed}: no run, and {said} was said"));
    let round: u64 = last.id.trim_start_matches('0').parse().expect("a round");
    assert!(round == said || round == said + 1, "seed {seed}: the last run is {round} after {said}");
    assert_eq!(*last, run(round), "seed {seed}: half a run");
    let taught: Vec<_> = learnt.lessons.iter().map(|lesson| lesson.estimate.mean).collect();
    assert_eq!(taught, [round as f64], "seed {seed}: what it taught is of another round");
}

/// What is remembered of a machine after a round.
fn after(machine: u64, round: u64) -> Option<u64> {
    (!is_gone(machine, round)).then_some(round)
}

/// Every third round one of them is forgotten.
fn is_gone(machine: u64, round: u64) -> bool {
    round.is_multiple_of(3) && machine == round % MACHINES
}

fn id(machine: u64) -> NodeId {
    NodeId::from_origin(&machine.to_string())
}

/// A machine whose every part says which round it is of.
fn node(machine: u64, round: u64) -> Remembered {
    let port = u16::try_from(round % 60_000 + 1).expect("a port");
    let origin = Origin { host: "10.0.0.5".to_owned(), port };
    Remembered {
        node: id(machine),
        name: format!("round{round}"),
        is_renamed: false,
        source: Source::Added,
        agent: None,
        servers: vec![RememberedServer { port, kind: BackendKind::Ollama, origin, slots: None }],
        labels: BTreeMap::from([("round".to_owned(), round.to_string())]),
        drained: round.is_multiple_of(2),
        pins: Default::default(),
    }
}

/// What a round measured.
fn run(round: u64) -> BenchRun {
    let figure = |place: u32| RunFigure {
        quantity: format!("decode{place}"),
        streams: place,
        measured: round as f64,
        before: None,
        after: None,
    };
    BenchRun {
        id: format!("{round:09}"),
        ended: UNIX_EPOCH + Duration::from_secs(round),
        node: id(0),
        name: "n".to_owned(),
        model: "m:latest".to_owned(),
        is_quick: false,
        figures: (0..4).map(figure).collect(),
    }
}

/// What it taught.
fn lesson(round: u64) -> Lesson {
    let model = ModelName::parse("m").expect("a name");
    let estimate = Estimate { mean: round as f64, variance: 0.0, samples: 1, age: Duration::ZERO };
    Lesson { of: Subject::Model { model }, what: Quantity::AnswerTokens, estimate }
}

/// The round that all parts of a machine agree on.
fn round_of(found: &Record) -> Option<u64> {
    let round: u64 = found.node.labels.get("round")?.parse().ok()?;
    let machine = (0..MACHINES).find(|machine| id(*machine) == found.node.node)?;
    (found.node == node(machine, round)).then_some(round)
}
