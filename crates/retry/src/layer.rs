//! What the layer is told, and what all its services share.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use buttress_body::ReplayPool;
use buttress_core::{Backoff, Sampler};
use http::HeaderName;
use tower_layer::Layer;

use crate::budget::RetryBudget;
use crate::policy::Policy;
use crate::replay::{CloneBodies, Cloned, HttpReplay, Weighed};
use crate::service::Retry;

/// Tries again what may end better, and only that.
///
/// What happens, in order: the call goes out. Its outcome is read by the classifier `C`. If another
/// attempt may help, would do no harm, and fits the attempts, the deadline and the [budget], the
/// response is let go, the delay is waited out, the inner service is readied, and the call goes out
/// again. Otherwise the last result is handed out as it is.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`max_attempts`](Self::max_attempts) | 3 | what the LLM SDKs do |
/// | [`backoff`](Self::backoff) | 500 ms × 2ⁿ to 8 s, full jitter | what the LLM SDKs do, spread better |
/// | [`throttled_cap`](Self::throttled_cap) | 30 s | those who ask for patience get more of it |
/// | [`max_hint`](Self::max_hint) | 60 s | beyond it a caller wants to know, not to wait |
/// | [`min_attempt`](Self::min_attempt) | 1 s | less time left is not worth an attempt |
/// | [`budget`](Self::budget) | [on](RetryBudget) | retrying must not make an outage worse |
/// | [`max_replay`](Self::max_replay) | 64 KiB, in [`llm`](Self::llm) 16 MiB | prompts carry images |
/// | [`replay_pool`](Self::replay_pool) | 256 MiB | for all requests together |
/// | [`mark_attempts`](Self::mark_attempts) | on | attempts of two layers must not multiply |
/// | [`retry_answered`](Self::retry_answered) | off, in [`llm`](Self::llm) on | see below |
/// | [`retry_ambiguous`](Self::retry_ambiguous) | off | a request may have been billed |
///
/// # What is safe
///
/// Requests that may be repeated (idempotent methods, and requests with an `Idempotency-Key` or the
/// extension [`IdempotencyKey`]) are tried again after every retryable failure. All others only where
/// the failure proves that the upstream never took the request on: nothing was sent, HTTP/2
/// `REFUSED_STREAM` and the like, or a status that the provider documents so. With `retry_answered` an
/// error answer is proof enough; with `retry_ambiguous` a timeout or a reset is, too.
///
/// # Clone
/// Clones, and all services made by them, share the budget, the replay pool and the stream of chance.
/// A setter called on a clone leaves the others as they were.
///
/// [budget]: RetryBudget
/// [`IdempotencyKey`]: buttress_core::IdempotencyKey
#[derive(Debug, Clone)]
pub struct RetryLayer<C, R = HttpReplay> {
    settings: Arc<Settings<C, R>>,
}

/// Everything that the services of one layer have in common.
#[derive(Debug, Clone)]
pub(crate) struct Settings<C, R> {
    pub(crate) classify: C,
    pub(crate) replay: R,
    pub(crate) policy: Policy,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) sampler: Arc<Sampler>,
}

const MAX_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(8);
const THROTTLED_CAP: Duration = Duration::from_secs(30);
const MAX_HINT: Duration = Duration::from_secs(60);
const MIN_ATTEMPT: Duration = Duration::from_secs(1);
/// Prompts carry images and whole documents.
const LLM_MAX_REPLAY: usize = 16 * 1024 * 1024;

// ===== impl RetryLayer =====

impl<C> RetryLayer<C, Cloned> {
    /// For services whose requests are cheap to clone and may be repeated.
    ///
    /// Not for `http::Request`, of whose methods, keys and deadlines it knows nothing, and not around
    /// another retry layer: it cannot mark its attempts, and they would multiply. See
    /// [`http`](RetryLayer::http).
    ///
    /// ```
    /// use buttress_core::{Kind, Outcome, classify_fn};
    /// use buttress_retry::RetryLayer;
    ///
    /// let layer = RetryLayer::new(classify_fn(|result: Result<&String, &std::io::Error>| {
    ///     match result {
    ///         Ok(_) => Outcome::SUCCESS,
    ///         Err(_) => Outcome::new(Kind::Transient),
    ///     }
    /// }));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn new(classify: C) -> Self {
        Self::with_replay(classify, Cloned)
    }
}

