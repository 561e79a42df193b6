//! A tier: whom to ask, when, and with what request.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use buttress_core::{BoxError, Classify, Failure, Kind, Outcome, find};
use tower_service::Service;

use crate::hand_over::HandOver;
use crate::name::TierName;
use crate::plan::Terms;
use crate::rewrite::Rewrite;
use crate::traffic::{Accept, Cloned, Http, Traffic};
use crate::when::When;

/// Whom to ask when those before have failed.
///
/// | made by | asks | costs an attempt | degraded |
/// |---|---|---|---|
/// | [`upstream`](Self::upstream) | a service that sends the request somewhere | yes | no |
/// | [`local`](Self::local) | a service that computes an answer here | no | yes |
/// | [`answer`](Self::answer) | a closure, which sees no body | no | yes |
/// | [`hand_over`](Self::hand_over) | a queue | no | yes |
///
/// All but the first may answer when no attempt and no time is left, or when the body was too large to be
/// kept ([`answer`](Self::answer) alone).
///
/// # Readiness
/// Each call readies a clone of the tier's service of its own and calls that clone, so that calls do not wait
/// behind one another. A service that is long in becoming ready keeps the call waiting: give it a limit of its
/// own (a load shedder, a timeout).
pub struct Tier<T: Traffic> {
    pub(crate) terms: Terms,
    pub(crate) rewrite: T::Rewrite,
    pub(crate) serve: Serve<T>,
}

/// How a tier serves.
pub(crate) enum Serve<T: Traffic> {
    /// With the whole request.
    Whole(Arc<dyn Fn(T::Sent, Ask<T>) -> Asking<T::Response> + Send + Sync>),
    /// With what was kept of it, at once, or not at all.
    Kept(Arc<dyn Fn(&T::Kept, &Outcome) -> Option<T::Response> + Send + Sync>),
}

/// What a tier is told besides the request.
pub(crate) struct Ask<T: Traffic> {
    pub(crate) rewrite: T::Rewrite,
    pub(crate) same_account: bool,
    /// How the last who was asked has failed.
    pub(crate) why: Outcome,
}

/// Boxed: it is there only when something has failed, and tiers are of many types.
pub(crate) type Asking<R> = Pin<Box<dyn Future<Output = Answer<R>> + Send>>;

/// What came of asking a tier.
pub(crate) struct Answer<R> {
    pub(crate) result: Result<R, BoxError>,
    pub(crate) outcome: Outcome,
}

// ===== impl Tier =====

