//! What the operator says about plugins: which are on, how much they count, what they may do. Checked values
//! only; whoever reads a file checks it.

use std::collections::BTreeMap;

/// Everything said about plugins.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginsConfig {
    /// Whether a file in the plugin folder goes live without being named here.
    pub auto_enable: bool,
    /// By plugin name.
    pub plugins: BTreeMap<String, PluginConfig>,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self { auto_enable: true, plugins: BTreeMap::new() }
    }
}

/// What is said about one plugin. The default is what holds for a plugin that nobody mentions.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// `None` = as [`PluginsConfig::auto_enable`] says; built-ins are on.
    pub enabled: Option<bool>,
    /// The multiplier of a signal's costs: finite, at least 0; 0 skips it.
    pub weight: f64,
    /// Whether its answers count.
    pub mode: Mode,
    /// What a fault of it means for the request; `None` = as its manifest says.
    pub on_fault: Option<OnFault>,
    /// What it may do beyond answering, if its manifest asks for it too.
    pub grants: Vec<Grant>,
    /// Its own settings.
    pub settings: BTreeMap<String, SettingValue>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            enabled: None,
            weight: 1.0,
            mode: Mode::Live,
            on_fault: None,
            grants: Vec::new(),
            settings: BTreeMap::new(),
        }
    }
}

impl PluginConfig {
    /// Whether a plugin that was loaded with this can stay as it is: weight, mode and being on or off do not
    /// reach into it.
    pub(crate) fn is_loaded_like(&self, other: &Self) -> bool {
        self.settings == other.settings && self.grants == other.grants && self.on_fault == other.on_fault
    }
}

/// Whether a signal's answers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They do.
    #[default]
    Live,
    /// It is asked on live traffic, and what it would have changed is counted.
    Shadow,
}

/// What a fault of a plugin means for the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// The others decide.
    #[default]
    Ignore,
    /// No signal decides: least in flight, then name order.
    Baseline,
    /// The request is refused with 503: for plugins that guard something.
    Reject,
}

/// A right beyond answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// A signal may refuse a candidate.
    Veto,
    /// The host fetches addresses for it.
    Http,
    /// It sees the beginning and the end of the prompt.
    Content,
}

impl Grant {
    /// Every grant there is.
    pub const ALL: [Self; 3] = [Self::Veto, Self::Http, Self::Content];

    /// As it is written in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Veto => "veto",
            Self::Http => "http",
            Self::Content => "content",
        }
    }
}

/// The value of a plugin's own setting.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// Any number; whole numbers too.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    Texts(Vec<String>),
}
