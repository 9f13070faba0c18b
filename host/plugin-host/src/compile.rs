//! From a plugin's bytes to a compiled component, out of the cache where it was compiled before. The one place
//! that hands native code to the engine.

use std::borrow::Cow;
use std::hash::{Hash as _, Hasher};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::{Cache, Key};
use crate::child::{self, Isolation};
use crate::encode::{self, EncodeError};
use crate::limits;
use crate::package::Digest;

/// Compiles plugins for one engine.
pub struct Compiler {
    engine: Engine,
    cache: Option<Cache>,
    isolation: Option<Isolation>,
    /// Of everything but the plugin that decides what comes out.
    identity: Digest,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No bytes.
    #[error("is empty; it may still be being written")]
    Empty,
    /// Machine code: a library, a program, or what wasmtime or another router compiled.
    #[error("is machine code ({0}), which is never loaded; give the .wasm file it was made from")]
    Native(&'static str),
    /// Something else.
    #[error("is no WebAssembly; give a .wasm component")]
    Foreign,
    /// A header of the future.
    #[error("is WebAssembly of a version that nobody can load; build it again")]
    Version,
    /// A core module that does not say what its imports and exports mean.
    #[error(
        "is a core module without its interface (no component-type section), not a component; build it with \
         wit-bindgen for a world of herdwick:plugin, and do not strip that section before it is a component"
    )]
    Untyped,
    /// A core module whose interface does not fit it.
    #[error("cannot be made a component: {0}; build it again")]
    Encode(String),
    /// Cut off, damaged, or of proposals that are off.
    #[error("is no valid component: {0}; build it again")]
    Invalid(String),
    /// It takes longer than it may.
    #[error("compiling takes more than {seconds} s; make it smaller")]
    TooLong {
        /// The limit.
        seconds: u64,
    },
    /// It takes more memory than it may.
    #[error("compiling takes more than {mebibytes} MiB; make it smaller")]
    TooMuch {
        /// The limit.
        mebibytes: u64,
    },
    /// What the process that compiles says of it.
    #[error("{0}")]
    Refused(String),
    /// The process that compiles could not.
    #[error("cannot be compiled, the process that compiles it failed: {0}")]
    Child(String),
    /// The compiler gave up in a way it should not.
    #[error("makes the compiler fail; please report it with the file")]
    Panic,
}

enum Format {
    Component,
    Module,
}

impl Compiler {
    /// A compiler that keeps what it made in `cache_dir`. A directory that others could write to is not used,
    /// with a warning: compiling anew is slow, running what a stranger compiled is worse.
    pub fn new(engine: &Engine, cache_dir: Option<PathBuf>) -> Self {
        let cache = cache_dir.and_then(|directory| {
            let shown = directory.display().to_string();
            Cache::open(directory)
                .inspect_err(|problem| {
                    tracing::warn!(
                        directory = shown,
                        "compiled plugins are not kept: the directory {problem}"
                    );
                })
                .ok()
        });
        Self { engine: engine.clone(), cache, isolation: None, identity: identity(engine) }
    }

    /// The same, which has plugins over [`limits::LARGE_BYTES`] compiled by a child. Without it, this process does.
    #[must_use]
    pub fn isolated(self, isolation: Isolation) -> Self {
        Self { isolation: Some(isolation), ..self }
    }

    /// The component that these bytes are.
    ///
    /// # Errors
    /// They are none, and cannot be made one.
    pub fn component(&self, bytes: &[u8]) -> Result<Component, CompileError> {
        // Before the cache, so that a file is refused in the same words each time.
        format(bytes)?;
        let Some(cache) = &self.cache else {
            return self.load(&self.artifact(bytes)?).map_err(|error| invalid(&error));
        };
        let key = Key::new(Digest::of(bytes), self.identity);
        if let Some(path) = cache.find(&key) {
            match self.open(&path) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(entry = %path.display(), "a compiled plugin is thrown away: {error:#}");
                    cache.discard(&path);
                }
            }
        }
        let artifact = self.artifact(bytes)?;
        let stored = cache.put(&key, &artifact);
        let opened = stored.map_err(wasmtime::Error::from).and_then(|path| self.open(&path));
        opened.or_else(|error| {
            tracing::warn!("a compiled plugin cannot be kept: {error:#}");
            self.load(&artifact).map_err(|error| invalid(&error))
        })
    }

    /// Compiles, here or in a child.
    pub(crate) fn artifact(&self, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
        if let Some(isolation) = &self.isolation
            && bytes.len() > limits::LARGE_BYTES
        {
            return child::compile(isolation, bytes);
        }
        let component = as_component(bytes)?;
        guarded(|| self.engine.precompile_component(&component))?.map_err(|error| invalid(&error))
    }

    /// Maps an entry of the cache.
    #[expect(unsafe_code, reason = "mapping compiled code is what the cache is for")]
    fn open(&self, path: &Path) -> wasmtime::Result<Component> {
        // SAFETY: the file was written by this module, by this user, with this engine's key: `Cache` keeps a
        // directory that nobody else can write to, checked the content's digest a moment ago, and never changes
        // a file after it was renamed into its place. So it holds what `precompile_component` returned, here or
        // in our child, and goes on holding it while it is mapped.
        unsafe { Component::deserialize_file(&self.engine, path) }
    }

    /// Takes code that was compiled a moment ago and is not stored.
    #[expect(unsafe_code, reason = "a child's code has no other way in, and ours need not be compiled twice")]
    fn load(&self, artifact: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `artifact` is what `precompile_component` of an engine with these settings returned, in memory
        // ever since, or in a pipe from a child that runs this program, with a digest that was checked.
        unsafe { Component::deserialize(&self.engine, artifact) }
    }
}

/// Tells apart what people hand over by mistake, before the compiler speaks in its own words.
fn format(bytes: &[u8]) -> Result<Format, CompileError> {
    match bytes {
        [] => Err(CompileError::Empty),
        [b'\0', b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00, ..] => Ok(Format::Component),
        [b'\0', b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00, ..] => Ok(Format::Module),
        [b'\0', b'a', b's', b'm', ..] => Err(CompileError::Version),
        [0x7f, b'E', b'L', b'F', ..] => Err(CompileError::Native("ELF, as in .cwasm files")),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => Err(CompileError::Native("Mach-O")),
        [b'M', b'Z', ..] => Err(CompileError::Native("PE")),
        _ => Err(CompileError::Foreign),
    }
}

fn as_component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CompileError> {
    match format(bytes)? {
        Format::Component => Ok(bytes.into()),
        Format::Module => {
            guarded(|| encode::component(bytes))?.map(Into::into).map_err(|error| match error {
                EncodeError::Untyped => CompileError::Untyped,
                EncodeError::Refused(why) => CompileError::Encode(why),
            })
        }
    }
}

/// A panic on strange input costs the plugin its place, not the router its thread. Nothing that is shared is
/// half-changed by one: encoding and compiling only read the engine.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, CompileError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| CompileError::Panic)
}

fn invalid(error: &wasmtime::Error) -> CompileError {
    CompileError::Invalid(format!("{error:#}"))
}

/// What decides, besides a plugin's bytes, what they compile to: the engine with its settings and this processor,
/// and for core modules how they are encoded.
fn identity(engine: &Engine) -> Digest {
    let mut hash = Everything(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hash);
    hash.write(env!("CARGO_PKG_VERSION").as_bytes());
    hash.write(encode::ADAPTER);
    Digest::from(hash.0)
}

/// A hasher that keeps all bits, since the standard one is neither stable nor wide.
struct Everything(Sha256);

impl Hasher for Everything {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks: the digest is taken whole.
        0
    }
}
