//! Around a client.

use std::time::Duration;

use buttress_breaker::{CircuitBreakerLayer, Policy};
use buttress_classify::Profile;
use buttress_core::Ratio;
use buttress_deadline::{BudgetShare, BudgetShareLayer, TimeoutBudget, TimeoutBudgetLayer};
use buttress_judge::{Judge, JudgeLayer};
use buttress_retry::RetryLayer;
use buttress_timeout::{StreamTimeout, StreamTimeoutLayer};
use tower_layer::{Identity, Layer};

/// Everything that a client of an LLM API needs around it, in its order.
///
/// ```text
/// (IdempotencyKey) → TimeoutBudget → (Fallback) → Retry → BudgetShare → CircuitBreaker → Judge → StreamTimeout → client
/// ```
///
/// # Defaults
///
/// | slot | holds | why |
/// |---|---|---|
/// | [`idempotency_key`](Self::idempotency_key) | nothing | no API of a profile promises to honour one |
/// | [`timeout_budget`](Self::timeout_budget) | 600 s, or what the caller's deadline leaves | what the official SDKs wait |
/// | [`fallback`](Self::fallback) | nothing | nobody but you knows who else could answer |
/// | [`retry`](Self::retry) | [`RetryLayer::llm`] | three attempts, and no prompt billed twice |
/// | [`budget_share`](Self::budget_share) | all that remains; with a fallback, nine tenths of it to begin | to cut a long completion off is to pay for it twice; one that never begins leaves time for others |
/// | [`circuit_breaker`](Self::circuit_breaker) | one circuit, of [`Policy::DEFAULT`] | one client, one upstream |
/// | [`judge`](Self::judge) | [`JudgeLayer::llm`] | what retry and circuit act on |
/// | [`stream_timeout`](Self::stream_timeout) | [`StreamTimeoutLayer::llm`] | 300 s for the first byte, 180 s between two |
///
/// # Clone
/// Clones, and all services made by them, share the circuits, the retry budget and whatever else their layers
/// share. A setter replaces the layer of one slot, and what that one had counted.
///
/// # Errors
/// The service's errors are boxed: those of the client, and the [`Failure`](crate::core::Failure)s of the layers.
///
/// # Examples
/// Fallbacks are between stacks: each tier is one of its own, with the retries of all in one budget.
///
/// ```
/// use buttress::classify::Profile;
/// use buttress::fallback::{FallbackLayer, Http, Rewrite, ServedBy, Tier};
/// use buttress::retry::{RetryBudget, RetryLayer};
/// use buttress::stack::outbound;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// let client = |status| {
///     // … or one of hyper, for another origin each.
///     service_fn(move |_request: Request<_>| async move {
///         Response::builder().status(status).body(Full::<Bytes>::default())
///     })
/// };
/// let budget = RetryBudget::default();
/// let stack = |profile| outbound(profile).retry(RetryLayer::llm(profile).budget(budget.clone()));
///
/// let mistral = Tier::upstream("mistral", stack(Profile::MISTRAL).layer(client(200)), Profile::MISTRAL)
///     .rewrite(Rewrite::new().model(Profile::MISTRAL, "mistral-small-latest").bearer("its-own-key")?);
/// let llm = stack(Profile::OPENAI)
///     .fallback(FallbackLayer::<_, Http<Full<Bytes>, _>>::http(Profile::OPENAI).tier(mistral))
///     .layer(client(529));
///
/// let prompt = Request::post("/v1/chat/completions").body(Full::from(r#"{"model": "large"}"#))?;
/// let answer = llm.oneshot(prompt).await?;
/// let by: &ServedBy = answer.extensions().get().ok_or("the primary served it")?;
/// assert_eq!(by.name(), "mistral");
/// # Ok(())
/// # }
/// ```
///
/// The budget of a tier ends with that of the stack outside, which alone arms a timer.
#[derive(Debug, Clone)]
pub struct Outbound<
    R = RetryLayer<Profile>,
    B = CircuitBreakerLayer<Profile>,
    F = Identity,
    K = Identity,
