//! Whether somebody is in a meeting at this machine: a camera or a microphone is in use. It never tells which program
//! uses it, and nothing of what it sees or hears; only that one does. Off by one key of the machine's configuration.
//!
//! On macOS nothing is told: there is no safe way to ask.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "windows", test))]
mod windows;

use super::source::Source;
use super::tree::Tree;

/// Who is asked on this system.
#[cfg(target_os = "linux")]
pub(super) fn sources(tree: &Tree) -> Vec<Box<dyn Source>> {
    vec![Box::new(linux::Meeting::new(tree.clone()))]
}

/// Who is asked on this system.
#[cfg(target_os = "windows")]
pub(super) fn sources(_: &Tree) -> Vec<Box<dyn Source>> {
    vec![Box::new(windows::Meeting)]
}

/// Nobody can be asked.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub(super) fn sources(_: &Tree) -> Vec<Box<dyn Source>> {
    Vec::new()
}
