//! The flags about duplicates: whose a key is, and where answers are kept.

use std::convert::Infallible;
use std::fmt;

use buttress::idempotency::{Duplicates, IdempotencyLayer, Scope};
use buttress::idempotency_redis::RedisStore;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, ValueEnum};
use http::HeaderName;

use crate::forward;
use crate::limit::Limit;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct IdempotencyArgs {
    /// How long the answer to a POST or PATCH with an Idempotency-Key is kept for who sends it again; while
    /// the call is under way, they join it. Failures are not kept. Off, every request is a call
    #[arg(long, value_name = "D|off", default_value = "24h")]
    idempotency_ttl: Limit,

    /// The header that says whose a key is. Have a proxy in front set it: who can forge it gets the answers
    /// of others [default: all credentials of the request; without any it is not deduplicated]
    #[arg(long, value_name = "HEADER", value_parser = scope)]
    idempotency_scope: Option<HeaderName>,

    /// Deduplicate requests without a key, too, if they are alike to the byte, for a minute; asks for
    /// --idempotency-scope
    #[arg(long, value_name = "on|off", default_value = "off", action = ArgAction::Set,
          value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    idempotency_fingerprint: bool,

    /// Where answers are kept: memory, up to 256 MiB, or redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], which
    /// gateways share
    #[arg(long, value_name = "memory|URL", default_value = "memory", env = "IDEMPOTENCY_STORE",
          hide_env_values = true, value_parser = Location::read)]
    idempotency_store: Location,

    /// While Redis is down, requests with a key pass (open: a duplicate at another gateway is a call of its
    /// own), or are answered with a 503 (closed)
    #[arg(
        long,
        value_name = "open|closed",
        default_value = "open",
        hide_possible_values = true
    )]
    idempotency_fail: Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fail {
    Open,
    Closed,
}

/// `memory`, or a URL. It may hold a password, which neither a log nor an error shows.
#[derive(Clone, PartialEq, Eq)]
struct Location(String);

impl IdempotencyArgs {
    /// What no single flag can know, or may say.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.idempotency_fingerprint && self.idempotency_scope.is_none() {
            return Err(
                "--idempotency-fingerprint on asks for --idempotency-scope: two people may well \
                        send the same"
                    .to_owned(),
            );
        }
        self.store().map(drop)
    }

    /// The layer, with a store of its own.
    pub(super) fn layer<C>(&self, classify: C) -> IdempotencyLayer<C> {
        let layer = IdempotencyLayer::new(classify);
        let Limit(Some(ttl)) = self.idempotency_ttl else {
            return layer.duplicates(Duplicates::Repeat);
        };
        let layer = layer.ttl(ttl);
        let Some(scope) = self.idempotency_scope.clone() else {
            return layer;
        };
        let whose = move |head: &_| Scope::header(head, &scope);
        if self.idempotency_fingerprint {
            layer.scope(whose.clone()).fingerprints(whose)
        } else {
            layer.scope(whose)
        }
    }

    /// The store that is shared with others, if one is.
    pub(super) fn store(&self) -> Result<Option<RedisStore>, String> {
        let Location(url) = &self.idempotency_store;
        if url == Location::MEMORY {
            return Ok(None);
        }
        let wrong = |_| {
            let location = &self.idempotency_store;
            format!("`{location}` is no --idempotency-store: write memory, or redis://HOST:PORT")
        };
        let store = RedisStore::new(url).map_err(wrong)?;
        Ok(Some(match self.idempotency_fail {
            Fail::Open => store.fail_open(),
            Fail::Closed => store.fail_closed(),
        }))
    }
}

