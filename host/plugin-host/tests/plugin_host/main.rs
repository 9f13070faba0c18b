//! The host with real wasmtime and real components: those that we ship, and those that nobody should.

#![cfg(test)]

mod asking;
mod caching;
mod compiling;
mod hostile;
mod isolating;
mod kinds;
mod loading;
mod reloading;
mod scoring;
mod wasi;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use guests::Signal;
use herdwick_fleet::{Column, Matrix};
use herdwick_plugin_host::{Package, PluginHost, Source, Wanted};

/// Signals inside the binary.
const BUILT_INS: usize = 7;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("herdwick-plugins-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file as an author should: under another name first.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let (path, draft) = (self.0.join(name), self.0.join(".draft"));
        std::fs::write(&draft, bytes).expect("a file can be written");
        std::fs::rename(&draft, &path).expect("and renamed");
        path
    }

    fn guest(&self, guest: &Signal<'_>) -> PathBuf {
        self.put(&format!("{}.wasm", guest.name), &guest.component().expect("the guest assembles"))
    }

    /// What the router is told when this is its plugin folder.
    fn wanted(&self) -> Wanted {
        Wanted { folder: Some(self.0.clone()), ..Wanted::default() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs in the system's temporary folder hurt nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A guest as a package, without a file.
fn file(guest: &Signal<'_>) -> Package {
    let source = Source::File(PathBuf::from(format!("{}.wasm", guest.name)));
    Package::new(source, guest.component().expect("the guest assembles"))
}

/// A host with this one plugin and nothing else, or why it is refused.
fn alone(name: &str, bytes: &[u8]) -> Result<PluginHost, String> {
    let folder = Folder::new();
    let files = vec![folder.put(&format!("{name}.wasm"), bytes)];
    PluginHost::start_bare(&Wanted { files, ..Wanted::default() }).map_err(|error| error.to_string())
}

/// A host with the built-ins and these guests, named on the command line.
fn host(guests: &[&Signal<'_>]) -> (PluginHost, Folder) {
    let folder = Folder::new();
    let files = guests.iter().map(|guest| folder.guest(guest)).collect();
    let host = PluginHost::start(&Wanted { files, ..Wanted::default() }).expect("they load");
    (host, folder)
}

/// A matrix of rows that differ in their model's state and predicted load.
fn loads(rows: &[(f64, f64)]) -> Matrix {
    // In the order of the core, as every matrix is.
    let columns = [Column::ModelState, Column::ModelLoad, Column::SlotsTotal, Column::QueueWaiting];
    let slots = (0..rows.len()).map(|row| row as f64).collect();
    let values = rows.iter().flat_map(|(state, load)| [*state, *load, 1.0, 0.0]).collect();
    Matrix::new(&columns, slots, values)
}