impl<C> RetryLayer<C> {
    /// For `http::Request` with any body, and for `reqwest::Request`.
    ///
    /// Bodies are recorded while they are sent, up to [`max_replay`](Self::max_replay). The classifier
    /// is a provider profile, as a rule.
    #[must_use]
    pub fn http(classify: C) -> Self {
        Self::with_replay(classify, HttpReplay::default())
    }

    /// For calls to LLM APIs: as [`http`](Self::http), keeps larger bodies, and tries a POST again after
    /// an error answer, as the providers' own SDKs do.
    #[must_use]
    pub fn llm(classify: C) -> Self
    where
        C: Clone,
    {
        Self::http(classify)
            .max_replay(LLM_MAX_REPLAY)
            .retry_answered(true)
    }
}

impl<C, R> RetryLayer<C, R> {
    /// With another way to keep requests.
    #[must_use]
    pub fn with_replay(classify: C, replay: R) -> Self {
        Self {
            settings: Arc::new(Settings {
                classify,
                replay,
                policy: Policy::default(),
                budget: Some(RetryBudget::default()),
                sampler: Arc::new(Sampler::new()),
            }),
        }
    }
}

impl<C: Clone, R: Clone> RetryLayer<C, R> {
    /// The most attempts at a call, the first included. Default: 3.
    ///
    /// With 1 calls only pass through: nothing is kept or counted, no outcome is left in a response, and no
    /// [`RetryOverride`](crate::RetryOverride) can ask for more.
    #[must_use]
    pub fn max_attempts(self, attempts: NonZeroU32) -> Self {
        self.with_policy(|policy| policy.max_attempts = attempts)
    }

    /// The delay before each retry. Default: 500 ms × 2ⁿ up to 8 s, with full jitter.
    ///
    /// Its cap gives way to [`throttled_cap`](Self::throttled_cap) where the upstream is throttling or
    /// overloaded. Its jitter, if any, also spreads the waits that the upstream asks for: upward only.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with_policy(|policy| policy.backoff = backoff)
    }

    /// The cap of the backoff after throttling and overload, unless the backoff's own is higher. Default:
    /// 30 s.
    #[must_use]
    pub fn throttled_cap(self, cap: Duration) -> Self {
        self.with_policy(|policy| policy.throttled_cap = cap)
    }

    /// The longest wait that an upstream may ask for. Default: 60 s.
    ///
    /// If it asks for more, there is no retry at all, and the response goes outward with its hint: to
    /// try earlier than told would only be refused again.
    #[must_use]
    pub fn max_hint(self, hint: Duration) -> Self {
        self.with_policy(|policy| policy.max_hint = hint)
    }

    /// The time that must be left before the request's [`Deadline`] for an attempt to be worth it.
    /// Default: 1 s.
    ///
    /// [`Deadline`]: buttress_core::Deadline
    #[must_use]
    pub fn min_attempt(self, time: Duration) -> Self {
        self.with_policy(|policy| policy.min_attempt = time)
    }

    /// Whether a request that is not repeatable is tried again after an *error answer*. Default: off,
    /// but on in [`llm`](RetryLayer::llm).
    #[must_use]
    pub fn retry_answered(self, yes: bool) -> Self {
        self.with_policy(|policy| policy.retry_answered = yes)
    }

    /// Whether a request that is not repeatable is tried again although it *may have had its effect*:
    /// after a timeout of our own, or a reset without an answer. Default: off.
    ///
    /// Turning it on accepts that a prompt may be billed twice.
    #[must_use]
    pub fn retry_ambiguous(self, yes: bool) -> Self {
        self.with_policy(|policy| policy.retry_ambiguous = yes)
    }

    /// The budget that limits retries, perhaps one that other layers share. Default: one of its own,
    /// with [`BudgetLimits::default`](crate::BudgetLimits::default).
    #[must_use]
    pub fn budget(self, budget: RetryBudget) -> Self {
        self.with(|settings| settings.budget = Some(budget))
    }

    /// Retries without a budget: for tests, and for callers that limit retries elsewhere. In an outage
    /// it multiplies the load by [`max_attempts`](Self::max_attempts).
    #[must_use]
    pub fn without_budget(self) -> Self {
        self.with(|settings| settings.budget = None)
    }

    /// Draws the jitter from this seed, so that delays can be foretold. Default: seeded at random.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.with(|settings| settings.sampler = Arc::new(Sampler::seeded(seed)))
    }

    /// What a retry of a request costs the budget's history, in retries of an ordinary request: a retry
    /// of a large prompt is dearer than one of a small one. Default: 1; zero counts as 1.
    ///
    /// Called once per call. Settings of how requests are kept ([`max_replay`](RetryLayer::max_replay)
    /// and the like) come before it.
    #[must_use]
    pub fn cost<Req, F>(self, weigh: F) -> RetryLayer<C, Weighed<R, F>>
    where
        F: Fn(&Req) -> u32,
    {
        self.keep(|replay| Weighed { replay, weigh })
    }

    /// The same, with requests kept another way.
    fn keep<R2>(self, way: impl FnOnce(R) -> R2) -> RetryLayer<C, R2> {
        let Settings {
            classify,
            replay,
            policy,
            budget,
            sampler,
        } = Arc::unwrap_or_clone(self.settings);
        RetryLayer {
            settings: Arc::new(Settings {
                classify,
                replay: way(replay),
                policy,
                budget,
                sampler,
            }),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings<C, R>)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    fn with_policy(self, change: impl FnOnce(&mut Policy)) -> Self {
        self.with(|settings| change(&mut settings.policy))
    }
}

