//! Finds a compiler that can build for wasm32-unknown-unknown, and describes it so that builds can be compared.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::component;
use crate::recipe;

/// What plugins are compiled for: nothing of a system is there to import.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's rustc-web puts its compiler. Unlike rustup's, its sources come from the same package archive.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Names that LLVM's linker has in a `PATH`.
const LINKERS: [&str; 6] = ["rust-lld", "wasm-ld", "wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"];

/// A compiler for plugins.
#[derive(Debug)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// Where the standard library for the target comes from.
    pub standard_library: StandardLibrary,
    /// The linker, where the compiler does not bring its own.
    pub linker: Option<PathBuf>,
    /// A few lines that are equal exactly when bytes are comparable.
    pub description: String,
}

/// Where the standard library for the target comes from.
#[derive(Debug)]
pub enum StandardLibrary {
    /// Installed beside the compiler.
    Installed,
    /// Built along with the plugin from the compiler's sources.
    FromSource {
        /// The folder that holds `library/std`.
        sources: PathBuf,
    },
}

/// Why no plugin can be compiled here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToolchain {
    /// No compiler, or none with a standard library for the target.
    #[error("no compiler here can build for {TARGET}")]
    Compiler,
    /// The compiler is of a kind that does not bring a linker.
    #[error("there is a compiler for {TARGET} here, but no linker")]
    Linker,
}

impl NoToolchain {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Compiler => {
                "run `rustup target add wasm32-unknown-unknown`, or on Debian `apt-get install rustc-web rust-web-src`"
            }
            Self::Linker => "on Debian, `apt-get install lld` brings one",
        }
    }
}

/// A compiler that may or may not do.
struct Candidate {
    rustc: PathBuf,
    sysroot: PathBuf,
    version: String,
}

impl Toolchain {
    /// The toolchain that is described like this where it is here, since only with that one bytes can be compared;
    /// else the first compiler with the target installed, else the first with its standard library's sources.
    ///
    /// # Errors
    /// There is none.
    pub fn find(wanted: Option<&str>) -> Result<Self, NoToolchain> {
        let candidates: Vec<Candidate> = compilers().into_iter().filter_map(Candidate::ask).collect();
        let linker = linker(&candidates);
        let with_target = candidates.iter().filter(|candidate| candidate.has_target());
        let mut found: Vec<Self> =
            with_target.map(|candidate| candidate.toolchain(StandardLibrary::Installed, None)).collect();
        for candidate in &candidates {
            if let (Some(sources), Some(linker)) = (candidate.sources(), &linker) {
                found
                    .push(candidate.toolchain(StandardLibrary::FromSource { sources }, Some(linker.clone())));
            }
        }
        let matching = found.iter().position(|toolchain| Some(toolchain.description.as_str()) == wanted);
        let has_sources = candidates.iter().any(|candidate| candidate.sources().is_some());
        let missing = if has_sources { NoToolchain::Linker } else { NoToolchain::Compiler };
        found.into_iter().nth(matching.unwrap_or(0)).ok_or(missing)
    }

    /// The compiler in one line, as a component carries it.
    pub fn one_line(&self) -> String {
        self.description.lines().next().unwrap_or_default().to_owned()
    }
}

impl Candidate {
    /// Asks a compiler about itself; none if it does not run.
    fn ask(rustc: PathBuf) -> Option<Self> {
        let sysroot = PathBuf::from(output(&rustc, &["--print", "sysroot"])?);
        let version = output(&rustc, &["-vV"])?;
        Some(Self { rustc, sysroot, version })
    }

    fn has_target(&self) -> bool {
        // The folder alone is not enough: Debian's compiler names one that its package does not fill.
        self.sysroot
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .read_dir()
            .is_ok_and(|mut files| files.next().is_some())
    }

    fn sources(&self) -> Option<PathBuf> {
        let sources = self.sysroot.join("lib/rustlib/src/rust");
        sources.join("library/std/Cargo.toml").is_file().then_some(sources)
    }

    /// The value of a line of `rustc -vV`.
    fn fact(&self, key: &str) -> &str {
        self.version.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).unwrap_or("unknown")
    }

    fn toolchain(&self, standard_library: StandardLibrary, linker: Option<PathBuf>) -> Toolchain {
        let library = match standard_library {
            StandardLibrary::Installed => "installed with the compiler",
            StandardLibrary::FromSource { .. } => "built from source, -Zbuild-std=std,panic_abort",
        };
        let linked_by = match &linker {
            None => "the compiler's own".to_owned(),
            Some(linker) => linker_version(linker),
        };
        let lines = [
            self.version.lines().next().unwrap_or_default().to_owned(),
            format!("host: {}", self.fact("host")),
            format!("LLVM: {}", self.fact("LLVM version")),
            format!("standard library: {library}"),
            format!("linker: {linked_by}"),
            cargo_version(),
            format!("encoder: {}", component::ENCODER),
            format!("profile: {}", recipe::profile()),
        ];
        Toolchain { rustc: self.rustc.clone(), standard_library, linker, description: lines.join("\n") }
    }
}

/// The compiler that `RUSTC` names and no other, since it says so; else the one in the `PATH`, then Debian's.
fn compilers() -> Vec<PathBuf> {
    match env::var_os("RUSTC") {
        Some(said) => vec![PathBuf::from(said)],
        None => vec![PathBuf::from("rustc"), PathBuf::from(DEBIAN_RUSTC)],
    }
}

/// A linker that one of the compilers brings, else one in the `PATH`.
fn linker(candidates: &[Candidate]) -> Option<PathBuf> {
    let usual = Candidate::ask(PathBuf::from("rustc"));
    let brought = candidates.iter().chain(&usual).map(|candidate| {
        candidate.sysroot.join("lib/rustlib").join(candidate.fact("host")).join("bin/rust-lld")
    });
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let in_path = LINKERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    brought.chain(in_path).find(|linker| linker.is_file())
}

/// "LLD 22.1.2", without the checkout it was built from.
fn linker_version(linker: &Path) -> String {
    // `rust-lld` is one program for all formats and wants to be told which; `wasm-ld` knows.
    let version =
        output(linker, &["-flavor", "wasm", "--version"]).or_else(|| output(linker, &["--version"]));
    let version = version.unwrap_or_else(|| "unknown".to_owned());
    version.split(" (").next().unwrap_or(&version).to_owned()
}

fn cargo_version() -> String {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    output(&cargo, &["--version"]).unwrap_or_else(|| "cargo: unknown".to_owned())
}

/// What a program prints when asked; none if it fails.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let answer = Command::new(program).args(arguments).env_remove("LD_LIBRARY_PATH").output().ok()?;
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
