//! Guests of the other two kinds: a fallback rule and a health plugin, each with one body to fill in.

use crate::{DATA_AT, Data, encode, pair, typed};

const TEMPLATE: &str = include_str!("other.wat");

/// A fallback or health plugin to assemble.
#[derive(Clone, Debug)]
pub struct Other {
    name: String,
    world: &'static str,
    exports: String,
    data: Data,
}

/// A fallback rule. `next` is the body of the function from `$words`, `$tried`, `$eliminated`, `$rows` (each with
/// its number in `$…_s`) to the address of its answer, for which there are 16 bytes at 32.
pub fn fallback(name: &str, next: &str) -> Other {
    let exports = format!(
        r#"(func (export "herdwick:plugin/fallback@0.1.0#next")
             (param $words i32) (param $words_s i32) (param $tried i32) (param $tried_s i32)
             (param $eliminated i32) (param $eliminated_s i32) (param $rows i32) (param $rows_s i32)
             (result i32) {next})"#
    );
    let mut data = Data::default();
    data.put(&[0; 32]);
    Other { name: name.to_owned(), world: "fallback-plugin", exports, data }
}

/// A health plugin with one check, one probe and, `findings` times, one finding.
pub fn health(name: &str, findings: usize) -> Other {
    let mut data = Data::default();
    // A result for `configure`, and more zeros for whoever needs them.
    data.put(&[0; 32]);
    let check = [data.text("c"), data.text("looks"), data.texts(&["node.free"])].concat();
    let check = data.put(&check);
    let checks = data.put(&pair(check, 1));
    let path = data.text("/api/ps");
    let probe = [&[7, 0, 0, 0, 1, 0, 0, 0][..], &path, &[1, 0, 0, 0, 2, 0, 0, 0]].concat();
    let probe = data.put(&probe);
    let plan = data.put(&pair(probe, 1));
    let none = pair(0, 0);
    let finding = [
        &data.text("c")[..],
        // Severity `critical`, padding.
        &[2, 0, 0, 0],
        &data.text("node:a"),
        &data.text("it's\u{1b}[2J down"),
        &data.text("d"),
        &data.text("a"),
        // Some command.
        &[1, 0, 0, 0],
        &data.text("reboot"),
        // No evidence, after five seconds, out of rotation.
        &none,
        &[5, 0, 0, 0, 1, 0, 0, 0],
    ]
    .concat();
    let first = data.put(&finding.repeat(findings));
    let found = data.put(&pair(first, findings));
    let exports = format!(
        r#"(func (export "herdwick:plugin/health@0.1.0#checks") (result i32) (i32.const {checks}))
           (func (export "herdwick:plugin/health@0.1.0#plan") (result i32) (i32.const {plan}))
           (func (export "herdwick:plugin/health@0.1.0#judge") (param i32 i32 i32 i32) (result i32)
             (i32.const {found}))"#
    );
    Other { name: name.to_owned(), world: "health-plugin", exports, data }
}

impl Other {
    /// The component's bytes.
    ///
    /// # Errors
    /// The text is no WebAssembly or does not fit the contract.
    pub fn component(&self) -> anyhow::Result<Vec<u8>> {
        let mut data = self.data.clone();
        let manifest = data.manifest(&self.name, &[], &[], [false; 2]);
        let heap = (DATA_AT + data.bytes.len()).next_multiple_of(16);
        let text = [
            ("{{heap}}", heap.to_string()),
            ("{{manifest}}", manifest.to_string()),
            ("{{world}}", self.exports.clone()),
            ("{{data}}", data.escaped()),
        ]
        .into_iter()
        .fold(TEMPLATE.to_owned(), |text, (mark, value)| text.replace(mark, &value));
        encode(&typed(&text, self.world)?)
    }
}
