//! The one way in which plugins are compiled: so that the same sources give the same bytes in every folder of
//! every machine that has the same toolchain.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::toolchain::{StandardLibrary, TARGET, Toolchain};

/// The profile that plugins are built with. It stands here and not in a manifest, because it is part of what a
/// component's digest covers, and every key that changes bytes is set.
///
/// Optimised for speed: "s" makes components a fifth smaller and a call on the request path a third longer.
const PROFILE: [(&str, &str); 9] = [
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    ("lto", "true"),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    ("strip", "true"),
    ("debug", "false"),
    ("incremental", "false"),
    ("overflow-checks", "false"),
];

/// The profile in one line, for the digest and for people.
pub fn profile() -> String {
    PROFILE.map(|(key, value)| format!("{key}={value}")).join(" ")
}

/// One plugin to compile.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folder that cargo is started in.
    pub root: &'a Path,
    /// Folders that differ between machines, and what they are called in the component. Cargo's own are renamed
    /// without being named here.
    pub renamed: Vec<(PathBuf, String)>,
    /// The package; it may be any of the workspace that the root lies in.
    pub package: &'a str,
    /// The name of the file that cargo writes: that of its library.
    pub artifact: &'a str,
    /// Whether a lock file that does not fit is an error, and not written anew.
    pub locked: bool,
    /// Where cargo puts what it makes: a folder of its own, so that these flags do not throw away what other
    /// builds made.
    pub output: &'a Path,
}

impl Job<'_> {
    /// Compiles the plugin to a core module and returns its bytes. Cargo speaks to the terminal itself.
    ///
    /// # Errors
    /// Cargo does not start, or does not succeed.
    pub fn core_module(&self, toolchain: &Toolchain) -> Result<Vec<u8>> {
        let status = self.cargo(toolchain)?.status().context("cargo does not start; is Rust installed?")?;
        ensure!(status.success(), "cargo could not build {}; its own message stands above", self.package);
        let module = self.stem().with_extension("wasm");
        fs::read(&module).with_context(|| format!("cargo left no {}", module.display()))
    }

    /// Cargo's list of the files that the module was compiled from.
    pub fn inputs(&self) -> PathBuf {
        self.stem().with_extension("d")
    }

    fn stem(&self) -> PathBuf {
        self.output.join(TARGET).join("plugin").join(self.artifact.replace('-', "_"))
    }

    fn cargo(&self, toolchain: &Toolchain) -> Result<Command> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        cargo.current_dir(self.root).stdin(Stdio::null());
        cargo.args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib", "--profile", "plugin"]);
        cargo.args(["--package", self.package, "--target", TARGET]);
        if self.locked {
            cargo.arg("--locked");
        }
        for (key, value) in PROFILE {
            cargo.arg("--config").arg(format!("profile.plugin.{key}={value}"));
        }
        if let StandardLibrary::FromSource { .. } = toolchain.standard_library {
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.env("RUSTC", &toolchain.rustc).env("CARGO_TARGET_DIR", self.output);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags(toolchain)?);
        // Set by the cargo that may run us, for its own compiler; another one must not load that one's libraries.
        cargo.env_remove("LD_LIBRARY_PATH");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PROFILE_PLUGIN_") {
                cargo.env_remove(name);
            }
        }
        Ok(cargo)
    }

    /// The compiler's flags: a linker where the compiler brings none, and names for the folders that differ between
    /// machines, which panic messages would otherwise carry into the component.
    fn flags(&self, toolchain: &Toolchain) -> Result<OsString> {
        let mut renamed = self.renamed.clone();
        let home = cargo_home()?;
        renamed.push((home.clone(), "/cargo".to_owned()));
        // Cargo names the folder of a registry after its address and its own version.
        if let Ok(registries) = fs::read_dir(home.join("registry/src")) {
            renamed.extend(registries.flatten().map(|registry| (registry.path(), "/registry".to_owned())));
        }
        if let StandardLibrary::FromSource { sources } = &toolchain.standard_library {
            renamed.push((sources.clone(), "/rust".to_owned()));
        }
        let mut flags = OsString::new();
        for (from, to) in renamed {
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push(format!("={to}\u{1f}"));
        }
        if let Some(linker) = &toolchain.linker {
            flags.push("-Clinker=");
            flags.push(linker);
            flags.push("\u{1f}");
        }
        // The separator stands between flags, not behind them; this one says what the target has anyway.
        flags.push("-Cpanic=abort");
        Ok(flags)
    }
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = env::home_dir().context("cannot tell the home folder; set CARGO_HOME")?;
    Ok(home.join(".cargo"))
}
