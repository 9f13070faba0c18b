//! Who holds a TCP port on this machine, where the system tells: Linux does, in `/proc`. Elsewhere a command is
//! named that tells.

use std::fmt;

/// A program that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Its name, and its number.
    Program { name: String, pid: u32 },
    /// Of somebody else, so that the system does not say which.
    Of { user: String },
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { name, pid } => write!(out, "{name} (pid {pid})"),
            Self::Of { user } => write!(out, "a program of the user {user}"),
        }
    }
}

/// Who listens on `port`.
#[cfg(target_os = "linux")]
pub(crate) fn of(port: u16) -> Option<Holder> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let tables = read("/proc/net/tcp") + &read("/proc/net/tcp6");
    let sockets = listening(&tables, port);
    let (_, user) = sockets.first()?;
    let inodes: Vec<String> = sockets.iter().map(|(inode, _)| format!("socket:[{inode}]")).collect();
    program(&inodes).or_else(|| Some(Holder::Of { user: name(&read("/etc/passwd"), *user) }))
}

/// Nobody says it without another program's help.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(_: u16) -> Option<Holder> {
    None
}

/// What tells who listens on `port`.
pub(crate) fn command(port: u16) -> String {
    if cfg!(windows) {
        format!("netstat -ano | findstr :{port}")
    } else if cfg!(target_os = "linux") {
        format!("sudo ss -ltnp 'sport = :{port}'")
    } else {
        format!("sudo lsof -nP -iTCP:{port} -sTCP:LISTEN")
    }
}

/// The program that has one of these sockets open. Those of others can only root see.
#[cfg(target_os = "linux")]
fn program(sockets: &[String]) -> Option<Holder> {
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str())) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder::Program { name: name.trim().to_owned(), pid });
        }
    }
    None
}

/// Inode and user of every socket that listens on `port`, from the lines of `/proc/net/tcp`.
#[cfg(any(target_os = "linux", test))]
fn listening(table: &str, port: u16) -> Vec<(u64, u32)> {
    /// `TCP_LISTEN`, in `include/net/tcp_states.h`.
    const LISTEN: &str = "0A";
    let socket = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, local) = fields.nth(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16).is_ok_and(|found| found == port);
        let is_listening = fields.nth(1)? == LISTEN;
        let user = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        (is_it && is_listening).then_some((inode, user))
    };
    table.lines().filter_map(socket).collect()
}

/// What a user's number is called.
#[cfg(any(target_os = "linux", test))]
fn name(passwd: &str, user: u32) -> String {
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then_some(name)
    });
    named.map_or_else(|| user.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_are_found_by_their_port() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   997        0 25137 1 0 100 0 0 10 0
   1: 0100007F:2CAB 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 25140 1 0 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:2CAB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31 1 0 100 0 0 10 0
";
        assert_eq!(listening(table, 11_435), [(25_137, 997), (31, 1_000)]);
        assert_eq!(listening(table, 22), [(17, 0)]);
        assert_eq!(listening("nonsense\n0: x\n", 22), []);
    }

    #[test]
    fn users_have_names() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nollama:x:997:997::/usr/share/ollama:/bin/false\n";
        assert_eq!([name(passwd, 997), name(passwd, 5)], ["ollama", "5"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = of(listener.local_addr().unwrap().port());
        let pid = std::process::id();
        assert!(
            matches!(&found, Some(Holder::Program { pid: found, name }) if *found == pid && !name.is_empty())
        );
    }
}
