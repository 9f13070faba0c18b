//! Where files lie by the customs of each platform: a function of the platform and the environment. Touches no
//! file, so that it is tested for all platforms on one.

use std::path::PathBuf;

use super::env::{Env, Platform};

/// The folder of ours in folders that many programs share.
const NAME: &str = "herdwick";

/// Places that were named on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) config: Option<PathBuf>,
    pub(crate) config_dir: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) cache_dir: Option<PathBuf>,
}

/// Where files lie. A folder is `None` when the environment does not even name a home.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paths {
    config: Option<PathBuf>,
    config_dir: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    /// Somebody named the file, so it must be there.
    pub(crate) config_is_named: bool,
    /// Somebody named the folder, so it must be there.
    pub(crate) config_dir_is_named: bool,
    /// Somebody named the folder, so it must be of use.
    pub(crate) state_dir_is_named: bool,
}

impl Paths {
    /// Named on the command line, else named in the environment, else where the platform wants them.
    pub(crate) fn find(env: &Env, named: &Named) -> Self {
        let said = |flag: &Option<PathBuf>, variable: &str| {
            flag.clone().or_else(|| env.get(variable).map(PathBuf::from))
        };
        let config = said(&named.config, "HERDWICK_CONFIG");
        let config_dir = said(&named.config_dir, "HERDWICK_CONFIG_DIR");
        let state_dir = said(&named.state_dir, "HERDWICK_STATE_DIR");
        let customs = Customs::of(env);
        Self {
            config_is_named: config.is_some(),
            config_dir_is_named: config_dir.is_some(),
            state_dir_is_named: state_dir.is_some(),
            config,
            config_dir: config_dir.or(customs.config),
            state_dir: state_dir.or(customs.state),
            cache_dir: said(&named.cache_dir, "HERDWICK_CACHE_DIR").or(customs.cache),
        }
    }

    /// `herdwick.toml`, written by people.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| self.in_config_dir("herdwick.toml"))
    }

    /// `overrides.toml`, written by the program.
    pub(crate) fn overrides_file(&self) -> Option<PathBuf> {
        self.in_config_dir("overrides.toml")
    }

    /// Plugins that are dropped there are loaded.
    pub(crate) fn plugins_dir(&self) -> Option<PathBuf> {
        self.in_config_dir("plugins")
    }

    /// The folder of the two files and of `plugins/`.
    pub(crate) fn config_dir(&self) -> Option<PathBuf> {
        self.config_dir.clone()
    }

    /// What must survive: databases, keys.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        self.state_dir.clone()
    }

    /// What can be made again: compiled plugins.
    pub(crate) fn cache_dir(&self) -> Option<PathBuf> {
        self.cache_dir.clone()
    }

    fn in_config_dir(&self, name: &str) -> Option<PathBuf> {
        self.config_dir.as_ref().map(|folder| folder.join(name))
    }
}

/// Where a platform wants things.
struct Customs {
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
}

impl Customs {
    fn of(env: &Env) -> Self {
        match env.platform {
            Platform::Linux => Self {
                config: xdg(env, "XDG_CONFIG_HOME", ".config"),
                state: xdg(env, "XDG_STATE_HOME", ".local/state"),
                cache: xdg(env, "XDG_CACHE_HOME", ".cache"),
            },
            Platform::MacOs => {
                let library = folder(env, "HOME").map(|home| home.join("Library"));
                let support = library.as_ref().map(|library| library.join("Application Support").join(NAME));
                Self {
                    state: support.as_ref().map(|support| support.join("state")),
                    config: support,
                    cache: library.map(|library| library.join("Caches").join(NAME)),
                }
            }
            Platform::Windows => {
                let local = folder(env, "LOCALAPPDATA").map(|local| local.join(NAME));
                Self {
                    config: folder(env, "APPDATA").map(|roaming| roaming.join(NAME)),
                    cache: local.as_ref().map(|local| local.join("cache")),
                    state: local,
                }
            }
        }
    }
}

