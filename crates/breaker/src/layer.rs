//! What the layer is told, and what all its services share.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tower_layer::Layer;

use crate::handle::CircuitHandle;
use crate::keyed::{Circuits, Keyed, Map};
use crate::policy::Policy;
use crate::select::{AnyRequest, HttpRequest, Unkeyed};
use crate::service::CircuitBreaker;
use crate::shared::Shared;

/// Stops calling an upstream that keeps failing, and finds out when it is back.
///
/// What happens, in order: the circuit is asked. While it is open the call is refused with
/// [`CircuitOpen`], and the inner service is not called. Otherwise the call goes out, and the classifier
/// `C` reads its outcome: at the head, or as the body passes, up to its end. Success and failure count;
/// what was wrong with the request itself, and what never reached the upstream, does not.
///
/// | outcome | means |
/// |---|---|
/// | success | success |
/// | transient, overloaded | failure |
/// | throttled, out of quota | nothing, unless all calls have [one credential](Policy::single_credential) |
/// | invalid, unavailable | nothing |
/// | abandoned | failure, if it waited for its first content for longer than [`abandon_after`](Policy::abandon_after) |
/// | abandoned otherwise | success, if its head was well and no stream follows; the end of a row of failures, if content had come; else nothing |
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`policy`](Self::policy) | [`Policy::DEFAULT`] | see there |
/// | [`name`](Self::name) | none | a single circuit needs none |
/// | [`key`](Self::key) | none: one circuit | one upstream, one circuit |
/// | [`max_circuits`](Self::max_circuits) | 10,000 | some 15 MiB at most, or 35 where there are 16 cores |
///
/// There is no override per request: while the circuit is open the inner service is not even readied, so
/// that no request could be let through. One that must go out whatever happens is for the inner service.
///
/// # Clone
/// Clones, and all services made by them, share the circuits. A setter gives the layer that it returns
/// circuits of its own.
///
/// # Examples
/// For services of any type, with a closure that judges results:
///
/// ```
/// use buttress_breaker::CircuitBreakerLayer;
/// use buttress_core::{Kind, Outcome, classify_fn};
///
/// let layer = CircuitBreakerLayer::new(classify_fn(|result: Result<&String, &std::io::Error>| {
///     match result {
///         Ok(_) => Outcome::SUCCESS,
///         Err(_) => Outcome::new(Kind::Transient),
///     }
/// }));
/// # let _ = layer;
/// ```
///
/// A circuit for each upstream and account:
///
/// ```
/// use buttress_breaker::{CircuitBreakerLayer, CircuitKey, Policy};
/// use buttress_classify::Profile;
/// use http::Request;
///
/// let layer = CircuitBreakerLayer::http(Profile::OPENAI)
///     .policy(Policy::DEFAULT.single_credential(true))
///     .key(|request: &Request<String>| {
///         CircuitKey::origin(request).and(CircuitKey::credential(request))
///     });
/// let circuits = layer.circuits();
/// assert!(circuits.is_empty());
/// # let _ = circuits;
/// ```
///
/// [`CircuitOpen`]: crate::CircuitOpen
#[derive(Clone)]
pub struct CircuitBreakerLayer<C, K = Unkeyed, R = HttpRequest> {
    classify: C,
    circuits: K,
    requests: R,
}

/// The most circuits of a keyed layer, unless told otherwise.
const MAX_CIRCUITS: usize = 10_000;

impl<C> CircuitBreakerLayer<C, Unkeyed, AnyRequest> {
    /// For services of any type.
    ///
    /// Not for `http::Request`, of which it would not know that an answer has no body: see
    /// [`http`](CircuitBreakerLayer::http). For `reqwest::Request` with a profile it is right, since such
    /// answers are judged at their head.
    #[must_use]
    pub fn new(classify: C) -> Self {
        Self::with(classify, AnyRequest)
    }
}

impl<C> CircuitBreakerLayer<C> {
    /// For `http::Request` with any body. The classifier is a provider profile, as a rule.
    #[must_use]
    pub fn http(classify: C) -> Self {
        Self::with(classify, HttpRequest)
    }
}

impl<C, R> CircuitBreakerLayer<C, Unkeyed, R> {
    fn with(classify: C, requests: R) -> Self {
        Self {
            classify,
            circuits: Unkeyed {
                circuit: Shared::new(Policy::DEFAULT, None),
            },
            requests,
        }
    }

    /// When a circuit opens, for how long, and what closes it. Default: [`Policy::DEFAULT`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.circuits.circuit = Shared::new(policy, self.circuits.circuit.name().cloned());
        self
    }

    /// What the circuit is called in events, refusals and handles. Default: nothing. With a
    /// [`key`](Self::key), what the names of the circuits begin with.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.circuits.circuit = Shared::new(*self.circuits.circuit.policy(), Some(name.into()));
        self
    }

    /// A circuit for each key that this closure reads from a request. Default: one for all requests.
    ///
    /// Called once per call, and in the way of it: keys that are cheap to make and to clone
    /// ([`CircuitKey`](crate::CircuitKey), numbers, `Arc<str>`) are good ones. [Policy](Self::policy) and
    /// [name](Self::name) come before it. Circuits are named by eight hex digits of a hash of the key,
    /// after the name of the layer and a slash.
    #[must_use]
    pub fn key<Req, F, Key>(self, key: F) -> CircuitBreakerLayer<C, Keyed<F, Key>, R>
    where
        F: Fn(&Req) -> Key,
        Key: Hash + Eq,
    {
        let circuit = &self.circuits.circuit;
        let map = Map::new(*circuit.policy(), circuit.name().cloned(), MAX_CIRCUITS);
        CircuitBreakerLayer {
            classify: self.classify,
            circuits: Keyed {
                key,
                map: Arc::new(map),
            },
            requests: self.requests,
        }
    }

    /// Reads and operates the circuit.
    #[must_use]
    pub fn handle(&self) -> CircuitHandle {
        CircuitHandle::new(self.circuits.circuit.clone())
    }
}

impl<C, F, Key: Hash + Eq, R> CircuitBreakerLayer<C, Keyed<F, Key>, R> {
    /// The most circuits at a time. Default: 10,000.
    ///
    /// Where there is room for no more, a new key takes the place of a closed circuit that has not been used
    /// of late, and what that one had counted is lost. Circuits that are open or half-open keep their places,
    /// until their wait, or the lease of their probe, has been over for longer than the longest wait and
    /// nobody has asked; what is held by hand keeps its place for good. If none is found at once, the key
    /// shares the overflow circuit with all others like it; that one knows nothing of
    /// [single credentials](Policy::single_credential).
    #[must_use]
    pub fn max_circuits(mut self, max: NonZeroUsize) -> Self {
        let Map { policy, name, .. } = &*self.circuits.map;
        self.circuits.map = Arc::new(Map::new(*policy, name.clone(), max.get()));
        self
    }

    /// Reads and operates the circuits.
    #[must_use]
    pub fn circuits(&self) -> Circuits<Key> {
        Circuits::new(Arc::clone(&self.circuits.map))
    }
}

impl<S, C: Clone, K: Clone, R: Clone> Layer<S> for CircuitBreakerLayer<C, K, R> {
    type Service = CircuitBreaker<S, C, K, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker::new(
            inner,
            self.classify.clone(),
            self.circuits.clone(),
            self.requests.clone(),
        )
    }
}

impl<C, K: fmt::Debug, R> fmt::Debug for CircuitBreakerLayer<C, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerLayer")
            .field("circuits", &self.circuits)
            .finish_non_exhaustive()
    }
}
