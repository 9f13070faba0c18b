//! The environment of the process that listens on a port, where the system lets us look: a process of the same user.

use std::fs;
use std::path::Path;

use super::Figures;
use crate::sockets;

/// Processes that are looked at; who has more is no household.
const PROCESSES: usize = 20_000;

/// Looks for the listener on a thread of its own: a machine may have thousands of processes. `None` when it is
/// somebody else's.
pub(super) async fn figures(port: u16) -> Option<Figures> {
    tokio::task::spawn_blocking(move || find(port)).await.ok()?
}

fn find(port: u16) -> Option<Figures> {
    let inode = sockets::listener(port)?;
    let processes = fs::read_dir("/proc").ok()?.flatten().take(PROCESSES);
    let process = processes
        .map(|entry| entry.path())
        .find(|path| is_process(path) && sockets::of_process(path).contains(&inode))?;
    let environment = fs::read(process.join("environ")).ok()?;
    Some(read(&environment))
}

fn is_process(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads `/proc/PID/environ`.
fn read(environment: &[u8]) -> Figures {
    let texts = environment.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    Figures::of(texts.filter_map(|text| text.split_once('=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_read_variable_by_variable() {
        let figures = read(b"HOME=/root\0OLLAMA_MAX_LOADED_MODELS=2\0OLLAMA_KEEP_ALIVE=10m\0BAD\xff=1\0");
        let expected = Figures { max_loaded: Some(2), keep_alive_s: Some(600), ..Figures::default() };
        assert_eq!(figures, expected);
    }

    #[test]
    fn the_listener_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(find(port).is_some(), "this very process listens");
        drop(listener);
        assert_eq!(find(port), None);
    }
}
