//! How much room there is where models are kept. A disk of the network may hang for minutes; this source then falls
//! silent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdwick_wire::beat::limits;
use herdwick_wire::machine::DiskFacts;

use super::source::{Found, Next, Source};

/// A download fills a gigabyte in ten seconds, and people wait for it.
const PAUSE: Duration = Duration::from_secs(10);
/// After nothing was found: a server that was just started will be asked where it keeps its models.
const SOON: Duration = Duration::from_secs(2);
/// Three looks.
const KEEPS: Duration = Duration::from_secs(30);
/// Where Ollama keeps models when it runs as a service: by its own installer, and as distributions package it.
const SERVICES: [&str; 3] =
    ["/usr/share/ollama/.ollama/models", "/var/lib/ollama/models", "/var/lib/ollama/.ollama/models"];
/// And when a person starts it, below their home.
const HOME: &str = ".ollama/models";

/// Asks the system.
pub(super) struct Disk {
    /// Folders that running servers were told to use.
    told: Box<dyn Fn() -> Vec<PathBuf> + Send>,
}

impl Disk {
    pub(super) fn new(told: Box<dyn Fn() -> Vec<PathBuf> + Send>) -> Self {
        Self { told }
    }
}

impl Source for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        found.facts.disk = first((self.told)(), std::env::home_dir());
        let pause = if found.facts.disk.is_some() { PAUSE } else { SOON };
        (found, Next::After(pause))
    }
}

/// The first folder that is there. Where none is, nobody knows which disk models will go to.
fn first(told: Vec<PathBuf>, home: Option<PathBuf>) -> Option<DiskFacts> {
    let home = home.map(|home| home.join(HOME));
    let usual = SERVICES.iter().map(PathBuf::from).filter(|_| cfg!(target_os = "linux"));
    told.into_iter().chain(usual).chain(home).find_map(|folder| {
        let (total, free) = space(&folder)?;
        let is_room = (1..=limits::BYTES).contains(&total);
        let path: String = folder.to_string_lossy().chars().filter(|c| !c.is_control()).collect();
        (is_room && path.len() <= limits::TEXT).then(|| DiskFacts {
            age_ms: 0,
            path,
            total,
            free: free.min(total),
        })
    })
}

/// Bytes of the disk of a folder: all, and those that an ordinary program may still write.
#[cfg(unix)]
fn space(folder: &Path) -> Option<(u64, u64)> {
    let told = rustix::fs::statvfs(folder).ok()?;
    Some((told.f_blocks.checked_mul(told.f_frsize)?, told.f_bavail.checked_mul(told.f_frsize)?))
}

/// The same of the disk whose name begins the folder's, the longest of them.
#[cfg(not(unix))]
fn space(folder: &Path) -> Option<(u64, u64)> {
    let folder = folder.canonicalize().ok()?;
    let plain = folder.to_string_lossy().trim_start_matches(r"\\?\").to_owned();
    let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
    let own = disks.iter().filter(|disk| Path::new(&plain).starts_with(disk.mount_point()));
    let own = own.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    Some((own.total_space(), own.available_space()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_running_server_comes_first() {
        let home = crate::tests::folder("disk");
        let (told, usual) = (home.join("told"), home.join(HOME));
        std::fs::create_dir_all(&told).expect("a folder");
        std::fs::create_dir_all(&usual).expect("a folder");
        let path =
            |folders: Vec<PathBuf>| first(folders, Some(home.clone())).map(|disk| PathBuf::from(disk.path));
        assert_eq!(path(vec![told.clone()]), Some(told.clone()));
        assert_eq!(path(vec![home.join("nowhere"), told.clone()]), Some(told));
        let found = first(Vec::new(), Some(home.clone())).expect("a disk");
        assert!(found.total >= found.free && found.total > 0);
    }
}
