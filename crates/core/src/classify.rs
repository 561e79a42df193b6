//! Reading a result, in two phases: at its head, and while its body passes.

use std::fmt;

use crate::Outcome;

/// Reads what a result says about the upstream.
///
/// A head may settle it, or the verdict may have to wait for the body: an HTTP 200 is not a
/// success while its stream can still break. In the second case [`classify`](Self::classify)
/// gives a [`Watch`] that follows the body.
///
/// Layers that decide at the head (a retry) take [`Verdict::at_head`]; layers that count results
/// (a circuit breaker) attach the watch.
pub trait Classify<T, E> {
    /// What follows the body where the head does not settle the outcome.
    ///
    /// [`Never`] where the head always does.
    type Watch: Watch<T>;

    /// Reads the head of a response, or an error.
    fn classify(&self, result: Result<&T, &E>) -> Verdict<Self::Watch>;

    /// Leaves the outcome of a failed response where outer layers find it.
    ///
    /// For `http::Response` that is its extensions. The default leaves nothing.
    fn leave(&self, response: &mut T, outcome: Outcome) {
        let _ = (response, outcome);
    }
}

/// What [`Classify::classify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<W> {
    /// The outcome is settled.
    Final(Outcome),
    /// The head looks well; the body decides.
    Watch(W),
}

impl<W> Verdict<W> {
    /// Whether the head tells of no failure.
    #[must_use]
    #[inline]
    pub const fn is_success(&self) -> bool {
        match self {
            Self::Final(outcome) => outcome.is_success(),
            Self::Watch(_) => true,
        }
    }

    /// The outcome as far as the head tells: a body that is still to be watched counts as success.
    #[must_use]
    #[inline]
    pub fn at_head(&self) -> Outcome {
        match self {
            Self::Final(outcome) => *outcome,
            Self::Watch(_) => Outcome::SUCCESS,
        }
    }
}

/// Follows a response until its outcome is settled.
pub trait Watch<T> {
    /// The response with the watch attached. [`Never`] leaves the type as it is.
    type Watched<R: Report>;

    /// Attaches the watch; `report` hears the outcome once.
    fn attach<R: Report>(self, response: T, report: R) -> Self::Watched<R>;

    /// The response as the same type, with nothing attached: its outcome is settled already.
    fn pass<R: Report>(response: T) -> Self::Watched<R>;
}

/// What a part of a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Nothing that matters: a comment, a ping, a part of an event, or content after the first.
    Nothing,
    /// The first content: from here on the reader has something that nobody can take back.
    Content,
    /// The outcome is settled, whatever follows.
    Settled(Outcome),
}

/// Hears an outcome, once.
///
/// Consumed means reported; dropped unreported means that the caller went away.
pub trait Report {
    /// The head tells of a success, and what follows is no stream: a reader who leaves it has had his answer.
    /// Said before anything else, if it is.
    fn head_suffices(&mut self) {}

    /// Nothing has come for now, and the reader waits. Said whenever that is so, until the outcome is
    /// settled.
    fn waiting(&mut self) {}

    /// The first content has come. Said once at most, and not after the outcome.
    fn first_content(&mut self) {}

    /// The outcome is settled.
    fn report(self, outcome: Outcome);
}

/// The watch of a classifier whose verdict is always final: it cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

impl<T> Watch<T> for Never {
    type Watched<R: Report> = T;

    fn attach<R: Report>(self, _response: T, _report: R) -> T {
        match self {}
    }

    #[inline]
    fn pass<R: Report>(response: T) -> T {
        response
    }
}

/// A classifier made of a closure; see [`classify_fn`].
#[derive(Clone, Copy)]
pub struct FnClassify<F>(F);

/// Makes a [`Classify`] of a closure from result to outcome.
///
/// ```
/// use buttress_core::{Classify, Kind, Outcome, classify_fn};
///
/// let classify = classify_fn(|result: Result<&u32, &std::io::Error>| match result {
///     Ok(_) => Outcome::SUCCESS,
///     Err(_) => Outcome::new(Kind::Transient),
/// });
/// assert!(classify.classify(Ok(&7)).at_head().is_success());
/// ```
pub const fn classify_fn<T, E, F>(f: F) -> FnClassify<F>
where
    F: Fn(Result<&T, &E>) -> Outcome,
{
    FnClassify(f)
}

impl<T, E, F> Classify<T, E> for FnClassify<F>
where
    F: Fn(Result<&T, &E>) -> Outcome,
{
    type Watch = Never;

    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Verdict<Never> {
        Verdict::Final((self.0)(result))
    }
}

impl<F> fmt::Debug for FnClassify<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FnClassify")
            .field(&std::any::type_name::<F>())
            .finish()
    }
}
