//! One `--model` argument: a name, then flags and `key=value` pairs behind commas.

use std::str::FromStr;
use std::time::Duration;

use crate::keep_alive;
use crate::names;
use crate::spec::ModelSpec;

const KEYS: &str = "resident, load, first_token, prefill, token, tokens, boast, bytes, context, family, parameter_size, \
                    quantization, capabilities";

/// Reads it all; on failure every problem, each with its next step.
pub(super) fn read(text: &str) -> Result<ModelSpec, Vec<String>> {
    let mut parts = text.split(',').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let mut problems = Vec::new();
    if names::canonical(name).is_err() {
        problems.push(format!("--model {text}: {name:?} is no model name; write one like llama3.2:3b"));
    }
    let mut model = ModelSpec::new(name);
    for part in parts {
        if let Err(problem) = set(&mut model, part) {
            problems.push(format!("--model {name}: {problem}"));
        }
    }
    if problems.is_empty() { Ok(model) } else { Err(problems) }
}

fn set(model: &mut ModelSpec, part: &str) -> Result<(), String> {
    let (key, value) = match part.split_once('=') {
        Some(pair) => pair,
        None if part == "resident" => ("resident", "true"),
        None => return Err(format!("{part:?} is not understood; use one of {KEYS}")),
    };
    match key {
        "resident" => model.resident = plain(part, value, "true or false")?,
        "load" => model.load = duration(part, value)?,
        "first_token" => model.first_token = duration(part, value)?,
        "prefill" => model.prefill = rate(part, value)?,
        "token" => model.token = duration(part, value)?,
        "boast" => {
            let times: f64 = plain(part, value, "a number")?;
            if !times.is_finite() || times <= 0.0 {
                return Err(format!("{part} is not above 0; write how many times faster it claims to be"));
            }
            model.boast = times;
        }
        "tokens" => model.tokens = plain(part, value, "a whole number")?,
        "bytes" => model.bytes = bytes(part, value)?,
        "context" => model.context = plain(part, value, "a whole number of tokens")?,
        "family" => model.family = value.to_owned(),
        "parameter_size" => model.parameter_size = value.to_owned(),
        "quantization" => model.quantization = value.to_owned(),
        "capabilities" => model.capabilities = value.split('+').map(str::to_owned).collect(),
        _ => return Err(format!("{key:?} is not known; use one of {KEYS}")),
    }
    Ok(())
}

fn plain<T: FromStr>(part: &str, value: &str, wanted: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{part} is not {wanted}; write it in digits or words as the README does"))
}

fn rate(part: &str, value: &str) -> Result<f64, String> {
    let rate = value.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("{part} is no rate; write tokens per second like 1500"))
}

fn duration(part: &str, value: &str) -> Result<Duration, String> {
    let seconds = keep_alive::go_duration(value).ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| format!("{part} is not a duration; write one like 250ms, 2s or 1m30s"))
}

fn bytes(part: &str, value: &str) -> Result<u64, String> {
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => Some(1.0),
        "kB" | "KB" => Some(1e3),
        "MB" => Some(1e6),
        "GB" => Some(1e9),
        "KiB" => Some(1024.0),
        "MiB" => Some(1024.0 * 1024.0),
        "GiB" => Some(1024.0 * 1024.0 * 1024.0),
        _ => None,
    };
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) => Ok((number * factor) as u64),
        _ => Err(format!("{part} is not a size; write one like 2GB or 1.5GiB")),
    }
}