> {
    idempotency_key: K,
    fallback: F,
    retry: R,
    circuit_breaker: B,
    fixed: Fixed,
}

/// The slots whose layers are always of the same type.
#[derive(Debug, Clone)]
struct Fixed {
    timeout_budget: TimeoutBudgetLayer,
    budget_share: Option<BudgetShareLayer>,
    judge: JudgeLayer,
    stream_timeout: StreamTimeoutLayer,
}

/// What [`Outbound`] makes of a client `S`; with its defaults its name is `OutboundService<S>`.
pub type OutboundService<
    S,
    R = RetryLayer<Profile>,
    B = CircuitBreakerLayer<Profile>,
    F = Identity,
    K = Identity,
> = <K as Layer<TimeoutBudget<<F as Layer<Retried<S, R, B>>>::Service>>>::Service;

type Retried<S, R, B> = <R as Layer<Attempt<S, B>>>::Service;
type Attempt<S, B> = BudgetShare<<B as Layer<Judge<StreamTimeout<S>>>>::Service>;

/// The stack around a client of this API.
#[must_use]
pub fn outbound(profile: Profile) -> Outbound {
    Outbound {
        idempotency_key: Identity::new(),
        fallback: Identity::new(),
        retry: RetryLayer::llm(profile),
        circuit_breaker: CircuitBreakerLayer::http(profile),
        fixed: Fixed {
            timeout_budget: TimeoutBudgetLayer::new(Outbound::TOTAL),
            budget_share: None,
            judge: JudgeLayer::llm(profile),
            stream_timeout: StreamTimeoutLayer::llm(profile),
        },
    }
}

/// All that remains, and nine tenths of it to begin.
const LEAVES_TIME: BudgetShareLayer = BudgetShareLayer::all().attempt_share(Ratio::percent(90));

// ===== impl Outbound =====

impl Outbound {
    /// How long a call may take, all attempts included, unless told otherwise: 600 s.
    pub const TOTAL: Duration = Duration::from_secs(600);
}

impl<R, F, K> Outbound<R, CircuitBreakerLayer<Profile>, F, K> {
    /// All calls carry the same credential, our own. Default: not known.
    ///
    /// Then it is the circuit's business what the upstream says of that credential: see
    /// [`Policy::single_credential`]. Where callers bring theirs, one unpaid account would close the door for all.
    #[must_use]
    pub fn own_key(mut self) -> Self {
        let policy = Policy::DEFAULT.single_credential(true);
        self.circuit_breaker = self.circuit_breaker.policy(policy);
        self
    }
}

impl<R, B, F, K> Outbound<R, B, F, K> {
    /// Gives each call a key that all attempts and tiers share: an
    /// [`IdempotencyKeyLayer`](crate::idempotency::IdempotencyKeyLayer). Default: nothing.
    ///
    /// A key is a promise in the upstream's name: the retry takes a `POST` that has one for a request that may be sent
    /// again, even after a time-out or a reset that leaves open what became of it. An upstream that ignores keys then
    /// does it twice. So this is for one that is known to honour them, such as another gateway with an
    /// [`IdempotencyLayer`](crate::idempotency::IdempotencyLayer). A caller's own key is passed on without it.
    #[must_use]
    pub fn idempotency_key<K2>(self, layer: K2) -> Outbound<R, B, F, K2> {
        Outbound {
            idempotency_key: layer,
            fallback: self.fallback,
            retry: self.retry,
            circuit_breaker: self.circuit_breaker,
            fixed: self.fixed,
        }
    }

    /// How long the call may take, all in all. Default: 600 s.
    #[must_use]
    pub fn timeout_budget(mut self, layer: TimeoutBudgetLayer) -> Self {
        self.fixed.timeout_budget = layer;
        self
    }

    /// No time of its own. A deadline that is there already holds.
    #[must_use]
    pub fn without_timeout_budget(self) -> Self {
        self.timeout_budget(TimeoutBudgetLayer::new(Duration::MAX))
    }

