//! Plugins that tests need and nobody would ship. Each is WebAssembly text, assembled and made a component when
//! a test asks for it, so that no wasm toolchain is needed. Knows the contract's ABI and nothing of the host.

use std::fmt::Write as _;

use anyhow::Context as _;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

mod other;

pub use other::{Other, fallback, health};

const TEMPLATE: &str = include_str!("signal.wat");
const CONTRACT: &str = include_str!("../../../wit/plugin.wit");
const WASI: &str = include_str!("wasi.wit");
/// Where the constant data begin: above the null pointer.
const DATA_AT: usize = 16;

/// A signal plugin to assemble. The defaults are a well-behaved one that finds everything free of cost.
#[derive(Clone, Debug)]
pub struct Signal<'a> {
    /// What it calls itself.
    pub name: &'a str,
    /// The columns it asks for.
    pub columns: &'a [&'a str],
    /// The words it asks for.
    pub words: &'a [&'a str],
    /// Whether it asks for the right to veto.
    pub may_veto: bool,
    /// Body of the function from the address of a row (`local.get $row`) to its cost: an `f64`.
    pub one: &'a str,
    /// Body of `cost` from `$rows` and `$len` to the address of a result; `None` = [`Signal::one`] for each row.
    pub cost: Option<&'a str>,
    /// Body of `configure` from `$settings` and `$count` to the address of a result.
    pub configure: &'a str,
    /// Imports of the core module: what a toolchain would put there.
    pub imports: &'a str,
    /// Pages of 64 KiB that its memory begins with.
    pub pages: u32,
}

impl Default for Signal<'_> {
    fn default() -> Self {
        Self {
            name: "guest",
            columns: &[],
            words: &[],
            may_veto: false,
            one: "(f64.const 0)",
            cost: None,
            configure: "(call $ok (i32.const 0) (i32.const 0))",
            imports: "",
            pages: 4,
        }
    }
}

impl Signal<'_> {
    /// The component's bytes.
    ///
    /// # Errors
    /// The text is no WebAssembly or does not fit the contract.
    pub fn component(&self) -> anyhow::Result<Vec<u8>> {
        encode(&self.module()?)
    }

    /// The core module with its type inside, as a compiler leaves it.
    ///
    /// # Errors
    /// The text is no WebAssembly.
    pub fn module(&self) -> anyhow::Result<Vec<u8>> {
        typed(&self.text(), "signal-plugin")
    }

    /// The component of a signal that may import WASI 0.2, as far as `wasi.wit` has it.
    ///
    /// # Errors
    /// The text is no WebAssembly or does not fit.
    pub fn wasi_component(&self) -> anyhow::Result<Vec<u8>> {
        encode(&typed(&self.text(), "wasi-signal")?)
    }

    /// The core module without its type, as a linker leaves it when nobody tells it what it links.
    ///
    /// # Errors
    /// The text is no WebAssembly.
    pub fn bare_module(&self) -> anyhow::Result<Vec<u8>> {
        wat::parse_str(self.text()).context("the guest's text is no WebAssembly")
    }

    fn text(&self) -> String {
        let mut data = Data::default();
        // Whoever looks at the fleet wants to be told of it.
        let rights = [self.one.contains("$fleet"), self.may_veto];
        let manifest = data.manifest(self.name, self.columns, self.words, rights);
        let heap = (DATA_AT + data.bytes.len()).next_multiple_of(16);
        let cost = self.cost.unwrap_or("(call $each (local.get $rows) (local.get $len))");
        [
            ("{{configure}}", self.configure.to_owned()),
            ("{{imports}}", self.imports.to_owned()),
            ("{{pages}}", self.pages.to_string()),
            ("{{heap}}", heap.to_string()),
            ("{{one}}", self.one.to_owned()),
            ("{{cost}}", cost.to_owned()),
            ("{{width}}", (self.columns.len() + 1).to_string()),
            ("{{manifest}}", manifest.to_string()),
            ("{{data}}", data.escaped()),
        ]
        .into_iter()
        .fold(TEMPLATE.to_owned(), |text, (mark, value)| text.replace(mark, &value))
    }
}

/// The guest's constant data, laid out as the canonical ABI wants them.
#[derive(Clone, Debug, Default)]
struct Data {
    bytes: Vec<u8>,
}

impl Data {
    fn put(&mut self, bytes: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = DATA_AT + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        at
    }

