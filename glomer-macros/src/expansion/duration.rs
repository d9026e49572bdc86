//! The period of `#[every("250ms")]`.

use std::time::Duration;

const EXPECTED: &str =
    "write a whole number and `us`, `ms` or `s`, such as `\"250ms\"` or `\"2s\"`";

/// Reads a whole number and its unit: `us`, `ms` or `s`. The error says what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let micros: u64 = match unit {
        "us" if !number.is_empty() => 1,
        "ms" if !number.is_empty() => 1_000,
        "s" if !number.is_empty() => 1_000_000,
        _ => return Err(format!("`{text}` is not a period: {EXPECTED}")),
    };
    let number: Option<u64> = number.parse().ok();
    match number.and_then(|number| number.checked_mul(micros)) {
        Some(0) => Err(format!("a period is longer than zero: {EXPECTED}")),
        Some(micros) => Ok(Duration::from_micros(micros)),
        None => Err(format!("`{text}` is too long a period: {EXPECTED}")),
    }
}
