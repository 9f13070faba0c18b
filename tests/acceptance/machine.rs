//! What a real agent tells of this very machine is what the test itself reads there: memory, processors, pressure, heat,
//! power, disk.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use herdwick_wire::machine::MachineFacts;
use herdwick_wire::nodes::MachineView;

use crate::support::{Machine, Node, Router, finished, nobody, until};

const MODEL: &[&str] = &["--model", "m:1b,resident,first_token=1ms,token=1ms,tokens=3"];
/// What a shared machine may use or give back between our look and the agent's.
const MOVED: u64 = 4 << 30;
/// How far a mean of the last ten seconds moves in the four that may lie between two looks at it: 1 − e^(−4/10).
const DRIFT: f64 = 0.34;

/// A router, and the agent of this machine in front of a server that keeps its models in `models`.
fn scene(models: &Path) -> (Router, Node, Machine) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let folder = |of: &str| models.join(of).to_str().expect("letters").to_owned();
    let variables = [("OLLAMA_MODELS", models.to_str().expect("letters"))];
    let node = Node::start_with("studio", "127.0.0.1:0", MODEL, &variables);
    let router = Router::start(
        &[format!("http://{}", nobody())],
        &["--listen", &at, "--state-dir", &folder("router")],
    );
    let backend = format!("ollama=http://{}", node.address);
    let agent = Machine::start(&[
        "--backend",
        &backend,
        "--name",
        "studio",
        "--state-dir",
        &folder("agent"),
        "--router",
        &at,
    ]);
    (router, node, agent)
}

fn show(router: &Router, options: &[&str]) -> Option<String> {
    let address = router.address.to_string();
    let told = finished(&[&["nodes", "show", "studio", "--router", &address], options].concat());
    (told.code == Some(0)).then_some(told.stdout)
}

fn view(router: &Router) -> Option<MachineView> {
    serde_json::from_str(&show(router, &["--json"])?).ok()
}

/// A line of `/proc/meminfo`, in bytes.
fn meminfo(name: &str) -> u64 {
    let told = fs::read_to_string("/proc/meminfo").expect("Linux has it");
    let line = told.lines().find(|line| line.starts_with(&format!("{name}:"))).expect("a line");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

/// The share of the last ten seconds in which some program waited.
fn waited(of: &str) -> Option<f64> {
    let told = fs::read_to_string(format!("/proc/pressure/{of}")).ok()?;
    let word = told.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
    word.parse().ok().map(|percent: f64| percent / 100.0)
}

fn agrees(told: Option<f64>, read: Option<f64>) -> bool {
    match (told, read) {
        (Some(told), Some(read)) => (told - read).abs() <= DRIFT,
        (None, None) => true,
        _ => false,
    }
}

#[test]
fn what_a_machine_says_of_itself_is_what_is_there() {
    let models = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("machine-{}", std::process::id()));
    fs::create_dir_all(&models).expect("a folder");
    let (router, _node, _agent) = scene(&models);
    let is_whole =
        |facts: &MachineFacts| facts.memory.is_some() && facts.host.is_some() && facts.disk.is_some();
    let (node, facts) = until("the machine tells all that it can", || {
        let node = view(&router)?;
        let facts = node.facts.clone().filter(is_whole)?;
        // As fresh as facts come, so that what we read now is what the agent read.
        let is_fresh = facts.pressure.as_ref().is_none_or(|it| it.age_ms < 2_000);
        (is_fresh && node.readings.iter().any(|it| it.name == "node.cpu-busy-ratio")).then_some((node, facts))
    });

    let memory = facts.memory.expect("it was there");
    assert_eq!(memory.installed.unwrap_or(memory.total), meminfo("MemTotal"));
    assert_eq!(memory.swap_total, meminfo("SwapTotal"));
    assert!(memory.available <= memory.total);
    if memory.installed.is_none() {
        assert!(memory.available.abs_diff(meminfo("MemAvailable")) < MOVED, "{memory:?}");
    }

    let host = facts.host.expect("it was there");
    let stat = fs::read_to_string("/proc/stat").expect("Linux has it");
    let threads = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    assert!(host.cpus >= 1 && host.cpus as usize <= threads, "{host:?}");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
    assert_eq!(host.system, format!("Linux {}", release.trim()));

    let pressure = facts.pressure.unwrap_or_default();
    for (of, told) in [("memory", pressure.memory_some), ("cpu", pressure.cpu_some), ("io", pressure.io_some)]
    {
        let read = waited(of);
        assert!(agrees(told, read), "{of}: told {told:?}, read {read:?}");
    }

    let has = |path: &str| Path::new(path).exists();
    assert_eq!(facts.power.is_some(), has("/sys/class/power_supply"));
    for sensor in facts.heat.iter().flat_map(|heat| &heat.sensors) {
        assert!(has("/sys/class/thermal") || has("/sys/class/hwmon"), "nobody could tell {sensor:?}");
    }

    let disk = facts.disk.expect("it was there");
    assert_eq!(Path::new(&disk.path), models);
    let df = Command::new("df").args(["-B1", "--output=size,avail", &disk.path]).output().expect("df");
    let df = String::from_utf8(df.stdout).expect("text");
    let numbers: Vec<u64> = df.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(disk.total, numbers[0]);
    assert!(disk.free.abs_diff(numbers[1]) < MOVED, "{disk:?} {df}");

    let read = |name: &str| node.readings.iter().find(|it| it.name == name).map(|it| it.value);
    let has_card = facts.cards.is_some_and(|told| told.cards.iter().any(|card| !card.shares_memory));
    if !has_card {
        assert_eq!(read("mem.total-bytes"), Some(memory.total as f64));
        assert_eq!(read("mem.system-total-bytes"), Some(memory.total as f64));
    }
    assert_eq!(read("node.battery-flag").is_some(), has("/sys/class/power_supply"));
    let level = read("mem.pressure-level").expect("it is known wherever memory is");
    assert!((0.0..=3.0).contains(&level));
    let busy = read("node.cpu-busy-ratio").expect("it was there");
    assert!((0.0..=1.0).contains(&busy));

    let page = show(&router, &[]).expect("the machine is shown");
    let total = format!(" of {:.1} GB free", memory.total as f64 / 1e9);
    for told in [total.as_str(), "\ncpu ", "\ndisk ", " ago)", "\nsystem     Linux "] {
        assert!(page.contains(told), "{told:?} is not in\n{page}");
    }
    let _ = fs::remove_dir_all(&models);
}
