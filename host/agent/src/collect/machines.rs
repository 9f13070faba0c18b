//! Recorded machines, for tests: their files as text, unpacked into a folder that a source takes for the machine.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::tree::Tree;

/// A machine that lies in a folder, gone with this.
pub(crate) struct Machine {
    root: PathBuf,
    pub(crate) tree: Tree,
}

/// A machine of these files: path and content.
pub(crate) fn files(listed: &[(&str, &str)]) -> Machine {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let root = std::env::temp_dir().join(format!("herdwick-machine-{}-{number}", std::process::id()));
    fs::create_dir_all(&root).expect("a folder");
    let machine = Machine { tree: Tree::below(&root), root };
    listed.iter().for_each(|(path, content)| machine.write(path, content));
    machine
}

/// A machine that was recorded: lines of `path: content`, where content has `\n` for the end of a line; a path that ends
/// with `/` is an empty folder; `#` begins a remark.
pub(crate) fn recorded(text: &str) -> Machine {
    let machine = files(&[]);
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match line.split_once(": ") {
            Some((path, content)) => machine.write(path, &content.replace("\\n", "\n").replace("\\t", "\t")),
            None => {
                fs::create_dir_all(machine.root.join(line.trim_end_matches([':', '/']))).expect("a folder")
            }
        }
    }
    machine
}

impl Machine {
    /// Puts a file in place of what was there.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, format!("{content}\n")).expect("a file");
    }

    /// Takes a file or folder away.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.root.join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it is there");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
