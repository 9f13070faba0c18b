//! What clients can ask: the backends themselves, nginx in front of them, a router in front of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::cpu::{Cpu, spawn_on};
use crate::process::Process;
use crate::scratch::Scratch;
use crate::starting;

/// Requests that one backend takes at once: more than there are clients, so that nobody waits in the router, as nobody
/// does in nginx.
const SLOTS: usize = 256;
/// What takes longer to be there will not be.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Something to ask.
#[derive(Debug)]
pub struct System {
    /// What tables call it.
    pub name: String,
    /// Where to ask.
    pub targets: Vec<SocketAddr>,
    /// Nothing when it is the backends, which cost what they cost.
    pub process: Option<Process>,
}

/// A router to be measured.
#[derive(Clone, Debug)]
pub struct Router {
    /// What tables call it.
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// Variables of its environment, for what is not to have its default.
    pub variables: Vec<(String, String)>,
}

/// Where something is started, and in front of whom.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Its files go there.
    pub scratch: &'a Scratch,
    /// Its processor, if it is to stay on one.
    pub cpu: Option<Cpu>,
    /// The mock's backends.
    pub backends: &'a [SocketAddr],
    /// Files that it may open.
    pub files: u64,
}

impl System {
    /// The backends without anybody in front of them.
    pub fn direct(backends: &[SocketAddr]) -> Self {
        Self { name: "direct".to_owned(), targets: backends.to_vec(), process: None }
    }

    /// Starts nginx with our own configuration.
    ///
    /// # Errors
    /// There is none, or it does not start.
    pub fn nginx(ground: Ground<'_>) -> Result<Self> {
        let program = find_nginx().context(
            "there is no nginx to compare with; install it, on Debian with `apt-get install nginx-light`",
        )?;
        let address = free_address()?;
        let folder = ground.scratch.folder("nginx")?;
        let file = folder.join("nginx.conf");
        fs::write(&file, nginx_configuration(ground, address, &folder)).context("cannot write nginx.conf")?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).arg("-p").arg(&folder).arg("-e").arg("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Process::new(spawn_on(ground.cpu, &mut command)?, Signal::TERM);
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if process.has_ended() || began.elapsed() > PATIENCE {
                bail!("nginx did not start; see above for why");
            }
            // A millisecond between two looks at a port; nothing tells when somebody begins to listen.
            std::thread::park_timeout(Duration::from_millis(1));
        }
        // The master listens before it has a worker, and the worker does the work.
        while !process.with_children()? {
            if process.has_ended() || began.elapsed() > PATIENCE {
                bail!("nginx started no worker");
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(Self { name: "nginx".to_owned(), targets: vec![address], process: Some(process) })
    }

    /// Starts a router and waits until it routes.
    ///
    /// # Errors
    /// It does not start, or does not route in time.
    pub fn router(router: &Router, ground: Ground<'_>) -> Result<Self> {
        let (process, address) = router.start(ground)?;
        let mut system = Self { name: router.name.clone(), targets: vec![address], process: Some(process) };
        starting::first_answer(&mut system)?;
        Ok(system)
    }

    /// Processor time so far; nothing for the backends.
    ///
    /// # Errors
    /// It ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.process.as_ref().map_or(Ok(Duration::ZERO), Process::cpu_time)
    }

    /// Memory that it holds, in bytes; nothing for the backends.
    ///
    /// # Errors
    /// It ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.process.as_ref().map_or(Ok(0), Process::resident_bytes)
    }
}

impl Router {
    /// Starts it, without waiting for anything.
    pub(crate) fn start(&self, ground: Ground<'_>) -> Result<(Process, SocketAddr)> {
        let address = free_address()?;
        let mut command = Command::new(&self.program);
        // What whoever runs this configured for themselves is not what is measured.
        let theirs = std::env::vars_os().map(|(name, _)| name);
        for name in theirs.filter(|name| name.to_string_lossy().starts_with("HERDWICK_")) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .env("HERDWICK_CONFIG_DIR", ground.scratch.folder("config")?)
            .env("HERDWICK_STATE_DIR", ground.scratch.folder("state")?)
            .env("HERDWICK_CACHE_DIR", ground.scratch.folder("cache")?)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (index, backend) in ground.backends.iter().enumerate() {
            command.args(["--node", &format!("node-{index}=http://{backend},slots={SLOTS}")]);
        }
        // Its log goes where a service's would: to somebody who takes it.
        let log = ground.scratch.folder("log")?.join(format!("{}.log", address.port()));
        let log = fs::File::create(log).context("cannot write its log")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok((Process::new(spawn_on(ground.cpu, &mut command)?, Signal::KILL), address))
    }
}

fn nginx_configuration(ground: Ground<'_>, address: SocketAddr, folder: &Path) -> String {
    let backends = ground.backends.iter().map(|backend| format!("        server {backend};"));
    include_str!("../nginx.conf")
        .replace("{{LISTEN}}", &address.to_string())
        .replace("{{FOLDER}}", &folder.display().to_string())
        .replace("{{FILES}}", &ground.files.to_string())
        .replace("{{BACKENDS}}", &backends.collect::<Vec<_>>().join("\n"))
}

/// An address that nobody uses now.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the system has no free port")?;
    listener.local_addr().context("a listener without an address")
}

/// In `PATH`, or where Debian puts it, which is in the path of root only.
fn find_nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file())
}
