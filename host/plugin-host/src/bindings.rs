//! The host's side of the contract, generated from `wit/plugin.wit`. Nothing else of the crate names a WIT type
//! but through here.

// The generator's output follows its own style, not ours.
#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::indexing_slicing)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "herdwick:plugin/signal-plugin",
});

/// The world of fallback rules; what it imports is what signals import, so one linker serves both.
pub(crate) mod fallback {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "herdwick:plugin/fallback-plugin",
        with: {
            "herdwick:plugin/types": super::herdwick::plugin::types,
            "herdwick:plugin/log": super::herdwick::plugin::log,
        },
    });
}

/// The world of health plugins.
pub(crate) mod health {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "herdwick:plugin/health-plugin",
        with: {
            "herdwick:plugin/types": super::herdwick::plugin::types,
            "herdwick:plugin/log": super::herdwick::plugin::log,
        },
    });
}
