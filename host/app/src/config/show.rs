//! The configuration as it holds, for people and for programs: as TOML that could be a `herdwick.toml`, or as
//! JSON with the source of each value.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;
use toml::Value;

use super::Config;
use super::layers::Row;

/// Where comments begin, if the value leaves room.
const COMMENT_COLUMN: usize = 40;

/// Which folders and files there are, as comments.
pub(crate) fn places(config: &Config) -> String {
    let mut out = String::new();
    for (what, path) in places_of(config) {
        let text = match path {
            Some(path) if path.exists() => path.display().to_string(),
            Some(path) => format!("{} (not there)", path.display()),
            None => "nowhere: no home folder is known".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# {what:<14} {text}");
    }
    out.push('\n');
    out
}

/// All settings as TOML, without comments.
pub(crate) fn settings(config: &Config) -> String {
    text(&config.rows, false)
}

/// All settings as TOML, each with its source.
pub(crate) fn settings_with_sources(config: &Config) -> String {
    text(&config.rows, true)
}

/// Everything as JSON.
pub(crate) fn json(config: &Config) -> String {
    let settings = config
        .rows
        .iter()
        .map(|row| json!({ "key": row.key, "value": row.value, "source": row.source.source() }));
    let places = places_of(config)
        .map(|(what, path)| (what.to_owned(), json!(path.map(|path| path.display().to_string()))));
    let all = json!({
        "settings": settings.collect::<Vec<_>>(),
        "places": serde_json::Map::from_iter(places),
        "warnings": config.warnings,
    });
    format!("{all:#}\n")
}

fn places_of(config: &Config) -> [(&'static str, Option<PathBuf>); 5] {
    let paths = &config.paths;
    [
        ("configuration", paths.config_file()),
        ("overrides", paths.overrides_file()),
        ("plugins", paths.plugins_dir()),
        ("state", paths.state_dir()),
        ("cache", paths.cache_dir()),
    ]
}

fn text(rows: &[Row], with_sources: bool) -> String {
    let mut out = String::new();
    let mut section = "";
    for row in rows {
        let source = if with_sources { row.source.source() } else { String::new() };
        let (of, name) = split(&row.key);
        match &row.value {
            Value::Array(tables) if tables.first().is_some_and(Value::is_table) => {
                for table in tables.iter().filter_map(Value::as_table) {
                    out.push('\n');
                    line(&mut out, &format!("[[{}]]", row.key), &source);
                    for (name, value) in table {
                        line(&mut out, &format!("{name} = {value}"), "");
                    }
                }
            }
            value => {
                if of != section {
                    out.push('\n');
                    line(&mut out, &format!("[{of}]"), "");
                    section = of;
                }
                line(&mut out, &format!("{name} = {value}"), &source);
            }
        }
    }
    out
}

fn line(out: &mut String, text: &str, source: &str) {
    // Writing to a string cannot fail.
    let _ = match source {
        "" => writeln!(out, "{text}"),
        _ => writeln!(out, "{text:<COMMENT_COLUMN$} # {source}"),
    };
}

/// The section of a key and its name there. Settings of a plugin stand in the plugin's section.
fn split(key: &str) -> (&str, &str) {
    match key.find(".settings.") {
        Some(dot) => (key.get(..dot).unwrap_or_default(), key.get(dot + 1..).unwrap_or_default()),
        None => super::nearest::parts(key),
    }
}
