//! File handles: every connection is one, and most systems give a program few until it asks for more.

use herdwick_proxy::Limits;

/// Handles that are none of a client's or a backend's: listeners, logs, plugins, timers.
#[cfg(unix)]
const OTHERS: u64 = 64;
/// What macOS takes when it says that there is no limit (its `OPEN_MAX`).
#[cfg(unix)]
const OPEN_MAX: u64 = 10_240;

/// Asks the system for as many handles as it lets a program have, and lowers the number of clients to what they are
/// enough for: a client that is accepted must also find a handle for the machine that answers it.
///
/// Returns what somebody should be told who wants more.
pub(crate) fn prepare(limits: &mut Limits) -> Option<String> {
    let handles = raise()?;
    let (clients, wanted) = (fitting(limits.connections, handles), limits.connections);
    limits.connections = clients;
    (clients < wanted).then(|| {
        format!(
            "the system lets this program have {handles} files open, which is enough for {clients} connections of \
             clients and not for limits.connections = {wanted}; raise it with `ulimit -n` or LimitNOFILE="
        )
    })
}

/// How many handles the system would let this program have, if it asked. `None` where there is no limit.
#[cfg(unix)]
pub(crate) fn most() -> Option<u64> {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    // What macOS does not limit it does not let programs have either.
    if cfg!(target_os = "macos") { Some(most.map_or(OPEN_MAX, |most| most.min(OPEN_MAX))) } else { most }
}

#[cfg(not(unix))]
pub(crate) fn most() -> Option<u64> {
    None
}

/// How many clients so many handles are enough for. Idle clients need one, those that are answered two; a quarter is
/// kept for that.
#[cfg(unix)]
pub(crate) fn fitting(wanted: usize, handles: u64) -> usize {
    let most = handles.saturating_sub(OTHERS) / 4 * 3;
    wanted.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1)
}

#[cfg(not(unix))]
pub(crate) fn fitting(wanted: usize, _: u64) -> usize {
    wanted
}

/// Raises the soft limit to the hard one. `None` where there is no limit.
#[cfg(unix)]
fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = [maximum, maximum.map_or(Some(OPEN_MAX), |most| Some(most.min(OPEN_MAX)))];
    for wanted in wanted {
        let is_more = current.is_some_and(|current| wanted.is_none_or(|wanted| wanted > current));
        if is_more && setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_ok() {
            return wanted;
        }
    }
    current
}

#[cfg(not(unix))]
fn raise() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_handles_for_the_machines_that_answer_them() {
        for (wanted, handles, clients) in [
            (10_000, 1 << 20, 10_000),
            (10_000, 1_024, 720),
            (100, 1_024, 100),
            (10_000, 256, 144),
            (10, 0, 1),
        ] {
            assert_eq!(fitting(wanted, handles), clients, "{wanted} {handles}");
        }
    }
}
