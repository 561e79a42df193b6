//! Limits on the command line: a duration, or `off`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;

/// How long something may take; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

impl Limit {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Some(Duration::from_millis(millis)))
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match duration::parse(text) {
            Ok(Duration::ZERO) => Err("no time at all is no limit: write off for none".to_owned()),
            Ok(limit) => Ok(Self(Some(limit))),
            Err(invalid) => Err(format!("{invalid}, or off")),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, "{limit:?}"),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Limit;

    #[test]
    fn a_limit_is_a_duration_or_off() {
        assert_eq!("off".parse(), Ok(Limit(None)));
        assert_eq!(
            "1.5s".parse(),
            Ok(Limit(Some(Duration::from_millis(1_500))))
        );
        for text in ["", "Off", "none", "5", "0s", "0ms", "-1s"] {
            assert!(text.parse::<Limit>().unwrap_err().contains("off"), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        for text in ["off", "300ms", "1.5s", "600s"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
    }
}
