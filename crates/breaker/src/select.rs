//! Which circuit a request belongs to, and what is known of a request.

use std::fmt;
use std::time::Duration;

use http::{Method, Request};

use crate::error::CircuitOpen;
use crate::permit::Permit;
use crate::shared::Shared;

/// Finds the circuit of a request: [`Unkeyed`], or [`Keyed`](crate::Keyed).
pub trait Select<Req>: sealed::Sealed {
    /// Asks the circuit of this request to let it through.
    ///
    /// # Errors
    /// [`CircuitOpen`] if it does not.
    fn admit(&self, request: &Req) -> Result<Permit, Box<CircuitOpen>>;

    /// Whether it is worth asking how long to [`wait`](Self::wait): the common case in two instructions.
    #[inline]
    fn may_refuse(&self) -> bool {
        false
    }

    /// How long there is to wait, if every request would be refused at this moment.
    #[inline]
    fn wait(&self) -> Option<Duration> {
        None
    }

    /// The refusal that says so.
    fn refusal(&self, wait: Duration) -> Box<CircuitOpen> {
        Box::new(CircuitOpen::new(wait))
    }

    /// A permit for what happens before there is a request, where that can be said of a circuit.
    #[inline]
    fn admit_any(&self) -> Option<Permit> {
        None
    }
}

/// One circuit for all requests.
#[derive(Clone)]
pub struct Unkeyed {
    pub(crate) circuit: Shared,
}

/// What a request says about its answer: [`AnyRequest`], or [`HttpRequest`].
pub trait Expect<Req> {
    /// Whether the answer may have a body, or whatever else decides the outcome later than the head.
    fn expects_body(&self, request: &Req) -> bool;
}

/// Requests of any type, of which nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyRequest;

/// Requests of HTTP: the answer to `HEAD` has no body, and what follows the answer to `CONNECT` is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRequest;

// ===== impl Unkeyed =====

impl sealed::Sealed for Unkeyed {}

impl<Req> Select<Req> for Unkeyed {
    #[inline]
    fn admit(&self, _request: &Req) -> Result<Permit, Box<CircuitOpen>> {
        self.circuit.acquire()
    }

    #[inline]
    fn may_refuse(&self) -> bool {
        !self.circuit.is_closed()
    }

    fn wait(&self) -> Option<Duration> {
        self.circuit.wait()
    }

    fn refusal(&self, wait: Duration) -> Box<CircuitOpen> {
        self.circuit.core().refusal(wait)
    }

    fn admit_any(&self) -> Option<Permit> {
        self.circuit.acquire().ok()
    }
}

impl fmt::Debug for Unkeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unkeyed")
            .field(&self.circuit.state())
            .finish()
    }
}

// ===== impl Expect =====

impl<Req> Expect<Req> for AnyRequest {
    #[inline]
    fn expects_body(&self, _request: &Req) -> bool {
        true
    }
}

impl<B> Expect<Request<B>> for HttpRequest {
    #[inline]
    fn expects_body(&self, request: &Request<B>) -> bool {
        !matches!(*request.method(), Method::HEAD | Method::CONNECT)
    }
}

pub(crate) mod sealed {
    /// Circuits are counted, bounded and shared in ways that others could not get right from outside.
    pub trait Sealed {}
}