impl<C: Clone> RetryLayer<C> {
    /// The most that is kept of one request body, in bytes. Default: 64 KiB, in [`llm`](Self::llm)
    /// 16 MiB. Zero keeps nothing: every request goes out once.
    ///
    /// A larger body goes out whole, and once. (One that a `reqwest::Request` holds in memory is not taken from
    /// the [pool](Self::replay_pool).)
    #[must_use]
    pub fn max_replay(self, bytes: usize) -> Self {
        self.with(|settings| settings.replay.max_replay = bytes)
    }

    /// The pool from which the records of all request bodies are taken, perhaps one that other layers
    /// share. Default: one of its own, of 256 MiB.
    #[must_use]
    pub fn replay_pool(self, pool: ReplayPool) -> Self {
        self.with(|settings| settings.replay.pool = pool)
    }

    /// Whether to try again although an outer retry layer does, too. Default: off: the request carries
    /// the outer one's [`Attempt`], and the attempts of two layers would multiply.
    ///
    /// [`Attempt`]: buttress_core::Attempt
    #[must_use]
    pub fn nested(self, yes: bool) -> Self {
        self.with(|settings| settings.replay.nested = yes)
    }

    /// Whether each attempt carries its [`Attempt`] in its extensions. Default: on.
    ///
    /// Off saves three small allocations per attempt. Inner layers then do not see it, so that an inner
    /// retry layer multiplies the attempts of this one.
    ///
    /// [`Attempt`]: buttress_core::Attempt
    #[must_use]
    pub fn mark_attempts(self, yes: bool) -> Self {
        self.with(|settings| settings.replay.mark_attempts = yes)
    }

    /// Clones bodies in place of recording them, for bodies that are cheap to clone such as
    /// `Full<Bytes>`; the inner service gets them as they are.
    ///
    /// The other settings of how requests are kept ([`nested`](Self::nested) and the like) come before
    /// it; [`max_replay`](Self::max_replay) has no meaning for it, unless it is zero.
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_retry::RetryLayer;
    ///
    /// let layer = RetryLayer::llm(Profile::OPENAI).mark_attempts(false).clone_bodies();
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn clone_bodies(self) -> RetryLayer<C, CloneBodies> {
        self.keep(|rules| CloneBodies { rules })
    }

    /// Tells the upstream the number of the attempt in this header. Default: it is not told.
    #[must_use]
    pub fn attempt_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.replay.attempt_header = Some(name))
    }
}

impl<S, C, R> Layer<S> for RetryLayer<C, R> {
    type Service = Retry<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.settings))
    }
}

// ===== impl Policy =====

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: MAX_ATTEMPTS,
            backoff: Backoff::exponential(BASE, CAP),
            throttled_cap: THROTTLED_CAP,
            max_hint: MAX_HINT,
            min_attempt: MIN_ATTEMPT,
            retry_answered: false,
            retry_ambiguous: false,
        }
    }
}
