//! The export macros: they turn a type into the exports of a component, on `wasm32` only.
//! Must not know: what a plugin decides. Everything public here serves the macros and is no part of the interface.

pub use herdwick_sdk_contract_fallback as fallback;
pub use herdwick_sdk_contract_health as health;
pub use herdwick_sdk_contract_signal as signal;

pub use crate::fallback::FallbackRunner;
pub use crate::health::HealthRunner;
pub use crate::identity::{Identity, bytes};
pub use crate::signal::SignalRunner;

use crate::{Column, Fallback, Health, Signal, Word};

/// What `describe` answers, apart from the identity; each kind of plugin has its own generated type for it.
#[derive(Debug)]
pub struct Wants {
    /// Names of the columns, optional ones with their mark.
    pub columns: Vec<String>,
    /// Names of the words.
    pub words: Vec<String>,
}

/// The wants of a plugin with these constants.
pub fn wants(columns: &[Column], words: &[Word]) -> Wants {
    Wants {
        columns: columns.iter().map(|column| column.declared()).collect(),
        words: words.iter().map(|word| word.name().to_owned()).collect(),
    }
}

/// Keeps the type in use natively, where nothing is exported.
pub const fn is_signal<S: Signal>() {}

/// Keeps the type in use natively, where nothing is exported.
pub const fn is_fallback<F: Fallback>() {}

/// Keeps the type in use natively, where nothing is exported.
pub const fn is_health<H: Health>() {}

/// Makes a component of a [`Signal`](crate::Signal), with the crate's `plugin.toml` inside.
///
/// Use it once, at the root of the crate. `manifest: "…"` replaces the file. Natively it exports nothing, so
/// that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_signal {
    ($plugin:ty) => {
        $crate::export_signal!($plugin, manifest: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml")));
    };
    ($plugin:ty, manifest: $manifest:expr) => {
        const _: $crate::export::Identity = $crate::export::Identity::of($manifest);
        const _: () = $crate::export::is_signal::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exports and a link section; generated, nothing in it is the author's")]
        const _: () = {
            use $crate::export::signal::exports::herdwick::plugin::{explain, lifecycle, signal};

            $crate::__export_lifecycle!($plugin, $manifest, signal, SignalRunner, <$plugin as $crate::Signal>::MAY_VETO);

            impl signal::Guest for Export {
                fn cost(rows: Vec<f64>) -> Result<Vec<f64>, String> {
                    RUNNER.with_borrow(|runner| runner.cost(&[], &rows))
                }
                fn cost_for(words: Vec<String>, rows: Vec<f64>) -> Result<Vec<f64>, String> {
                    RUNNER.with_borrow(|runner| runner.cost(&words, &rows))
                }
            }

            impl explain::Guest for Export {
                fn explain(words: Vec<String>, rows: Vec<f64>) -> Vec<String> {
                    RUNNER.with_borrow(|runner| runner.explain(&words, &rows))
                }
            }

            $crate::export::signal::export!(Export with_types_in $crate::export::signal);
        };
    };
}

/// Makes a component of a [`Fallback`](crate::Fallback), with the crate's `plugin.toml` inside.
///
/// Use it once, at the root of the crate. `manifest: "…"` replaces the file. Natively it exports nothing.
#[macro_export]
macro_rules! export_fallback {
    ($plugin:ty) => {
        $crate::export_fallback!($plugin, manifest: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml")));
    };
    ($plugin:ty, manifest: $manifest:expr) => {
        const _: $crate::export::Identity = $crate::export::Identity::of($manifest);
        const _: () = $crate::export::is_fallback::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exports and a link section; generated, nothing in it is the author's")]
        const _: () = {
            use $crate::export::fallback::exports::herdwick::plugin::{fallback, lifecycle};

            $crate::__export_lifecycle!($plugin, $manifest, fallback, FallbackRunner, false);

            impl fallback::Guest for Export {
                fn next(
                    words: Vec<String>,
                    tried: Vec<fallback::Attempt>,
                    eliminated: Vec<fallback::Elimination>,
                    rows: Vec<f64>,
                ) -> Result<fallback::Step, String> {
                    RUNNER.with_borrow(|runner| runner.next(&words, &tried, &eliminated, &rows))
                }
            }

            $crate::export::fallback::export!(Export with_types_in $crate::export::fallback);
        };
    };
}

/// Makes a component of a [`Health`](crate::Health) plugin, with the crate's `plugin.toml` inside.
///
/// Use it once, at the root of the crate. `manifest: "…"` replaces the file. Natively it exports nothing.
#[macro_export]
macro_rules! export_health {
    ($plugin:ty) => {
        $crate::export_health!($plugin, manifest: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml")));
    };
    ($plugin:ty, manifest: $manifest:expr) => {
        const _: $crate::export::Identity = $crate::export::Identity::of($manifest);
        const _: () = $crate::export::is_health::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exports and a link section; generated, nothing in it is the author's")]
        const _: () = {
            use $crate::export::health::exports::herdwick::plugin::{health, lifecycle};

            $crate::__export_lifecycle!($plugin, $manifest, health, HealthRunner, false);

            impl health::Guest for Export {
                fn checks() -> Vec<health::Check> {
                    RUNNER.with_borrow(|runner| runner.checks())
                }
                fn plan() -> Vec<health::Probe> {
                    RUNNER.with_borrow(|runner| runner.plan())
                }
                fn judge(facts: Vec<health::Fact>, replies: Vec<health::Reply>) -> Vec<health::Finding> {
                    RUNNER.with_borrow(|runner| runner.judge(&facts, &replies))
                }
            }

            $crate::export::health::export!(Export with_types_in $crate::export::health);
        };
    };
}

/// What the three kinds share: the manifest's section, the one instance, and `lifecycle`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_lifecycle {
    ($plugin:ty, $manifest:expr, $kind:ident, $runner:ident, $may_veto:expr) => {
        const TEXT: &str = $manifest;

        #[used]
        #[unsafe(link_section = "herdwick:manifest")]
        static MANIFEST: [u8; TEXT.len()] = $crate::export::bytes(TEXT);

        // A component has one thread, and none of the runner's methods calls another export: no borrow can fail.
        ::std::thread_local! {
            static RUNNER: ::std::cell::RefCell<$crate::export::$runner<$plugin>> =
                const { ::std::cell::RefCell::new($crate::export::$runner::new()) };
        }

        struct Export;

        impl lifecycle::Guest for Export {
            fn describe() -> lifecycle::Manifest {
                const IDENTITY: $crate::export::Identity = $crate::export::Identity::of(TEXT);
                let wants = $crate::export::$runner::<$plugin>::wants();
                lifecycle::Manifest {
                    name: IDENTITY.name.to_owned(),
                    version: IDENTITY.version.to_owned(),
                    summary: IDENTITY.summary.to_owned(),
                    columns: wants.columns,
                    words: wants.words,
                    wants_topology: $crate::export::$runner::<$plugin>::WANTS_TOPOLOGY,
                    may_veto: $may_veto,
                }
            }
            fn configure(settings: Vec<$crate::Setting>) -> Result<(), Vec<String>> {
                RUNNER.with_borrow_mut(|runner| runner.configure(settings))
            }
            fn topology(generation: u32, models: Vec<$crate::Model>, backends: Vec<$crate::Backend>) {
                let topology = $crate::Topology { generation, models: &models, backends: &backends };
                RUNNER.with_borrow_mut(|runner| runner.topology(topology));
            }
        }
    };
}
