//! An empty world for components that import `wasi:*`, as the toolchains of Go, JavaScript, Python and C leave
//! them: no files, no sockets, no environment, no arguments; a clock that stands still within a call; randomness
//! that the call decides; output that goes to the plugin's log. Everything returns at once, so nothing here can
//! hold up the thread that serves requests. What is not in that world traps, naming itself, when it is called.
//!
//! It is not wasmtime-wasi: that panics where a plugin is called from within a tokio runtime of one thread, which
//! is where requests are served, and there a guest that sleeps holds the thread past its deadline.

mod interfaces;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType};
use wasmtime::{Engine, Result, StoreContextMut, bail};

use crate::sandbox::{Moment, Sandbox};

/// Handles that one instance may hold. Each costs the host some bytes, for as long as the guest forgets it.
const HANDLES: u32 = 4_096;
/// Bytes of an unfinished line that are kept until its end comes.
const LINE_BYTES: usize = 1 << 10;

type Cx<'a> = StoreContextMut<'a, Sandbox>;

// What handles of each resource stand for; no value of these is ever made.
struct Pollable;
struct IoError;
struct Input;
struct Output;
struct Descriptor;
struct TerminalInput;
struct TerminalOutput;

/// The part of an instance's store that this world needs.
#[derive(Debug, Default)]
pub(crate) struct Wasi {
    moment: Moment,
    random: u64,
    handles: u32,
    /// The unfinished lines of standard output and standard error.
    unfinished: [Vec<u8>; 2],
}

impl Wasi {
    /// Fixes time and randomness of the coming call.
    pub(crate) fn begin_call(&mut self, moment: Moment) {
        self.moment = moment;
        self.random = moment.seed;
    }

    /// SplitMix64: good enough for hash tables, and the same everywhere.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Takes output and returns the lines that are complete with it, or longer than anybody reads.
    fn lines(&mut self, stream: Stream, bytes: &[u8]) -> Vec<String> {
        let [output, error] = &mut self.unfinished;
        let unfinished = if stream == Stream::Error { error } else { output };
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            unfinished.extend_from_slice(part);
            let complete = part.ends_with(b"\n");
            if complete || unfinished.len() > LINE_BYTES {
                let line = std::mem::take(unfinished);
                lines.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
        }
        lines
    }
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

impl Stream {
    /// The number by which a handle says which it is.
    fn rep(self) -> u32 {
        match self {
            Self::Output => 1,
            Self::Error => 2,
        }
    }

    fn of(rep: u32) -> Self {
        if rep == Self::Error.rep() { Self::Error } else { Self::Output }
    }
}

/// Defines what this component imports of `wasi:*`, at exactly the versions that it names. The linker must be the
/// component's own: another component may import other resources under the same names.
pub(crate) fn define(engine: &Engine, linker: &mut Linker<Sandbox>, component: &Component) -> Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        let Some(interface) = import.strip_prefix("wasi:") else {
            continue;
        };
        let interface = interface.split_once('@').map_or(interface, |(interface, _)| interface);
        let ComponentItem::ComponentInstance(asked) = item.ty else {
            bail!("{import} is no interface");
        };
        let mut instance = linker.instance(import)?;
        for (name, item) in asked.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let known = interfaces::define(&mut instance, interface, name)?;
                    if !known {
                        absent(&mut instance, name, format!("{import}#{name}"))?;
                    }
                }
                ComponentItem::Resource(_) => instance.resource(name, resource(name), |mut cx, _| {
                    let wasi = &mut cx.data_mut().wasi;
                    wasi.handles = wasi.handles.saturating_sub(1);
                    Ok(())
                })?,
                // Types need no definition, and nothing else stands in an interface.
                _ => {}
            }
        }
    }
    Ok(())
}

/// A function that this world does not have.
fn absent(instance: &mut LinkerInstance<'_, Sandbox>, name: &str, what: String) -> Result<()> {
    instance.func_new(name, move |_, _, _, _| bail!("it called {what}, and a plugin's world is empty"))
}

/// The type of a resource. Interfaces use each other's under the same name, and it must be one type then.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        // In wasi:http these are other names for one resource.
        "headers" | "trailers" => resource("fields"),
        // FNV-1a: a number of its own for each name. Nobody can make a handle of these.
        other => ResourceType::host_dynamic(
            other.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)),
        ),
    }
}

/// A new handle for the guest.
fn handle<R: 'static>(cx: &mut Cx<'_>, rep: u32) -> Result<Resource<R>> {
    let wasi = &mut cx.data_mut().wasi;
    if wasi.handles >= HANDLES {
        bail!("it holds {HANDLES} handles of wasi and wants more");
    }
    wasi.handles += 1;
    Ok(Resource::new_own(rep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines_when_they_are_complete() {
        let mut wasi = Wasi::default();
        assert_eq!(wasi.lines(Stream::Output, b"one\r\ntwo\nthr"), ["one", "two"]);
        assert_eq!(wasi.lines(Stream::Error, b"\xff\n"), ["\u{fffd}"]);
        assert_eq!(wasi.lines(Stream::Output, b"ee"), [""; 0]);
        assert_eq!(wasi.lines(Stream::Output, b"\n"), ["three"]);
        assert_eq!(wasi.lines(Stream::Output, &[b'x'; 1_025]).len(), 1, "nobody fills our memory");
        assert!(wasi.unfinished.iter().all(Vec::is_empty));
    }

    #[test]
    fn the_same_moment_has_the_same_randomness() {
        let moment = |seed| Moment { seed, ..Moment::default() };
        let mut wasi = Wasi::default();
        let mut draw = |moment| {
            wasi.begin_call(moment);
            [wasi.random(), wasi.random()]
        };
        let first = draw(moment(7));
        assert_ne!(first[0], first[1]);
        assert_eq!(draw(moment(7)), first);
        assert_ne!(draw(moment(8)), first);
    }
}