    /// Who else is asked: a [`FallbackLayer`](crate::fallback::FallbackLayer), whose tiers are stacks of their
    /// own. Default: nobody.
    ///
    /// An attempt then has nine tenths of the remaining time to begin its answer, unless
    /// [`budget_share`](Self::budget_share) says otherwise: if it does not, there is still time for somebody else.
    #[must_use]
    pub fn fallback<F2>(mut self, layer: F2) -> Outbound<R, B, F2, K> {
        self.fixed.budget_share.get_or_insert(LEAVES_TIME);
        Outbound {
            idempotency_key: self.idempotency_key,
            fallback: layer,
            retry: self.retry,
            circuit_breaker: self.circuit_breaker,
            fixed: self.fixed,
        }
    }

    /// What is tried again. Default: [`RetryLayer::llm`].
    #[must_use]
    pub fn retry<R2>(self, layer: R2) -> Outbound<R2, B, F, K> {
        Outbound {
            idempotency_key: self.idempotency_key,
            fallback: self.fallback,
            retry: layer,
            circuit_breaker: self.circuit_breaker,
            fixed: self.fixed,
        }
    }

    /// Each call is one attempt.
    #[must_use]
    pub fn without_retry(self) -> Outbound<Identity, B, F, K> {
        self.retry(Identity::new())
    }

    /// How much of the remaining time an attempt gets. Default: all; with a [`fallback`](Self::fallback), nine
    /// tenths of it for what comes before the first bytes of the answer.
    #[must_use]
    pub fn budget_share(mut self, layer: BudgetShareLayer) -> Self {
        self.fixed.budget_share = Some(layer);
        self
    }

    /// When the upstream is left alone. Default: [`CircuitBreakerLayer::http`] with one circuit.
    #[must_use]
    pub fn circuit_breaker<B2>(self, layer: B2) -> Outbound<R, B2, F, K> {
        Outbound {
            idempotency_key: self.idempotency_key,
            fallback: self.fallback,
            retry: self.retry,
            circuit_breaker: layer,
            fixed: self.fixed,
        }
    }

    /// The upstream is called whatever its state.
    #[must_use]
    pub fn without_circuit_breaker(self) -> Outbound<R, Identity, F, K> {
        self.circuit_breaker(Identity::new())
    }

    /// What is read of an answer before it is handed on. Default: [`JudgeLayer::llm`].
    #[must_use]
    pub fn judge(mut self, layer: JudgeLayer) -> Self {
        self.fixed.judge = layer;
        self
    }

    /// The limits of one attempt. Default: [`StreamTimeoutLayer::llm`].
    #[must_use]
    pub fn stream_timeout(mut self, layer: StreamTimeoutLayer) -> Self {
        self.fixed.stream_timeout = layer;
        self
    }

    /// No limits but the [budget](Self::timeout_budget)'s.
    #[must_use]
    pub fn without_stream_timeout(self) -> Self {
        let off = StreamTimeoutLayer::new().first_frame(None).idle(None);
        self.stream_timeout(off.progress(None).total(None))
    }
}

impl<S, R, B, F, K> Layer<S> for Outbound<R, B, F, K>
where
    B: Layer<Judge<StreamTimeout<S>>>,
    R: Layer<Attempt<S, B>>,
    F: Layer<Retried<S, R, B>>,
    K: Layer<TimeoutBudget<F::Service>>,
{
    type Service = OutboundService<S, R, B, F, K>;

    fn layer(&self, client: S) -> Self::Service {
        let fixed = &self.fixed;
        let judged = fixed.judge.layer(fixed.stream_timeout.layer(client));
        let share = fixed.budget_share.unwrap_or(BudgetShareLayer::all());
        let attempt = share.layer(self.circuit_breaker.layer(judged));
        let tier = self.retry.layer(attempt);
        let call = fixed.timeout_budget.layer(self.fallback.layer(tier));
        self.idempotency_key.layer(call)
    }
}
