//! What the system calls this machine.

use herdwick_wire::beat::machine_name;

/// A machine that has no name of its own.
const NAMELESS: &str = "node";

/// A name that a fleet takes.
pub(crate) fn name() -> String {
    let name = machine_name(&told());
    // Every machine that was never given a name has this one.
    if name.is_empty() || name == "localhost" { NAMELESS.to_owned() } else { name }
}

#[cfg(unix)]
fn told() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn told() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