fn folder(env: &Env, variable: &str) -> Option<PathBuf> {
    env.get(variable).map(PathBuf::from)
}

/// A folder of the XDG base directory specification, which says that a relative one is to be ignored.
fn xdg(env: &Env, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = folder(env, variable).filter(|folder| folder.has_root());
    absolute.or_else(|| folder(env, "HOME").map(|home| home.join(below_home))).map(|base| base.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Configuration, overrides, plugins, state, cache; with `/` also where the tests run on Windows.
    fn found(platform: Platform, variables: &[(&str, &str)], named: &Named) -> [String; 5] {
        let paths = Paths::find(&Env::of(platform, variables), named);
        let text = |path: Option<PathBuf>| {
            path.map_or("none".to_owned(), |path| path.to_string_lossy().replace('\\', "/"))
        };
        [
            paths.config_file(),
            paths.overrides_file(),
            paths.plugins_dir(),
            paths.state_dir(),
            paths.cache_dir(),
        ]
        .map(text)
    }

    #[test]
    fn each_platform_has_its_customs() {
        let home = ("HOME", "/home/ada");
        let xdg = [
            home,
            ("XDG_CONFIG_HOME", "/etc/ada"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_CACHE_HOME", "/tmp/cache"),
        ];
        let windows = [("APPDATA", "C:/Users/ada/Roaming"), ("LOCALAPPDATA", "C:/Users/ada/Local")];
        for (platform, variables, folders) in [
            (
                Platform::Linux,
                &[home][..],
                [
                    "/home/ada/.config/herdwick",
                    "/home/ada/.local/state/herdwick",
                    "/home/ada/.cache/herdwick",
                ],
            ),
            (
                Platform::Linux,
                &xdg,
                ["/etc/ada/herdwick", "/home/ada/.local/state/herdwick", "/tmp/cache/herdwick"],
            ),
            (
                Platform::MacOs,
                &[home],
                [
                    "/home/ada/Library/Application Support/herdwick",
                    "/home/ada/Library/Application Support/herdwick/state",
                    "/home/ada/Library/Caches/herdwick",
                ],
            ),
            (
                Platform::Windows,
                &windows,
                [
                    "C:/Users/ada/Roaming/herdwick",
                    "C:/Users/ada/Local/herdwick",
                    "C:/Users/ada/Local/herdwick/cache",
                ],
            ),
        ] {
            let [config, state, cache] = folders;
            assert_eq!(
                found(platform, variables, &Named::default()),
                [
                    format!("{config}/herdwick.toml"),
                    format!("{config}/overrides.toml"),
                    format!("{config}/plugins"),
                    state.to_owned(),
                    cache.to_owned(),
                ],
                "{platform:?}"
            );
        }
    }

    #[test]
    fn without_a_home_there_is_no_folder() {
        for platform in [Platform::Linux, Platform::MacOs, Platform::Windows] {
            assert_eq!(found(platform, &[("HOME", "")], &Named::default()), ["none"; 5], "{platform:?}");
        }
    }

    #[test]
    fn a_flag_is_stronger_than_a_variable_and_both_than_custom() {
        let variables = [
            ("HOME", "/home/ada"),
            ("HERDWICK_CONFIG", "v.toml"),
            ("HERDWICK_CONFIG_DIR", "v"),
            ("HERDWICK_STATE_DIR", "vs"),
            ("HERDWICK_CACHE_DIR", "vc"),
        ];
        let named = Named {
            config: Some("f.toml".into()),
            config_dir: Some("f".into()),
            state_dir: Some("fs".into()),
            cache_dir: Some("fc".into()),
        };
        assert_eq!(
            found(Platform::Linux, &variables, &Named::default()),
            ["v.toml", "v/overrides.toml", "v/plugins", "vs", "vc"]
        );
        assert_eq!(
            found(Platform::Linux, &variables, &named),
            ["f.toml", "f/overrides.toml", "f/plugins", "fs", "fc"]
        );
    }
}
