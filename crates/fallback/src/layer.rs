//! What the layer is told, and what all its services share.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use buttress_body::ReplayPool;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tower_layer::Layer;

use crate::body::FallbackBody;
use crate::last_good::LastGood;
use crate::name::TierName;
use crate::plan::Rules;
use crate::rewrite::Rewrite;
use crate::service::Fallback;
use crate::tier::Tier;
use crate::traffic::{Cloned, Http, KeptHttp, Traffic};

/// Goes elsewhere when an upstream fails.
///
/// What happens, in order: the inner service, the *primary*, is called. Its outcome is read by the classifier
/// `C`. If it has failed in a way that calls for a [tier](Tier), the tiers are asked in the order in which they
/// were added, each at most once, until one serves the call. Only a tier that [suits](Tier::when) the failure is
/// asked; one that cannot be (its circuit is open, its request cannot be made) is passed over as if it were not
/// there. If nobody serves the call, the last result goes outward: a response as it is, an error as
/// [`AllTiersFailed`](crate::AllTiersFailed). It is held for that while others are asked. What a tier finds wrong
/// with the request, or with an account that is not the caller's, stands among the reasons and takes no earlier
/// failure's place: the caller has not made the request as the tier got it, and what he hears may pass.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`max_attempts`](Self::max_attempts) | 5 | each may be several, with retries inside |
/// | [`min_attempt`](Self::min_attempt) | 1 s | less time left is not worth an attempt |
/// | [`max_replay`](FallbackLayer::max_replay) | 16 MiB | prompts carry images |
/// | [`replay_pool`](FallbackLayer::replay_pool) | 256 MiB | for all requests together |
/// | [`say_who`](FallbackLayer::say_who) | off | the caller may be a stranger |
///
/// # What calls for a tier
///
/// | the last that was asked has said | a tier that goes somewhere | an answer of our own |
/// |---|---|---|
/// | transient, throttled, overloaded, unavailable | yes | yes |
/// | out of quota | yes, but not with the [same account](Tier::same_account) | yes |
/// | prompt too long, content refused | if it [says so](Tier::when); so must all after it | if it says so |
/// | invalid otherwise | no: what one provider refuses is not sent to another | only after an earlier failure |
/// | an error of our own side, before anything was sent | the primary's: no | no |
/// | a success, a caller that went away | no | no |
///
/// A stream that fails *after its first content* is past help: its reader has seen it. One that fails before is
/// a failure as any other, if a judge inside of the primary has looked for it.
///
/// # Clone
/// Clones, and all services made by them, share the tiers with their state, the replay pool, and the answers
/// that are kept. A setter called on a clone leaves the others as they were.
pub struct FallbackLayer<C, T: Traffic> {
    settings: Arc<Settings<C, T>>,
}

/// Everything that the services of one layer have in common.
pub(crate) struct Settings<C, T: Traffic> {
    pub(crate) classify: C,
    pub(crate) traffic: T,
    /// What the primary is called.
    pub(crate) name: TierName,
    pub(crate) rules: Rules,
    pub(crate) tiers: Vec<Tier<T>>,
}

const MAX_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const MIN_ATTEMPT: Duration = Duration::from_secs(1);
const PRIMARY: &str = "primary";

// ===== impl FallbackLayer =====

impl<C, Q, R> FallbackLayer<C, Cloned<Q, R>>
where
    Q: Clone + Send + 'static,
{
    /// For services whose requests are cheap to clone.
    ///
    /// ```
    /// use buttress_core::{Kind, Outcome, classify_fn};
    /// use buttress_fallback::{FallbackLayer, Tier};
    ///
    /// let layer = FallbackLayer::new(classify_fn(|result: Result<&String, &std::io::Error>| {
    ///     match result {
    ///         Ok(_) => Outcome::SUCCESS,
    ///         Err(_) => Outcome::new(Kind::Transient),
    ///     }
    /// }))
    /// .tier(Tier::answer("sorry", |question: &String, _why| {
    ///     Some(format!("I cannot say anything about {question} now."))
    /// }));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn new(classify: C) -> Self {
        Self::with_traffic(classify, Cloned::new())
    }
}

impl<C, Q, B> FallbackLayer<C, Http<Q, B>>
where
    Http<Q, B>: Traffic,
{
    /// For `http::Request` and `http::Response` with any bodies. The classifier is the primary's provider
    /// profile, as a rule.
    #[must_use]
    pub fn http(classify: C) -> Self {
        Self::with_traffic(classify, Http::new())
    }
}

impl<C, T: Traffic> FallbackLayer<C, T> {
    /// For what passes through as `traffic` says.
    #[must_use]
    pub fn with_traffic(classify: C, traffic: T) -> Self {
        Self {
            settings: Arc::new(Settings {
                classify,
                traffic,
                name: TierName::literal(PRIMARY),
                rules: Rules {
                    max_attempts: MAX_ATTEMPTS,
                    min_attempt: MIN_ATTEMPT,
                },
                tiers: Vec::new(),
            }),
        }
    }
}

