//! The flags about circuits: when the upstream is left alone, and for how long.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use buttress::breaker::{CircuitBreakerLayer, CircuitKey, Keyed, Policy};
use buttress::classify::Profile;
use buttress::core::Ratio;
use http::Request;

use crate::duration;
use crate::forward::Sent;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct BreakerArgs {
    /// After how many failures in a row an upstream is left alone for a while, for this credential
    #[arg(long, value_name = "N|off", default_value = "5")]
    breaker_failures: Switch<NonZeroU32>,

    /// Or after which share of failures among the calls of the last minute, if they are ten or more
    #[arg(long, value_name = "R|off", default_value = "0.5")]
    breaker_rate: Switch<Share>,

    /// How long it is left alone at first, before one call tries whether it is back; half as long again
    /// after each that finds it is not, to ten times as long
    #[arg(long, value_name = "D", default_value = "30s", value_parser = some_time)]
    breaker_open: Duration,
}

/// What can be turned off.
#[derive(Debug, Clone, Copy)]
struct Switch<T>(Option<T>);

/// A share, written as a number from 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Share(Ratio);

/// One circuit per credential.
pub(crate) type Breaker = CircuitBreakerLayer<Profile, Keyed<KeyOf, CircuitKey>>;
type KeyOf = fn(&Request<Sent>) -> CircuitKey;

impl BreakerArgs {
    fn policy(&self) -> Policy {
        let Self {
            breaker_failures: Switch(failures),
            breaker_rate: Switch(rate),
            breaker_open,
        } = self;
        Policy::DEFAULT
            .consecutive_failures(*failures)
            .failure_rate(rate.map(|Share(rate)| rate))
            .open_wait(*breaker_open, breaker_open.saturating_mul(10))
            // What an unpaid bill says holds for its own credential, which has a circuit of its own.
            .single_credential(failures.is_some() || rate.is_some())
    }

    /// The breaker in front of the upstream of this name.
    pub(super) fn layer(&self, profile: Profile, upstream: &str) -> Breaker {
        CircuitBreakerLayer::http(profile)
            .policy(self.policy())
            .name(upstream)
            .key(CircuitKey::credential as KeyOf)
    }
}

impl<T: FromStr> FromStr for Switch<T>
where
    T::Err: ToString,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong = |error: T::Err| format!("{}, or off", error.to_string());
        text.parse().map(|value| Self(Some(value))).map_err(wrong)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok();
        let ratio = number.and_then(|number| Ratio::try_new(number).ok());
        match ratio {
            Some(ratio) if ratio != Ratio::ZERO => Ok(Self(ratio)),
            _ => Err(format!(
                "`{text}` is not a share: write a number above 0, up to 1"
            )),
        }
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("an open circuit has to wait for some time".to_owned()),
        Ok(time) => Ok(time),
        Err(invalid) => Err(invalid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Args;

    fn policy(flags: &[&str]) -> Result<String, String> {
        let line = [&["gateway"], flags].concat();
        let args = Args::try_parse_from(line).map_err(|error| error.to_string())?;
        Ok(format!("{:?}", args.breaker.policy()))
    }

    #[test]
    fn the_flags_reach_the_policy() {
        let given = policy(&["--breaker-failures", "7", "--breaker-open", "2s"]).unwrap();
        assert!(
            given.contains("7") && given.contains("open_wait: 2s"),
            "{given}"
        );
        assert!(given.contains("single_credential: true"), "{given}");
    }

    #[test]
    fn with_both_off_nothing_opens() {
        let off = policy(&["--breaker-failures", "off", "--breaker-rate", "off"]).unwrap();
        assert!(off.contains("consecutive_failures: None"), "{off}");
        assert!(off.contains("failure_rate: None"), "{off}");
        assert!(off.contains("single_credential: false"), "{off}");
    }

    #[test]
    fn nonsense_is_refused_by_its_text() {
        for (flag, text) in [
            ("--breaker-failures", "0"),
            ("--breaker-failures", "none"),
            ("--breaker-rate", "0"),
            ("--breaker-rate", "1.5"),
            ("--breaker-rate", "NaN"),
            ("--breaker-rate", "50%"),
            ("--breaker-open", "0s"),
            ("--breaker-open", "off"),
        ] {
            let wrong = policy(&[flag, text]).unwrap_err();
            assert!(wrong.contains(text), "{wrong}");
        }
    }
}