    fn text(&mut self, text: &str) -> [u8; 8] {
        pair(self.put(text.as_bytes()), text.len())
    }

    fn texts(&mut self, texts: &[&str]) -> [u8; 8] {
        let items: Vec<u8> = texts.iter().flat_map(|text| self.text(text)).collect();
        pair(self.put(&items), texts.len())
    }

    fn manifest(&mut self, name: &str, columns: &[&str], words: &[&str], rights: [bool; 2]) -> usize {
        let fields = [
            self.text(name),
            self.text("0.0.1"),
            self.text("made by a test"),
            self.texts(columns),
            self.texts(words),
        ];
        let mut record = fields.concat();
        // wants-topology, may-veto, padding.
        record.extend(rights.map(u8::from));
        record.extend([0, 0]);
        self.put(&record)
    }

    /// As a string of the text format.
    fn escaped(&self) -> String {
        self.bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\{byte:02x}");
            text
        })
    }
}

/// Assembles a core module and puts the type of a world of the contract into it.
fn typed(text: &str, world: &str) -> anyhow::Result<Vec<u8>> {
    let mut module = wat::parse_str(text).context("the guest's text is no WebAssembly")?;
    let mut resolve = Resolve::default();
    let contract = resolve.push_str("plugin.wit", CONTRACT).context("wit/plugin.wit does not parse")?;
    let of_tests = resolve.push_str("wasi.wit", WASI).context("wasi.wit does not parse")?;
    let package = if world == "wasi-signal" { of_tests } else { contract };
    let world = resolve.select_world(&[package], Some(world))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    Ok(module)
}

fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .context("the guest does not fit the contract")
}

/// `bytes`, a module or a component, with a custom section at its end.
pub fn with_section(mut bytes: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut section = leb(name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(data);
    // Custom sections have the id 0 in modules and in components.
    bytes.push(0);
    bytes.extend(leb(section.len()));
    bytes.extend(section);
    bytes
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn pair(at: usize, len: usize) -> [u8; 8] {
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let (at, len) = (word(at), word(len));
    let mut both = [0; 8];
    for (to, from) in both.iter_mut().zip(at.into_iter().chain(len)) {
        *to = from;
    }
    both
}

/// `model-residency` turned round: the longer the load, the better.
pub fn inverted_residency() -> Signal<'static> {
    Signal {
        name: "model-residency",
        columns: &["model.state-level", "model.load-ms"],
        one: "(if (result f64) (f64.ge (f64.load offset=8 (local.get $row)) (f64.const 4))
            (then (f64.const 0))
            (else (f64.neg (f64.load offset=16 (local.get $row)))))",
        ..Signal::default()
    }
}

/// The same, also of what is in memory already.
pub fn inverted_reload() -> Signal<'static> {
    Signal {
        name: "model-residency",
        columns: &["model.load-ms"],
        one: "(f64.neg (f64.load offset=8 (local.get $row)))",
        ..Signal::default()
    }
}

/// Guests that break the contract, each with a few words that the host's fault must contain.
pub fn hostile() -> Vec<(Signal<'static>, &'static str)> {
    let guest = |name, cost| Signal { name, cost: Some(cost), ..Signal::default() };
    vec![
        (guest("traps", "unreachable"), "trapped"),
        (guest("spins", "(loop $on (br $on)) unreachable"), "longer than 5 ms"),
        (
            guest("eats-memory", "(loop $on (drop (memory.grow (i32.const 64))) (br $on)) unreachable"),
            "trapped",
        ),
        (guest("recurses", "(call $cost (local.get $rows) (local.get $len))"), "trapped"),
        (
            Signal {
                // 128 KiB of answer from a memory that holds them.
                name: "floods",
                cost: Some("(call $ok (i32.const 0) (i32.const 16384))"),
                ..Signal::default()
            },
            "more than 65536 bytes",
        ),
        (guest("short", "(call $ok (i32.const 0) (i32.const 0))"), "answered 0 numbers for"),
        (guest("long", "(call $ok (i32.const 0) (i32.const 100))"), "answered 100 numbers for"),
        (guest("lies", "(call $ok (i32.const 0) (i32.const 0x7fffffff))"), "out of bounds"),
        (Signal { name: "minus-infinity", one: "(f64.const -inf)", ..Signal::default() }, "minus infinity"),
    ]
}
