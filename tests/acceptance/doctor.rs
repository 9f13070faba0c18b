//! `herdwick doctor` in set-ups that the test broke: it names the cause, and what to type. Nothing here leaves the
//! machine (`--local`).

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{Finished, Node, Router, finished, finished_with, nobody};

/// All of it may take so long.
const WHOLE: Duration = Duration::from_secs(3);

/// A machine of the test's own: folders, addresses, and what stands in its environment.
struct Machine {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Machine {
    /// In order: nothing is set up, nothing is broken but what a test breaks.
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}"));
        // It may be there from the time before.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let text = |path: &str| folder.join(path).display().to_string();
        let variables = [
            ("HERDWICK_CONFIG_DIR", folder.display().to_string()),
            ("HERDWICK_STATE_DIR", text("state")),
            ("HERDWICK_CACHE_DIR", text("cache")),
            ("HERDWICK_LISTEN", nobody().to_string()),
            ("OLLAMA_HOST", String::new()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        // What whoever runs the tests needs to reach the world says nothing of this machine.
        let proxies = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
        let proxies = proxies.map(|name| (name.to_owned(), String::new()));
        Self { folder, variables: variables.into_iter().chain(proxies).collect() }
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.retain(|(have, _)| have != name);
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// What the doctor says, which must be in time.
    fn examined(&self, args: &[&str]) -> Finished {
        let args: Vec<&str> = ["doctor", "--local"].into_iter().chain(args.iter().copied()).collect();
        let began = Instant::now();
        let told = finished_with(&args, &self.variables());
        assert!(began.elapsed() < WHOLE, "{:?}", began.elapsed());
        assert_eq!(told.stderr, "");
        told
    }

    /// The doctor finds something broken, and of `check` it says all of `told` in the lines that belong to it.
    fn is_told(&self, args: &[&str], check: &str, told: &[&str]) {
        tells(&self.examined(args), check, told);
    }
}

fn tells(examined: &Finished, check: &str, told: &[&str]) {
    let text = &examined.stdout;
    assert_eq!(examined.code, Some(1), "{text}");
    assert!(text.is_ascii(), "a pipe gets plain text: {text}");
    let said = lines_of(text, &format!("X  {check} "));
    for told in told {
        assert!(said.contains(told), "{told:?} is not said of {check}: {said}\nin {text}");
    }
}

/// The lines of one check, as one line.
fn lines_of(text: &str, mark: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(mark));
    let first = lines.next().unwrap_or_else(|| panic!("no line begins with {mark:?}: {text}"));
    let rest = lines.take_while(|line| line.starts_with("   ")).map(str::trim);
    [first]
        .into_iter()
        .chain(rest)
        .collect::<Vec<_>>()
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program that listens and is none of ours.
fn stranger() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// An Ollama, new enough, on loopback only.
fn ollama() -> Node {
    Node::start("ollama", &["--model", "m:1b", "--ollama-version", "0.30.4"])
}

#[test]
fn a_machine_in_order_is_told_so() {
    let node = ollama();
    let machine = Machine::new("order").with("OLLAMA_HOST", node.address);
    let told = machine.examined(&[]);
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(told.stdout.contains("nothing is wrong"), "{}", told.stdout);
    assert!(told.stdout.contains(&format!("ok ollama         version 0.30.4 answers at {}", node.address)));
    assert!(!machine.folder.join("state").exists(), "a look changes nothing");
}

#[test]
fn a_port_that_another_program_holds_is_named_with_the_program() {
    let (_listener, address) = stranger();
    let machine = Machine::new("port").with("HERDWICK_LISTEN", address);
    let us = if cfg!(target_os = "linux") { format!("(pid {})", std::process::id()) } else { String::new() };
    machine.is_told(
        &[],
        "port",
        &[&format!("{address} is held by"), &us, "it is no herdwick", "fix", "herdwick --listen 127.0.0.1:"],
    );
}

#[test]
fn a_missing_ollama_is_told() {
    let silent = nobody();
    let machine = Machine::new("ollama").with("OLLAMA_HOST", silent);
    machine.is_told(
        &[],
        "ollama",
        &[&format!("no Ollama answers at {silent}"), "nothing listens there", "fix"],
    );
}

#[test]
fn an_ollama_on_loopback_only_is_told_with_what_helps() {
    let (node, other) = (ollama(), Node::start("other", &["--model", "m:1b"]));
    // This machine's router has another machine; of its own Ollama nobody knows.
    let machine = Machine::new("loopback").with("OLLAMA_HOST", node.address);
    let machine = machine.with("HERDWICK_NODES", format!("other=http://{}", other.address));
    let told = machine.examined(&[]);
    let door = "!  ollama's door";
    if told.stdout.contains("ok ollama's door  this machine has no address") {
        // Without a network there is nobody whom it could keep out.
        return;
    }
    let said = lines_of(&told.stdout, door);
    for part in [
        "it listens on loopback only",
        "another machine cannot send it anything",
        "herdwick node",
        "OLLAMA_HOST",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_state_folder_that_is_none_is_told() {
    let machine = Machine::new("state");
    // Root may write everywhere, and nobody into a file as if it were a folder.
    let file = machine.folder.join("file");
    std::fs::write(&file, "").expect("a file can be written");
    let machine = machine.with("HERDWICK_STATE_DIR", file.join("state").display());
    machine.is_told(
        &[],
        "state folder",
        &["cannot be used", &format!("{} is there and is no folder", file.display()), "fix", "--state-dir"],
    );
}

#[test]
#[cfg(unix)]
fn a_key_that_others_may_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new("key");
    let key = machine.folder.join("state/router.key");
    std::fs::create_dir(machine.folder.join("state")).expect("a folder can be made");
    std::fs::write(&key, [7; 32]).expect("a file can be written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("our own file");
    machine.is_told(
        &[],
        "state folder",
        &["may be read by others (mode 644)", &format!("chmod 600 {}", key.display())],
    );
}

#[test]
fn an_ollama_host_that_leads_nowhere_is_told() {
    let silent = nobody();
    let machine = Machine::new("shell").with("OLLAMA_HOST", silent);
    machine.is_told(
        &[],
        "OLLAMA_HOST",
        &[&format!("OLLAMA_HOST is \"{silent}\""), "nothing listens there", "unset OLLAMA_HOST"],
    );
    machine.with("OLLAMA_HOST", "http://a b").is_told(&[], "OLLAMA_HOST", &["is no host name", "fix"]);
}

#[test]
fn mistakes_in_the_configuration_are_all_told() {
    let machine = Machine::new("config").with("HERDWICK_LIMITS__BODY", "much");
    std::fs::write(machine.folder.join("herdwick.toml"), "lisen = \"0.0.0.0:1\"\n")
        .expect("a file can be written");
    machine.is_told(
        &[],
        "configuration",
        &["2 mistakes", "herdwick.toml:1:1", "listen", "HERDWICK_LIMITS__BODY", "herdwick config check"],
    );
}

#[test]
fn another_program_in_the_routers_place_is_told() {
    let node = ollama();
    let machine = Machine::new("another").with("HERDWICK_LISTEN", node.address);
    machine.is_told(&[], "port", &["it is an Ollama", "herdwick --listen"]);
    let address = node.address.to_string();
    let machine = Machine::new("another-named");
    machine.is_told(
        &["--router", &address],
        "router",
        &[&format!("another program answers at {address}"), "fix"],
    );
}

#[test]
fn a_named_router_that_does_not_answer_is_told() {
    let silent = nobody().to_string();
    let machine = Machine::new("router");
    machine.is_told(
        &["--router", &silent],
        "router",
        &[&format!("no router answers at {silent}"), "nothing listens there"],
    );
    // It takes connections and says nothing.
    let (_listener, address) = stranger();
    machine.is_told(&["--router", &address.to_string()], "router", &["says nothing within"]);
}

#[test]
#[cfg(unix)]
fn a_file_limit_that_is_too_low_is_told() {
    let machine = Machine::new("files");
    let told = crate::support::finished_after("ulimit -n 128", &["doctor", "--local"], &machine.variables());
    tells(&told, "open files", &["128 may be open", "enough for 48 of 10,000 clients", "ulimit -n 65536"]);
}

#[test]
fn with_a_router_its_own_view_counts_as_well() {
    let (node, silent) = (Node::start("studio", &["--model", "m:1b"]), nobody());
    let router = Router::start(&[node.spec(1), format!("gone=http://{silent}")], &[]).knows("m:1b");
    let machine = Machine::new("both").with("HERDWICK_LISTEN", router.address);
    let told = machine.examined(&[]);
    assert!(told.stdout.contains("this machine is a router"), "{}", told.stdout);
    let said = lines_of(&told.stdout, "ok router ");
    assert!(said.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))), "{said}");
    lines_of(&told.stdout, "ok clock ");
    let said = lines_of(&told.stdout, "ok node studio ");
    assert!(said.contains("the router sees it too"), "{said}");
    tells(
        &told,
        "node gone",
        &[&format!("no answer at {silent}"), "nothing listens at that address", "herdwick node"],
    );
}

#[test]
fn programs_get_a_document() {
    let machine = Machine::new("json").with("OLLAMA_HOST", nobody());
    let told = machine.examined(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    assert_eq!(told.code, Some(1));
    let checks = report["checks"].as_array().expect("a list");
    let ollama = checks.iter().find(|line| line["check"] == "ollama").expect("it was looked at");
    assert_eq!(ollama["verdict"], "problem");
    let problems = checks.iter().filter(|line| line["verdict"] == "problem").count();
    assert_eq!(report["problems"], problems);
}

#[test]
fn a_doctor_that_cannot_look_says_so_with_another_code() {
    let told = finished(&["doctor", "--router", "a b"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""));
    assert!(told.stderr.contains("is no address") && told.stderr.contains("next: "), "{}", told.stderr);
}
