//! Durations as people write them: `500ms`, `1.5s`, `3m`, `1h`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Reads a number and its unit.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(invalid)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(invalid()),
    };
    // `f64` also reads "." and "5." and ".5": ask for digits on both sides of the point.
    if number.split('.').any(str::is_empty) {
        return Err(invalid());
    }
    let number: f64 = number.parse().ok().ok_or_else(invalid)?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .ok_or_else(invalid)
}

/// What was given is not a number with a unit, or is longer than a `Duration` can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidDuration(String);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a duration: write a number and ms, s, m or h, as in 500ms or 1.5s",
            self.0
        )
    }
}

impl Error for InvalidDuration {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn each_unit_is_understood() {
        for (text, millis) in [
            ("0s", 0),
            ("0ms", 0),
            ("500ms", 500),
            ("0.5ms", 0),
            ("1.5s", 1_500),
            ("007s", 7_000),
            ("3m", 180_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
        assert_eq!(parse("0.5ms").unwrap(), Duration::from_micros(500));
    }

    #[test]
    fn anything_else_is_refused_by_its_text() {
        let too_long = "9".repeat(400) + "h";
        for text in [
            "", "5", "ms", ".", ".5s", "5.s", "1.2.3s", "-1s", "+1s", "1e3s", "5 s", "5S", "5d",
            "inf", "NaN", "٣s", &too_long,
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
