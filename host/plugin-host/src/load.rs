//! From bytes to something that can run: header, compilation, imports, exports, one trial. Off the request
//! path; every refusal says what is wrong and what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::{SignalPlugin, SignalPluginPre};
use crate::config::SettingValue;
use crate::engine::Ticker;
use crate::fault::{Fault, LoadError};
use crate::instance::{Instance, Setting, Value};
use crate::limits;
use crate::manifest::{self, Described};
use crate::package::{Digest, Package, Source};
use crate::sandbox::Sandbox;
use crate::trial;

/// A plugin that passed every check and can be instantiated any number of times.
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) digest: Digest,
    pub(crate) described: Described,
    pre: SignalPluginPre<Sandbox>,
}

/// What guests may import: the log. Types-only imports need no definition but a name.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Sandbox>, wasmtime::Error> {
    let mut linker = Linker::new(engine);
    SignalPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    Ok(linker)
}

/// Loads one plugin.
pub(crate) fn load(
    engine: &Engine,
    ticker: &Arc<Ticker>,
    linker: &Linker<Sandbox>,
    package: &Package,
) -> Result<Loaded, Vec<LoadError>> {
    let one = |problem: String| vec![LoadError { plugin: package.source.clone(), problem }];
    check_header(&package.bytes).map_err(one)?;
    let component = Component::new(engine, &package.bytes)
        .map_err(|error| one(format!("is no valid component: {error:#}; build it again")))?;
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        one(format!(
            "imports what plugins are not given: {error:#}; a plugin may import herdwick:plugin/log@0.1.0 only"
        ))
    })?;
    let pre = SignalPluginPre::new(pre).map_err(|error| {
        one(format!(
            "does not export the contract: {error:#}; build it for the world herdwick:plugin/signal-plugin@0.1.0"
        ))
    })?;
    let mut instance =
        Instance::new(engine, ticker, &pre).map_err(|fault| one(format!("cannot start: {fault}")))?;
    let manifest = instance.describe().map_err(|fault| one(format!("cannot describe itself: {fault}")))?;
    let described = manifest::check(&manifest)
        .map_err(|problems| problems.into_iter().flat_map(one).collect::<Vec<_>>())?;
    let loaded = Loaded { source: package.source.clone(), digest: package.digest(), described, pre };
    try_out(engine, ticker, &loaded).map_err(one)?;
    Ok(loaded)
}

/// The trial, repeated if time ran out.
fn try_out(engine: &Engine, ticker: &Arc<Ticker>, loaded: &Loaded) -> Result<(), String> {
    let mut tries = (0..limits::TRIALS).map(|_| {
        let instance = loaded.instance(engine, ticker, &BTreeMap::new());
        let mut instance = instance.map_err(|fault| (false, fault.to_string()))?;
        trial::run(&mut instance, &loaded.described)
    });
    let mut last = Ok(());
    for tried in &mut tries {
        match tried {
            Err((true, problem)) => last = Err(problem),
            settled => return settled.map_err(|(_, problem)| problem),
        }
    }
    last
}

impl Loaded {
    /// A configured instance, ready to be asked.
    pub(crate) fn instance(
        &self,
        engine: &Engine,
        ticker: &Arc<Ticker>,
        settings: &BTreeMap<String, SettingValue>,
    ) -> Result<Instance, Fault> {
        let mut instance = Instance::new(engine, ticker, &self.pre)?;
        instance.name(self.described.id.clone());
        let settings: Vec<Setting> = settings.iter().map(|(key, value)| setting(key, value)).collect();
        instance.configure(&settings)?.map_err(|problems| Fault::Refused(problems.join("; ")))?;
        Ok(instance)
    }
}

fn setting(key: &str, value: &SettingValue) -> Setting {
    let value = match value.clone() {
        SettingValue::Number(number) => Value::Number(number),
        SettingValue::Text(text) => Value::Text(text),
        SettingValue::Flag(flag) => Value::Flag(flag),
        SettingValue::Texts(texts) => Value::Texts(texts),
    };
    Setting { key: key.to_owned(), value }
}

/// Tells apart what people hand over by mistake, before the compiler speaks in its own words.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err("is empty; it may still be being written".to_owned()),
        [b'\0', b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00, ..] => {
            Err("is a core module, not a component; turn it into one with `wasm-tools component new`"
                .to_owned())
        }
        [b'\0', b'a', b's', b'm', ..] => {
            Err("is WebAssembly of a version that nobody can load; build it again".to_owned())
        }
        _ => Err("is no WebAssembly; give a .wasm component".to_owned()),
    }
}
