//! The binary under test as processes: a router, a simulated node, a command that ends by itself.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::http::get;
use super::{PATIENCE, until};

/// State folders of processes that were given no other.
const STATES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/states");
/// Where a process finds what must survive.
const STATE_DIR: &str = "HERDWICK_STATE_DIR";

/// The binary without anything that whoever runs the tests configured for themselves, and with a state folder of its
/// own, since two routers cannot share one.
fn herdwick(args: &[&str]) -> Command {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdwick"));
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("HERDWICK_")) {
        command.env_remove(name);
    }
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let state = Path::new(STATES).join(format!("{}-{number}", std::process::id()));
    command.args(args).stdin(Stdio::null()).env("HERDWICK_CONFIG_DIR", env!("CARGO_TARGET_TMPDIR"));
    // Tests say nothing to the network that they run in, and hear nothing of it.
    command.env("HERDWICK_DISCOVERY__MDNS", "false");
    command.env(STATE_DIR, state);
    command
}

/// The same command in a shell that did this before.
#[cfg(unix)]
fn after(before: &str, inner: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(inner.get_program());
    command.args(inner.get_args()).stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A state folder that nobody asked for, gone with its process.
struct State(Option<PathBuf>);

impl State {
    fn of(command: &Command) -> Self {
        let mut variables = command.get_envs();
        let folder = variables.find(|(name, _)| *name == STATE_DIR).and_then(|(_, folder)| folder);
        Self(folder.map(PathBuf::from).filter(|folder| folder.starts_with(STATES)))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Most processes make none.
        let _ = self.0.as_ref().map(std::fs::remove_dir_all);
    }
}

/// A process that is killed with its test.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Let go of after the process.
    _state: State,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        Self::of(herdwick(args).stderr(Stdio::null()))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("its output is ours");
        Self { child, lines: lines(stdout), _state: State::of(command) }
    }

    /// The first line that contains `mark`.
    fn line(&self, mark: &str) -> String {
        first_with(&self.lines, mark)
    }
}

impl Running {
    /// Returns its exit code once it has ended.
    fn ended(mut self) -> Option<i32> {
        until("it ends", || self.child.try_wait().expect("it can be waited for")).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_with(lines: &mpsc::Receiver<String>, mark: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no line with {mark:?} came"));
        if line.contains(mark) {
            return line;
        }
    }
}

fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// The address in a line that has one.
fn address(line: &str) -> SocketAddr {
    let after = line.split("http://").nth(1).unwrap_or_else(|| panic!("no address in {line:?}"));
    let text: String = after.chars().take_while(|c| !c.is_whitespace() && *c != '/').collect();
    text.parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
}

/// A simulated model server in a process of its own.
pub(crate) struct Node {
    running: Running,
    name: String,
    pub(crate) address: SocketAddr,
}

impl Node {
    /// `options` are those of `herdwick fakenode`.
    pub(crate) fn start(name: &str, options: &[&str]) -> Self {
        Self::start_on(name, "127.0.0.1:0", options)
    }