impl<C: Clone, T: Traffic + Clone> FallbackLayer<C, T> {
    /// Asks this one, too, after those that were added before. Without any, calls only pass through.
    #[must_use]
    pub fn tier(self, tier: Tier<T>) -> Self {
        self.with(|settings| settings.tiers.push(tier))
    }

    /// What the primary is called in errors, events and headers. Default: `primary`. A tier of the same name is
    /// never asked. Comes before [`say_who`](FallbackLayer::say_who).
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn primary(self, name: &str) -> Self {
        let name = TierName::literal(name);
        self.with(|settings| settings.name = name)
    }

    /// The most attempts at a call, the primary's included: whatever goes somewhere and was not refused by one
    /// of our own layers. Default: 5.
    ///
    /// With 1 no upstream but the primary is asked; answers of our own are no attempts. An attempt here is the
    /// whole stack of a tier: what it retries inside is limited there, best by one retry budget for all.
    #[must_use]
    pub fn max_attempts(self, attempts: NonZeroU32) -> Self {
        self.with(|settings| settings.rules.max_attempts = attempts)
    }

    /// The time that must be left before the [`Deadline`] for an upstream to be asked: the request's, or the
    /// [current](buttress_core::Deadline::current) one if that is earlier. Default: 1 s. A primary that [stalls](crate#who-stalls) leaves none, unless it is told to.
    ///
    /// [`Deadline`]: buttress_core::Deadline
    #[must_use]
    pub fn min_attempt(self, time: Duration) -> Self {
        self.with(|settings| settings.rules.min_attempt = time)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings<C, T>)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<C, Q, B> FallbackLayer<C, Http<Q, B>>
where
    C: Clone,
    Q: 'static,
    B: 'static,
    Http<Q, B>:
        Traffic<Kept = KeptHttp<Q>, Response = Response<FallbackBody<B>>, Rewrite = Rewrite>,
{
    /// Answers by itself, from the head of the request and from how the last that was asked has failed; marked
    /// as degraded. `None`: the next tier is asked.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn answer<F>(self, name: &str, answer: F) -> Self
    where
        F: Fn(&Parts, &buttress_core::Outcome) -> Option<Response<Bytes>> + Send + Sync + 'static,
    {
        self.tier(Tier::answer(name, move |kept: &KeptHttp<Q>, why| {
            answer(kept.head(), why).map(|answer| answer.map(FallbackBody::whole))
        }))
    }

    /// Answers with the last good answer to a request of the same key; marked as degraded, and by `age`.
    /// [`LastGood`] says which are kept.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn last_good(self, name: &str, last_good: LastGood) -> Self {
        let keeps = last_good.clone();
        self.with(|settings| settings.traffic.last_good = Some(keeps))
            .tier(Tier::answer(name, move |kept: &KeptHttp<Q>, _why| {
                last_good.answer(kept.head())
            }))
    }

    /// The most that is kept of one request body, in bytes. Default: 16 MiB.
    ///
    /// A larger body goes out whole, to the primary alone; answers of our own are still given.
    #[must_use]
    pub fn max_replay(self, bytes: usize) -> Self {
        self.with(|settings| settings.traffic.max_replay = bytes)
    }

    /// The pool from which the records of all request bodies are taken, perhaps one that other layers share.
    /// Default: one of its own, of 256 MiB.
    #[must_use]
    pub fn replay_pool(self, pool: ReplayPool) -> Self {
        self.with(|settings| settings.traffic.pool = pool)
    }

    /// Says in the header `x-buttress-served-by` who gave the answer, and `x-buttress-degraded: true` where it
    /// is less than what was asked for. Default: off. The extension [`ServedBy`](crate::ServedBy) is there anyhow.
    /// Calls that are the [primary's alone](Http) say nothing.
    ///
    /// What an answer says in headers `x-buttress-…` when it comes here is taken off, on or off, from whomever: no
    /// upstream tells who served a call, and of two fallbacks the outermost.
    #[must_use]
    pub fn say_who(self, yes: bool) -> Self {
        self.with(|settings| {
            let name = &settings.name;
            settings.traffic.tell = yes.then(|| name.header_value());
        })
    }
}

impl<S, C, T: Traffic> Layer<S> for FallbackLayer<C, T> {
    type Service = Fallback<S, C, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, Arc::clone(&self.settings))
    }
}

impl<C, T: Traffic> Clone for FallbackLayer<C, T> {
    fn clone(&self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<C, T: Traffic> fmt::Debug for FallbackLayer<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt_as("FallbackLayer", f)
    }
}

// ===== impl Settings =====

impl<C, T: Traffic> Settings<C, T> {
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("primary", &self.name)
            .field("rules", &self.rules)
            .field("tiers", &self.tiers)
            .finish_non_exhaustive()
    }
}

impl<C: Clone, T: Traffic + Clone> Clone for Settings<C, T> {
    fn clone(&self) -> Self {
        Self {
            classify: self.classify.clone(),
            traffic: self.traffic.clone(),
            name: self.name.clone(),
            rules: self.rules,
            tiers: self.tiers.clone(),
        }
    }
}
