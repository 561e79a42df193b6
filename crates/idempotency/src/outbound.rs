//! On the way out: a key for each call.

use std::fmt;
use std::task::{Context, Poll};

use buttress_classify::Profile;
use buttress_core::IdempotencyKey;
use http::{HeaderName, HeaderValue, Method, Request};
use tower_layer::Layer;
use tower_service::Service;

/// Gives each call a key that all attempts at it share.
///
/// A `POST` or `PATCH` without a key gets one of 128 random bits, as 32 hex digits. It belongs outside of retries: an
/// attempt that has a key of its own would be a call of its own. The key is also left in the request's extensions as
/// [`IdempotencyKey`], by which a retry knows that the request may be sent again.
///
/// A key that the caller set, in the header or in the extensions, is the key. Where the system has no randomness to
/// give, the request goes out without one.
///
/// # Readiness
/// Ready when the inner service is.
///
/// # Clone
/// There is no state to share: clones are alike.
///
/// # Examples
/// ```
/// use buttress_classify::Profile;
/// use buttress_idempotency::IdempotencyKeyLayer;
///
/// // Only for an upstream that documents a header for it: elsewhere a key promises what nobody keeps.
/// assert!(IdempotencyKeyLayer::for_profile(&Profile::HTTP).is_some());
/// assert!(IdempotencyKeyLayer::for_profile(&Profile::OPENAI).is_none());
/// ```
///
/// # Source
/// draft-ietf-httpapi-idempotency-key-header
#[derive(Debug, Clone)]
pub struct IdempotencyKeyLayer {
    settings: Settings,
}

#[derive(Debug, Clone)]
struct Settings {
    header: HeaderName,
    quoted: bool,
}

/// Gives each call a key; made by [`IdempotencyKeyLayer`].
///
/// # Errors
/// Those of the inner service, and none of its own.
#[derive(Clone)]
pub struct IdempotencyKeys<S> {
    inner: S,
    settings: Settings,
}

// ===== impl IdempotencyKeyLayer =====

impl IdempotencyKeyLayer {
    /// Sends keys in the header `idempotency-key`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_header(IDEMPOTENCY_KEY)
    }

    /// Sends keys in this header.
    #[must_use]
    pub const fn with_header(header: HeaderName) -> Self {
        Self {
            settings: Settings {
                header,
                quoted: false,
            },
        }
    }

    /// Sends keys where this upstream honours them. `None` if it documents no header for it: a key would make retries
    /// look safe that are not.
    #[must_use]
    pub fn for_profile(profile: &Profile) -> Option<Self> {
        let name = profile.idempotency_header()?;
        Some(Self::with_header(HeaderName::from_static(name)))
    }

    /// Sends keys in quotes, as the draft wants them. Default: bare, as most servers take them, unless a key of the
    /// caller's holds something that needs quotes.
    #[must_use]
    pub const fn quoted(mut self, quoted: bool) -> Self {
        self.settings.quoted = quoted;
        self
    }
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = IdempotencyKeys<S>;

    fn layer(&self, inner: S) -> IdempotencyKeys<S> {
        IdempotencyKeys {
            inner,
            settings: self.settings.clone(),
        }
    }
}

// ===== impl IdempotencyKeys =====

impl<S> IdempotencyKeys<S> {
    /// The inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without keys.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for IdempotencyKeys<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if matches!(*request.method(), Method::POST | Method::PATCH) {
            self.settings.provide(&mut request);
        }
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for IdempotencyKeys<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKeys")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

impl Settings {
    fn provide<B>(&self, request: &mut Request<B>) {
        let known = request.extensions().get::<IdempotencyKey>().cloned();
        if let Some(value) = request.headers().get(&self.header) {
            // The caller's own. A retry reads it there, unless its header has another name.
            let key = IdempotencyKey::parse(value.as_bytes());
            if let (None, Ok(key), true) = (known, key, self.header != IDEMPOTENCY_KEY) {
                request.extensions_mut().insert(key);
            }
            return;
        }
        let Some(key) = known.clone().or_else(generate) else {
            return;
        };
        let Some(value) = self.value(&key) else {
            return;
        };
        request.headers_mut().insert(self.header.clone(), value);
        if known.is_none() {
            request.extensions_mut().insert(key);
        }
    }

    fn value(&self, key: &IdempotencyKey) -> Option<HeaderValue> {
        match self.quoted {
            true => key.to_quoted().parse().ok(),
            false => key.to_field().parse().ok(),
        }
    }
}

/// A key that nobody can guess, and that nobody else will ever have.
fn generate() -> Option<IdempotencyKey> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).ok()?;
    let mut digits = [0; 32];
    for (digit, byte) in digits.chunks_exact_mut(2).zip(bits) {
        digit[0] = HEX[usize::from(byte >> 4)];
        digit[1] = HEX[usize::from(byte & 15)];
    }
    IdempotencyKey::new(std::str::from_utf8(&digits).ok()?).ok()
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const HEX: &[u8; 16] = b"0123456789abcdef";
