//! The command line.

mod breaker;
pub(crate) mod fallback;
mod idempotency;
mod streams;

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, Ratio};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::idempotency::IdempotencyLayer;
use buttress::idempotency_redis::RedisStore;
use buttress::judge::JudgeLayer;
use buttress::retry::RetryLayer;
use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory as _, Parser};

pub(crate) use self::breaker::Breaker;
use self::breaker::BreakerArgs;
use self::fallback::FallbackArgs;
pub(crate) use self::fallback::{LARGER_MODEL, STATIC, StaticAnswer, names};
use self::idempotency::IdempotencyArgs;
use self::streams::{StreamArgs, Streams};
use crate::duration;
use crate::limit::Limit;
use crate::log::Format;
use crate::upstream::Upstream;

/// The retry layer's own defaults.
const RETRY_CAP: Duration = Duration::from_secs(8);
const THROTTLED_CAP: Duration = Duration::from_secs(30);

/// A streaming gateway in front of LLM APIs that retries what is safe to retry.
///
/// Any method and path is passed on, streaming both ways. Without --upstream two scripted ones are
/// started inside, one of which misbehaves, so that it works with no key and no network.
///
/// Durations are a number and a unit: 500ms, 1.5s, 3m, 1h. A limit may be off.
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway")]
pub(crate) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Where requests go; repeatable: each is asked if those before fail. The caller's credentials go to
    /// the first one's origin only; the others' keys are `NAME_API_KEY` in the environment
    #[arg(long = "upstream", value_name = "URL|NAME=URL")]
    pub(crate) upstreams: Vec<Upstream>,

    /// How to read the upstreams' answers: openai, azure, anthropic, gemini, bedrock, mistral, groq,
    /// openrouter, vllm, grpc or generic
    #[arg(long, value_name = "NAME", default_value = "openai", value_parser = Profile::by_name)]
    pub(crate) profile: Profile,

    /// How long a request may take, all calls upstream included; each of these is told in
    /// x-envoy-expected-rq-timeout-ms what is left. A client can shorten it, by that or grpc-timeout
    #[arg(long, value_name = "D|off", default_value = "off")]
    budget: Limit,

    #[command(flatten)]
    fallback: FallbackArgs,

    /// Calls per request and upstream at most, the first one included
    #[arg(long, value_name = "N", default_value = "3", value_parser = at_least_one)]
    max_attempts: NonZeroU32,

    /// The wait before the first retry, doubled before each further one, then spread by chance
    #[arg(long, value_name = "D", default_value = "500ms", value_parser = duration::parse)]
    retry_base: Duration,

    /// The longest such wait; what an upstream tells us to wait may be longer [default: 8s, and 30s
    /// where it is throttling or overloaded]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    retry_cap: Option<Duration>,

    /// Told to wait for longer, pass the answer on at once
    #[arg(long, value_name = "D", default_value = "60s", value_parser = duration::parse)]
    max_hint: Duration,

    /// Retry a POST although the upstream may have acted on it: after a reset without an answer
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set,
          value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    retry_ambiguous: bool,

    /// How much of a request's body is kept for a retry; a longer one goes out once
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    pub(crate) max_replay: usize,

    /// How long a stream is held back until its first content, so that one that dies before it can be
    /// retried; 0ms passes streams on at once
    #[arg(long, value_name = "D", default_value = "5s", value_parser = duration::parse)]
    hold_wait: Duration,

    /// How much of a stream is held back at most
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10)]
    hold_bytes: u64,

    #[command(flatten)]
    breaker: BreakerArgs,

    #[command(flatten)]
    streams: StreamArgs,

    #[command(flatten)]
    idempotency: IdempotencyArgs,

    /// How long a connection upstream may take, TLS included
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration::parse)]
    pub(crate) connect_timeout: Duration,

    /// After SIGINT or SIGTERM, how long requests in flight may take to finish
    #[arg(long, value_name = "D", default_value = "30s", value_parser = duration::parse)]
    pub(crate) drain: Duration,

    /// Logs on stderr, for whom
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) log: Format,

    /// The luck of the scripted upstream, once it has shown a stall, a 429, a silence and a crash
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        conflicts_with = "upstreams"
    )]
    pub(crate) seed: u64,
}