impl<T: Traffic + 'static> Tier<T> {
    /// Another upstream: a service with its own stack (retry, circuit breaker, limits), whose results
    /// `classify` reads; a provider's profile, as a rule.
    ///
    /// It gets the request without any of the caller's credentials, unless it shares the
    /// [account](Self::same_account); set its own by [`rewrite`](Tier::rewrite), or in its stack.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn upstream<S, C>(name: &str, service: S, classify: C) -> Self
    where
        T: Accept<S::Response>,
        T::Sent: Send,
        S: Service<<T as Traffic>::Sent> + Clone + Send + Sync + 'static,
        S::Response: Send,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
        C: Classify<S::Response, S::Error> + Clone + Send + Sync + 'static,
    {
        let serve = move |request, ask| -> Asking<T::Response> {
            let (service, classify) = (service.clone(), classify.clone());
            Box::pin(async move {
                let request = match prepare::<T>(request, ask).await {
                    Ok(request) => request,
                    Err(error) => return local_answer(Err(error)),
                };
                let mut result = call(service, request).await;
                let outcome = classify.classify(result.as_ref()).at_head();
                if let Ok(response) = &mut result {
                    classify.leave(response, outcome);
                }
                let result = result.map(T::accept).map_err(Into::into);
                Answer { result, outcome }
            })
        };
        Self::new(name, false, Serve::Whole(Arc::new(serve)))
    }

    /// A service that computes an answer here, from the whole request: rules, a parser, a template.
    ///
    /// Whatever it answers is an answer. If it fails, that says nothing about the request, and the next tier is
    /// asked.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn local<S>(name: &str, service: S) -> Self
    where
        T: Accept<S::Response>,
        T::Sent: Send,
        S: Service<<T as Traffic>::Sent> + Clone + Send + Sync + 'static,
        S::Response: Send,
        S::Error: Into<BoxError> + Send,
        S::Future: Send,
    {
        let serve = move |request, ask| -> Asking<T::Response> {
            let service = service.clone();
            Box::pin(async move {
                local_answer(match prepare::<T>(request, ask).await {
                    Ok(request) => {
                        let result = call(service, request).await;
                        result.map(T::accept).map_err(Into::into)
                    }
                    Err(error) => Err(error),
                })
            })
        };
        Self::new(name, true, Serve::Whole(Arc::new(serve)))
    }

    /// Hands the request over to be served later: to a queue, to a human. What `queue` answers says so.
    ///
    /// What holds for the time of the call alone is taken off the request: its deadline, how long its caller waits,
    /// and whom it has been to. So are the caller's credentials, which a queue is no place for: whoever serves
    /// the request later has his own, or [the account](Self::same_account) is said to be shared.
    ///
    /// It belongs last: whoever takes a request that was perhaps served already serves it again.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn hand_over<H>(name: &str, queue: H) -> Self
    where
        T: Accept<H::Response>,
        T::Sent: Send,
        H: HandOver<<T as Traffic>::Sent> + Send + Sync + 'static,
        H::Response: Send,
    {
        let queue = Arc::new(queue);
        let serve = move |request, ask: Ask<T>| -> Asking<T::Response> {
            let (queue, why) = (Arc::clone(&queue), ask.why);
            Box::pin(async move {
                local_answer(match prepare::<T>(request, ask).await {
                    Ok(mut request) => {
                        T::outlive(&mut request);
                        queue.hand_over(request, why).await.map(T::accept)
                    }
                    Err(error) => Err(error),
                })
            })
        };
        Self::new(name, true, Serve::Whole(Arc::new(serve)))
    }

    /// An answer made from what was kept of the request (of HTTP: [its head](crate::KeptHttp::head)) and from
    /// how the last who was asked has failed. `None`: the next tier is asked.
    ///
    /// # Panics
    /// If `name` is no [`TierName`].
    #[must_use]
    pub fn answer<F>(name: &str, answer: F) -> Self
    where
        F: Fn(&T::Kept, &Outcome) -> Option<T::Response> + Send + Sync + 'static,
    {
        Self::new(name, true, Serve::Kept(Arc::new(answer)))
    }

    fn new(name: &str, local: bool, serve: Serve<T>) -> Self {
        Self {
            terms: Terms {
                name: TierName::literal(name),
                when: When::FAILURES,
                local,
                same_account: false,
                degraded: local,
            },
            rewrite: T::Rewrite::default(),
            serve,
        }
    }

    /// The failures after which it is asked. Default: [`When::FAILURES`].
    #[must_use]
    pub const fn when(mut self, when: When) -> Self {
        self.terms.when = when;
        self
    }

    /// Whether its answers are less than what was asked for. Default: not those of an
    /// [upstream](Self::upstream), all others are.
    #[must_use]
    pub const fn degraded(mut self, yes: bool) -> Self {
        self.terms.degraded = yes;
        self
    }

    /// Goes to the upstream with the caller's own credentials: another model of the same provider. Then an
    /// account with nothing left is not asked a second time. Default: not; all credentials are taken off.
    #[must_use]
    pub const fn same_account(mut self, yes: bool) -> Self {
        self.terms.same_account = yes;
        self
    }
}

impl<Q, B> Tier<Http<Q, B>>
where
    Http<Q, B>: Traffic<Rewrite = Rewrite>,
{
    /// What it changes about the request: where it goes, its model, its credentials. Default: nothing but that
    /// [the caller's credentials](Self::same_account) are taken off.
    #[must_use]
    pub fn rewrite(mut self, rewrite: Rewrite) -> Self {
        self.rewrite = rewrite;
        self
    }
}

impl<Q: Clone + Send + 'static, R> Tier<Cloned<Q, R>> {
    /// What it changes about the request. Default: nothing.
    #[must_use]
    pub fn map_request(mut self, change: impl Fn(Q) -> Q + Send + Sync + 'static) -> Self {
        self.rewrite = Some(Arc::new(change));
        self
    }
}

impl<T: Traffic> Clone for Tier<T> {
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.clone(),
            rewrite: self.rewrite.clone(),
            serve: match &self.serve {
                Serve::Whole(serve) => Serve::Whole(Arc::clone(serve)),
                Serve::Kept(serve) => Serve::Kept(Arc::clone(serve)),
            },
        }
    }
}

impl<T: Traffic> fmt::Debug for Tier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier")
            .field("name", &self.terms.name)
            .field("when", &self.terms.when)
            .field("degraded", &self.terms.degraded)
            .field("same_account", &self.terms.same_account)
            .finish_non_exhaustive()
    }
}

/// The request, as the tier asks for it.
async fn prepare<T: Traffic>(request: T::Sent, ask: Ask<T>) -> Result<T::Sent, BoxError> {
    let Ask {
        rewrite,
        same_account,
        ..
    } = ask;
    let request = T::rewrite(rewrite, same_account, request).await;
    request.map_err(|error| Failure::new(Outcome::LOCAL, error).into())
}

/// Readies a clone of its own and calls that.
async fn call<S: Service<Q>, Q>(mut service: S, request: Q) -> Result<S::Response, S::Error> {
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

/// An answer of our own, or what kept us from it.
fn local_answer<R>(result: Result<R, BoxError>) -> Answer<R> {
    let outcome = match &result {
        Ok(_) => Outcome::SUCCESS,
        Err(error) => {
            find::<Failure>(&**error).map_or(Outcome::new(Kind::Unavailable), Failure::outcome)
        }
    };
    Answer { result, outcome }
}
