//! The functions of the empty world, one match per package. A name that is not here is left to the caller.

use std::time::Duration;

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};
use wasmtime::{Result, bail};

use super::{
    Cx, Descriptor, Input, IoError, Output, Pollable, Stream, TerminalInput, TerminalOutput, handle,
};
use crate::bindings::herdwick::plugin::log::Level;
use crate::sandbox::Sandbox;

/// Bytes that may be written or drawn at a time.
const CHUNK_BYTES: u64 = 4_096;
/// Handles that only wait: each is ready.
const READY: u32 = 0;

type Instance<'a> = LinkerInstance<'a, Sandbox>;

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type StreamResult<T> = (std::result::Result<T, StreamError>,);

/// Defines a function by its name; `false` if this world does not have it.
pub(super) fn define(instance: &mut Instance<'_>, interface: &str, name: &str) -> Result<bool> {
    match interface.split_once('/') {
        Some(("io", "streams")) => streams(instance, name),
        Some(("io", interface)) => io(instance, interface, name),
        Some(("clocks", interface)) => clocks(instance, interface, name),
        Some(("random", interface)) => random(instance, interface, name),
        Some(("cli", interface)) => cli(instance, interface, name),
        Some(("filesystem", "preopens")) if name == "get-directories" => instance
            .func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
            .map(|()| true),
        _ => Ok(false),
    }
}

fn streams(instance: &mut Instance<'_>, name: &str) -> Result<bool> {
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Input>, u64)| closed::<Vec<u8>>())
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Input>, u64)| closed::<u64>())
        }
        "[method]input-stream.subscribe" => {
            instance.func_wrap(name, |mut cx: Cx<'_>, _: (Resource<Input>,)| ready(&mut cx))
        }
        "[method]output-stream.subscribe" => {
            instance.func_wrap(name, |mut cx: Cx<'_>, _: (Resource<Output>,)| ready(&mut cx))
        }
        "[method]output-stream.check-write" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Output>,)| done(CHUNK_BYTES))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => instance
            .func_wrap(name, |mut cx: Cx<'_>, (to, bytes): (Resource<Output>, Vec<u8>)| {
                print(cx.data_mut(), Stream::of(to.rep()), &bytes);
                done(())
            }),
        "[method]output-stream.write-zeroes" | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Output>, u64)| done(()))
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Output>,)| done(()))
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Output>, Resource<Input>, u64)| closed::<u64>())
        }
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn io(instance: &mut Instance<'_>, interface: &str, name: &str) -> Result<bool> {
    match (interface, name) {
        ("error", "[method]error.to-debug-string") => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<IoError>,)| Ok(("denied".to_owned(),)))
        }
        ("poll", "[method]pollable.ready") => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Pollable>,)| Ok((true,)))
        }
        ("poll", "[method]pollable.block") => {
            instance.func_wrap(name, |_: Cx<'_>, _: (Resource<Pollable>,)| Ok(()))
        }
        // All that is waited for has happened, so nobody waits.
        ("poll", "poll") => instance.func_wrap(name, |_: Cx<'_>, (all,): (Vec<Resource<Pollable>>,)| {
            if all.is_empty() {
                bail!("it polls nothing, which would never end");
            }
            Ok(((0_u32..).zip(&all).map(|(index, _)| index).collect::<Vec<u32>>(),))
        }),
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn clocks(instance: &mut Instance<'_>, interface: &str, name: &str) -> Result<bool> {
    match (interface, name) {
        ("monotonic-clock", "now") => instance.func_wrap(name, |cx: Cx<'_>, ()| {
            let nanoseconds = now(cx.data()).as_nanos();
            Ok((u64::try_from(nanoseconds).unwrap_or(u64::MAX),))
        }),
        ("monotonic-clock", "resolution") => instance.func_wrap(name, |_: Cx<'_>, ()| Ok((1_u64,))),
        ("monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            instance.func_wrap(name, |mut cx: Cx<'_>, _: (u64,)| ready(&mut cx))
        }
        ("wall-clock", "now") => instance.func_wrap(name, |cx: Cx<'_>, ()| {
            let now = now(cx.data());
            Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
        }),
        ("wall-clock", "resolution") => {
            instance.func_wrap(name, |_: Cx<'_>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
        }
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn random(instance: &mut Instance<'_>, interface: &str, name: &str) -> Result<bool> {
    match (interface, name) {
        ("random", "get-random-u64") | ("insecure", "get-insecure-random-u64") => {
            instance.func_wrap(name, |mut cx: Cx<'_>, ()| Ok((cx.data_mut().wasi.random(),)))
        }
        ("random", "get-random-bytes") | ("insecure", "get-insecure-random-bytes") => {
            instance.func_wrap(name, |mut cx: Cx<'_>, (count,): (u64,)| {
                if count > CHUNK_BYTES {
                    bail!("it wants {count} random bytes at once, at most {CHUNK_BYTES} are possible");
                }
                let wasi = &mut cx.data_mut().wasi;
                let words = std::iter::repeat_with(|| wasi.random().to_le_bytes());
                let count = usize::try_from(count).unwrap_or(0);
                Ok((words.take(count.div_ceil(8)).flatten().take(count).collect::<Vec<u8>>(),))
            })
        }
        // Renamed between patches of 0.2.
        ("insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            instance.func_wrap(name, |mut cx: Cx<'_>, ()| {
                let wasi = &mut cx.data_mut().wasi;
                Ok(((wasi.random(), wasi.random()),))
            })
        }
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn cli(instance: &mut Instance<'_>, interface: &str, name: &str) -> Result<bool> {
    match (interface, name) {
        ("environment", "get-environment") => {
            instance.func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("environment", "get-arguments") => {
            instance.func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<String>::new(),)))
        }
        ("environment", "initial-cwd") => instance.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<String>,))),
        ("stdin", "get-stdin") => {
            instance.func_wrap(name, |mut cx: Cx<'_>, ()| Ok((handle::<Input>(&mut cx, 0)?,)))
        }
        ("stdout", "get-stdout") => instance
            .func_wrap(name, |mut cx: Cx<'_>, ()| Ok((handle::<Output>(&mut cx, Stream::Output.rep())?,))),
        ("stderr", "get-stderr") => instance
            .func_wrap(name, |mut cx: Cx<'_>, ()| Ok((handle::<Output>(&mut cx, Stream::Error.rep())?,))),
        ("terminal-stdin", "get-terminal-stdin") => {
            instance.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<Resource<TerminalInput>>,)))
        }
        ("terminal-stdout", "get-terminal-stdout") | ("terminal-stderr", "get-terminal-stderr") => {
            instance.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn closed<T>() -> Result<StreamResult<T>> {
    Ok((Err(StreamError::Closed),))
}

fn done<T>(value: T) -> Result<StreamResult<T>> {
    Ok((Ok(value),))
}

fn ready(cx: &mut Cx<'_>) -> Result<(Resource<Pollable>,)> {
    Ok((handle(cx, READY)?,))
}

fn now(sandbox: &Sandbox) -> Duration {
    Duration::from_millis(sandbox.wasi.moment.unix_ms)
}

fn print(sandbox: &mut Sandbox, stream: Stream, bytes: &[u8]) {
    let level = if stream == Stream::Error { Level::Warn } else { Level::Info };
    for line in sandbox.wasi.lines(stream, bytes) {
        sandbox.line(level, &line);
    }
}
