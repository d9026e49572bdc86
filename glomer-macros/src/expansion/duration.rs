//! The period of `#[every("250ms")]`.

use std::time::Duration;

/// Reads a whole number and its unit: `us`, `ms` or `s`. The error says what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let from: fn(u64) -> Duration = match unit {
        "us" => Duration::from_micros,
        "ms" => Duration::from_millis,
        "s" => Duration::from_secs,
        _ => return Err(format!("`{text}` is not a period: {EXPECTED}")),
    };
    match number.parse() {
        Ok(0) => Err(format!("a period is longer than zero: {EXPECTED}")),
        Ok(number) => Ok(from(number)),
        Err(_) if number.is_empty() => Err(format!("`{text}` is not a period: {EXPECTED}")),
        Err(_) => Err(format!("`{text}` is too long a period: {EXPECTED}")),
    }
}

const EXPECTED: &str =
    "write a whole number and `us`, `ms` or `s`, such as `\"250ms\"` or `\"2s\"`";
