//! Log lines of a plugin: to the router in a component, to standard error in a native test.
//! Must not know: how the router limits, escapes and shows them.

use herdwick_sdk_contract_signal::herdwick::plugin::log as contract;

/// For the author, while writing the plugin.
pub fn debug(text: &str) {
    write(contract::Level::Debug, text);
}

/// Something an operator may want to know.
pub fn info(text: &str) {
    write(contract::Level::Info, text);
}

/// Something an operator should look at.
pub fn warn(text: &str) {
    write(contract::Level::Warn, text);
}

/// The plugin cannot do what it is for.
pub fn error(text: &str) {
    write(contract::Level::Error, text);
}

#[cfg(target_arch = "wasm32")]
fn write(level: contract::Level, text: &str) {
    contract::write(level, text);
}

// Calling the import natively would abort the test process.
#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::print_stderr, reason = "a native test has no router to log to")]
fn write(level: contract::Level, text: &str) {
    eprintln!("{level:?}: {text}");
}