/// For the log.
impl fmt::Display for IdempotencyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            idempotency_ttl,
            idempotency_scope,
            idempotency_fingerprint,
            idempotency_store,
            idempotency_fail,
        } = self;
        write!(f, "idempotency {idempotency_ttl}")?;
        if idempotency_ttl.0.is_none() {
            return Ok(());
        }
        match idempotency_scope {
            Some(header) => write!(f, ", scope {header}")?,
            None => f.write_str(", scope credentials; without any, nothing is deduplicated")?,
        }
        let fingerprint = if *idempotency_fingerprint {
            "on"
        } else {
            "off"
        };
        write!(f, "; fingerprint {fingerprint}, store {idempotency_store}")?;
        if idempotency_store.0 != Location::MEMORY {
            let fail = format!("{idempotency_fail:?}").to_lowercase();
            write!(f, ", fails {fail}")?;
        }
        Ok(())
    }
}

impl Location {
    const MEMORY: &str = "memory";

    /// Never refused here, where what is wrong is repeated.
    fn read(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// Without user, password and parameters.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (front, host) = match self.0.rsplit_once('@') {
            Some((front, host)) => (Some(front), host),
            None => (None, &*self.0),
        };
        if let Some(front) = front {
            let scheme = front.split_once("://").map_or("", |(scheme, _)| scheme);
            write!(f, "{scheme}://…@")?;
        }
        f.write_str(host.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn scope(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .ok()
        .ok_or_else(|| format!("`{text}` is no name of a header"))?;
    if forward::stays_behind(&name) {
        return Err(format!("`{name}` is taken off before anybody looks at it"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Args;

    fn read(flags: &[&str]) -> Result<Args, String> {
        let line = [&["gateway"], flags].concat();
        let args = Args::try_parse_from(line).map_err(|error| error.to_string())?;
        args.check().map(|()| args)
    }

    fn shown(flags: &[&str]) -> String {
        read(flags).unwrap().idempotency.to_string()
    }

    #[test]
    fn what_is_on_is_said() {
        assert_eq!(
            shown(&[]),
            "idempotency 86400s, scope credentials; without any, nothing is deduplicated; \
             fingerprint off, store memory"
        );
        let flags = [
            "--idempotency-ttl",
            "1h",
            "--idempotency-scope",
            "X-Tenant",
            "--idempotency-fingerprint",
            "on",
            "--idempotency-store",
            "redis://me:secret@cache/3",
            "--idempotency-fail",
            "closed",
        ];
        assert_eq!(
            shown(&flags),
            "idempotency 3600s, scope x-tenant; fingerprint on, store redis://…@cache/3, fails closed"
        );
        assert_eq!(shown(&["--idempotency-ttl", "off"]), "idempotency off");
    }

    #[test]
    fn nonsense_is_refused_by_its_text() {
        for (flag, text) in [
            ("--idempotency-ttl", "0s"),
            ("--idempotency-ttl", "1d"),
            ("--idempotency-scope", "two words"),
            ("--idempotency-scope", "host"),
            ("--idempotency-scope", "x-buttress-tenant"),
            ("--idempotency-fingerprint", "perhaps"),
            ("--idempotency-store", "disk"),
            ("--idempotency-store", "http://cache/"),
            ("--idempotency-fail", "ajar"),
        ] {
            let wrong = read(&[flag, text]).unwrap_err();
            assert!(wrong.contains(text) && wrong.contains(flag), "{wrong}");
        }
        let wrong = read(&["--idempotency-fingerprint", "on"]).unwrap_err();
        assert!(wrong.contains("--idempotency-scope"), "{wrong}");
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in [
            "redis://:secret@[/",
            "redis://me:se?cret@[/",
            "me:secret@",
            "rediss://:secret@host?secret",
        ] {
            let wrong = read(&["--idempotency-store", url]).unwrap_err();
            assert!(!wrong.contains("cret"), "{wrong}");
            assert!(wrong.contains("--idempotency-store"), "{wrong}");
        }
        for url in ["redis://me:secret@host", "redis+unix:///path?pass=secret"] {
            let args = read(&["--idempotency-store", url]).unwrap();
            assert!(!format!("{args:?}").contains("secret"));
        }
    }
}