    pub(crate) fn start_on(name: &str, listen: &str, options: &[&str]) -> Self {
        Self::start_with(name, listen, options, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_with(name: &str, listen: &str, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let args: Vec<&str> = ["fakenode", "--name", name, "--listen", listen]
            .into_iter()
            .chain(options.iter().copied())
            .collect();
        let mut command = herdwick(&args);
        let running = Running::of(command.stderr(Stdio::null()).envs(variables.iter().copied()));
        let address = address(&running.line("listening on"));
        Self { running, name: name.to_owned(), address }
    }

    /// As `--node` takes it.
    pub(crate) fn spec(&self, slots: u32) -> String {
        format!("{}=http://{},slots={slots}", self.name, self.address)
    }

    /// Queues behaviours for the coming requests: the control port's JSON.
    pub(crate) fn script(&self, verbs: &str) {
        let reply = super::http::post(self.address, "/_ctl", &format!(r#"{{"verbs":{verbs}}}"#));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Returns when the node says so: `running=1`, `closed=1`, `requests=2`, `idle=1`…
    pub(crate) fn wait(&self, condition: &str) {
        let reply = get(self.address, &format!("/_wait?{condition}&timeout_ms={}", PATIENCE.as_millis()));
        assert_eq!(reply.status, 200, "{} never saw {condition}: {}", self.name, reply.text());
    }

    /// Everything that it was asked.
    pub(crate) fn log(&self) -> serde_json::Value {
        serde_json::from_str(&get(self.address, "/_log").text()).expect("its log is JSON")
    }

    /// Inference requests that it was asked.
    pub(crate) fn asked(&self) -> usize {
        let log = self.log();
        let is_inference = |entry: &&serde_json::Value| entry["method"] == "POST";
        log.as_array().expect("its log is a list").iter().filter(is_inference).count()
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Kills the process at once: its sockets are reset by the system.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("it can be killed");
        self.running.child.wait().expect("it ends");
    }
}

/// The router in a process of its own.
pub(crate) struct Router {
    running: Running,
    pub(crate) address: SocketAddr,
    /// The line of the banner that says where and for whom.
    pub(crate) listening: String,
    /// The line of the banner with a command to try.
    pub(crate) example: Option<String>,
}

impl Router {
    /// A router in front of `nodes`, given as `--node` takes them.
    pub(crate) fn start(nodes: &[String], options: &[&str]) -> Self {
        Self::of(Running::start(&Self::args(nodes, options)))
    }

    /// The same with these variables in its environment, and with its log.
    pub(crate) fn start_logged(
        nodes: &[String],
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> (Self, Log) {
        let mut command = herdwick(&Self::args(nodes, options));
        let mut running = Running::of(command.envs(variables.iter().copied()).stderr(Stdio::piped()));
        let log = Log { lines: lines(running.child.stderr.take().expect("its log is ours")) };
        (Self::of(running), log)
    }

    /// The same in a shell that did this before.
    #[cfg(unix)]
    pub(crate) fn start_after(before: &str, nodes: &[String]) -> Self {
        Self::of(Running::of(after(before, &herdwick(&Self::args(nodes, &[]))).stderr(Stdio::null())))
    }

    fn args<'a>(nodes: &'a [String], options: &[&'a str]) -> Vec<&'a str> {
        let nodes = nodes.iter().flat_map(|node| ["--node", node.as_str()]);
        // A test may say where, and then this is left out: a flag counts once.
        let listen = if options.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let listen = listen.iter().copied();
        ["serve"].into_iter().chain(listen).chain(nodes).chain(options.iter().copied()).collect()
    }

    fn of(running: Running) -> Self {
        let listening = running.line("listening");
        running.line("signals");
        let example = running.lines.recv_timeout(PATIENCE).ok().filter(|line| line.contains("curl"));
        Self { running, address: address(&listening), listening, example }
    }

    /// Returns when the router knows `model` on some node.
    pub(crate) fn knows(self, model: &str) -> Self {
        until(&format!("the router knows {model}"), || {
            get(self.address, "/api/tags").text().contains(&format!("\"{model}\"")).then_some(())
        });
        self
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Kills the process at once.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("it can be killed");
        self.running.child.wait().expect("it ends");
    }

    /// Returns its exit code once it has ended.
    pub(crate) fn ended(self) -> Option<i32> {
        self.running.ended()
    }
}

/// The agent of a machine, `herdwick node`, in a process of its own, with its log.
pub(crate) struct Machine {
    running: Running,
    pub(crate) log: Log,
}

impl Machine {
    /// `options` are those of `herdwick node`; it looks for no model server that they do not name.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// With these variables as well.
    pub(crate) fn start_with(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let args: Vec<&str> = ["node"].into_iter().chain(options.iter().copied()).collect();
        let mut command = herdwick(&args);
        let mut running = Running::of(command.envs(variables.iter().copied()).stderr(Stdio::piped()));
        let log = Log { lines: lines(running.child.stderr.take().expect("its log is ours")) };
        Self { running, log }
    }

    /// The first line of its banner that contains `mark`.
    pub(crate) fn line(&self, mark: &str) -> String {
        self.running.line(mark)
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Kills the process at once.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("it can be killed");
        self.running.child.wait().expect("it ends");
    }

    /// Returns its exit code once it has ended.
    pub(crate) fn ended(self) -> Option<i32> {
        self.running.ended()
    }
}

/// A command that goes on until it is told to end.
pub(crate) struct Watched {
    running: Running,
}

impl Watched {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self { running: Running::start(args) }
    }

    /// The next line that contains `mark`.
    pub(crate) fn line(&self, mark: &str) -> String {
        self.running.line(mark)
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Returns its exit code once it has ended.
    pub(crate) fn ended(self) -> Option<i32> {
        self.running.ended()
    }
}

/// The log of a router, line by line as JSON.
pub(crate) struct Log {
    lines: mpsc::Receiver<String>,
}

impl Log {
    /// The fields of the next line about a request.
    pub(crate) fn request(&self) -> serde_json::Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line about a request comes");
            let line: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
            if line["target"] == "herdwick::request" {
                return line["fields"].clone();
            }
        }
    }

    /// The first line that contains `mark`.
    pub(crate) fn line(&self, mark: &str) -> String {
        first_with(&self.lines, mark)
    }

    /// Everything that is still to come, for a router that ends.
    pub(crate) fn rest(self) -> Vec<String> {
        self.lines.iter().collect()
    }
}

/// A command that ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that must end by itself.
pub(crate) fn finished(args: &[&str]) -> Finished {
    finished_with(args, &[])
}

/// Runs a command that must end by itself, with these variables in its environment.
pub(crate) fn finished_with(args: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = herdwick(args);
    ended(command.envs(variables.iter().copied()))
}

/// The same in a shell that did this before.
#[cfg(unix)]
pub(crate) fn finished_after(before: &str, args: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut inner = herdwick(args);
    ended(&mut after(before, inner.envs(variables.iter().copied())))
}

fn ended(command: &mut Command) -> Finished {
    let _state = State::of(command);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // Read meanwhile: whoever says more than a pipe holds would wait for a reader, and never end.
    let stdout = everything(child.stdout.take().expect("its output is ours"));
    let stderr = everything(child.stderr.take().expect("its output is ours"));
    let code = until(&format!("{command:?} ends"), || child.try_wait().expect("it can be waited for")).code();
    let text = |pipe: JoinHandle<String>| pipe.join().expect("it is text");
    Finished { code, stdout: text(stdout), stderr: text(stderr) }
}

/// Reads to the end.
fn everything(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("it is text");
        text
    })
}

/// An address on which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}
