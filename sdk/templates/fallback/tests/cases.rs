//! Runs the golden cases, compares plugin.toml with the code, and tries hostile input.

#[test]
fn cases_manifest_and_hostile_input() {
    herdwick_sdk::cases::check_fallback::<plugin::Plugin>(env!("CARGO_MANIFEST_DIR"));
}
