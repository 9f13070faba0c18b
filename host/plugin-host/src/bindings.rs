//! The host's side of the contract, generated from `wit/plugin.wit`. Nothing else of the crate names a WIT type
//! but through here.

// The generator's output follows its own style, not ours.
#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::indexing_slicing)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "herdwick:plugin/signal-plugin",
});