impl Args {
    /// Reads the command line; whatever is wrong with it ends the process with code 2.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if let Err(wrong) = args.check() {
            Self::command()
                .error(ErrorKind::ValueValidation, wrong)
                .exit();
        }
        args
    }

    /// What no single flag can know.
    fn check(&self) -> Result<(), String> {
        let (base, cap) = (self.retry_base, self.retry_cap.unwrap_or(RETRY_CAP));
        if base > cap {
            return Err(format!(
                "--retry-base {base:?} is above --retry-cap {cap:?}"
            ));
        }
        self.streams.check()?;
        self.idempotency.check()?;
        let mut taken = HashSet::from([LARGER_MODEL.to_owned(), STATIC.to_owned()]);
        match names(&self.upstreams).find(|name| !taken.insert(name.clone())) {
            Some(twice) if twice == LARGER_MODEL || twice == STATIC => {
                Err(format!("an upstream cannot be named `{twice}`"))
            }
            Some(twice) => Err(format!("two upstreams are named `{twice}`")),
            None => Ok(()),
        }
    }

    /// Whether the upstreams are our own.
    pub(crate) fn is_demo(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// The time of a request. Off, what a client says of its own still holds.
    pub(crate) fn timeout_budget(&self) -> TimeoutBudgetLayer {
        TimeoutBudgetLayer::new(self.budget.0.unwrap_or(Duration::MAX))
    }

    /// What each call gets of it: all that is left, and nine tenths of that to begin if there is an answer for
    /// when it does not.
    pub(crate) fn budget_share(&self) -> BudgetShareLayer {
        let share = BudgetShareLayer::all().announce(self.budget.0.is_some());
        match self.fallback.static_fallback {
            Some(_) => share.attempt_share(Ratio::percent(90)),
            None => share,
        }
    }

    pub(crate) fn larger_model(&self) -> Option<&str> {
        self.fallback.larger_model.as_deref()
    }

    pub(crate) fn static_answer(&self) -> Option<StaticAnswer> {
        self.fallback.static_fallback.clone()
    }

    /// The idempotency layer as these flags want it, but for a store that is shared.
    ///
    /// Nobody waits longer than the budget for a call that is shared, and each call upstream has limits of its own.
    pub(crate) fn idempotency<C>(&self, classify: C) -> IdempotencyLayer<C> {
        let max_run = self.budget.0.unwrap_or(Duration::MAX);
        self.idempotency.layer(classify).max_run(max_run)
    }

    /// The store that this gateway shares with others, if there is one.
    pub(crate) fn shared_store(&self) -> Result<Option<RedisStore>, String> {
        self.idempotency.store()
    }

    /// For the log: what these flags say about duplicates.
    pub(crate) const fn on_idempotency(&self) -> &impl fmt::Display {
        &self.idempotency
    }

    /// The retry layer as these flags want it.
    pub(crate) fn retry(&self) -> RetryLayer<Profile> {
        RetryLayer::llm(self.profile)
            .max_attempts(self.max_attempts)
            .backoff(Backoff::exponential(
                self.retry_base,
                self.retry_cap.unwrap_or(RETRY_CAP),
            ))
            .throttled_cap(self.retry_cap.unwrap_or(THROTTLED_CAP))
            .max_hint(self.max_hint)
            .max_replay(self.max_replay)
            .retry_ambiguous(self.retry_ambiguous)
    }

    /// The judge as these flags want it.
    pub(crate) fn judge(&self) -> JudgeLayer {
        if self.hold_wait.is_zero() {
            return JudgeLayer::new(self.profile);
        }
        JudgeLayer::llm(self.profile).hold_until_content(self.hold_bytes, self.hold_wait)
    }

    /// The breaker in front of the upstream of this name, with circuits of its own.
    pub(crate) fn breaker(&self, upstream: &str) -> Breaker {
        self.breaker.layer(self.profile, upstream)
    }

    /// What these flags say about streams.
    pub(crate) fn streams(&self) -> Streams {
        self.streams.settle(self.profile, self.is_demo())
    }
}

fn at_least_one(text: &str) -> Result<NonZeroU32, &'static str> {
    text.parse().ok().ok_or("write a number of at least 1")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Args;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_numbers() {
        let check = |line: &[&str]| Args::try_parse_from(line).unwrap().check();
        let wrong = check(&["gateway", "--retry-base", "9s"]).unwrap_err();
        assert!(wrong.contains("9s") && wrong.contains("8s"), "{wrong}");
        let twice = [
            "gateway",
            "--upstream",
            "a=http://x",
            "--upstream",
            "a=http://y",
        ];
        assert!(check(&twice).unwrap_err().contains("`a`"));
        let eager = ["gateway", "--heartbeat", "off", "--heartbeat-eager", "7s"];
        assert!(check(&eager).unwrap_err().contains("7s"));
        assert_eq!(check(&["gateway"]), Ok(()));
    }

    #[test]
    fn no_time_to_hold_a_stream_is_no_holding() {
        let judge = |wait| {
            let line = ["gateway", "--hold-wait", wait];
            format!("{:?}", Args::try_parse_from(line).unwrap().judge())
        };
        assert!(judge("0ms").contains("Hold(None)"), "{}", judge("0ms"));
        assert_eq!(judge("0s"), judge("0ms"));
        assert!(judge("7s").contains("max_wait: 7s"), "{}", judge("7s"));
    }
}
