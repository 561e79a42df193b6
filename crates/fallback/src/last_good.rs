//! The last good answer, kept for bad times.

mod recorder;
mod scope;
mod store;
mod words;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::Profile;
use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::time::Instant;

use crate::body::FallbackBody;

pub(crate) use recorder::Recorder;
use scope::Scope;
use store::{Good, Key, Limits, Store};
use words::Words;

/// Keeps the last good answer by key, and gives it when nobody else has one.
///
/// What is kept are answers of upstreams, not degraded ones, with a status from 200 to 299 (but 206), once they
/// have come to their proper end: a stream with its terminator. Not kept are answers that say
/// `cache-control: no-store` or `vary: *` (or `private`, if one answer is for all), answers that end in trailers (as
/// gRPC's do: without them they would be broken), and those to `HEAD`. `set-cookie` and what belongs to a connection
/// are left out. A kept answer says how old it is in `age`, and whatever it said of that when it came is part of it.
///
/// # Keys
/// The key is made from the head of the request; a request without one is not kept. Besides it, the method must be
/// the same, and so must be what the request says in the headers that the answer's `vary` names. Whatever else the
/// answer depends on must be part of the key: a prompt is in the body, which is not seen here, so that the caller has to put something
/// that stands for it into a header or an extension.
///
/// # Whose answer it is
/// What one caller was answered is given to nobody else, unless [`one_for_all`](Self::one_for_all) says otherwise.
/// Callers are told apart by what looks like a credential, in headers, in the query or before the host, together
/// with the headers that name a user or an account; all of it as a keyed hash. Where nothing looks like a
/// credential, nothing is kept and nothing given. Better than looks is what your application knows: see
/// [`scope`](Self::scope).
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`max_entries`](Self::max_entries) | 1,024 | |
/// | [`max_bytes`](Self::max_bytes) | 16 MiB | of all together, their keys and headers included |
/// | [`max_entry`](Self::max_entry) | 1 MiB | a completion is some KiB |
/// | [`max_age`](Self::max_age) | 24 h | what is older may mislead more than it helps |
///
/// # Clone
/// Clones share the answers; a setter on a clone changes that clone alone.
///
/// ```
/// use buttress_classify::Profile;
/// use buttress_fallback::LastGood;
///
/// // Prices, one answer per path and query, the same for everybody.
/// let prices = LastGood::new(Profile::HTTP, |head| head.uri.path_and_query().map(ToString::to_string))
///     .one_for_all(true);
/// # let _ = prices;
/// ```
#[derive(Clone)]
pub struct LastGood {
    profile: Profile,
    key: Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>,
    whose: Whose,
    limits: Limits,
    store: Arc<Store>,
}

impl LastGood {
    /// Keeps nothing yet. The profile knows how a stream of this upstream ends.
    #[must_use]
    pub fn new(
        profile: Profile,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            profile,
            key: Arc::new(key),
            whose: Whose::Credentials,
            limits: Limits::DEFAULT,
            store: Arc::default(),
        }
    }

    /// The most answers that are kept; the one kept longest makes room. Default: 1,024.
    #[must_use]
    pub const fn max_entries(mut self, entries: NonZeroUsize) -> Self {
        self.limits.entries = entries.get();
        self
    }

    /// The most that all of them hold together, in bytes. Default: 16 MiB.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// The largest answer that is kept, in bytes of its body. Default: 1 MiB.
    #[must_use]
    pub const fn max_entry(mut self, bytes: usize) -> Self {
        self.limits.entry = bytes;
        self
    }

    /// The oldest answer that is given. Default: 24 h.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.limits.age = age;
        self
    }

    /// Whether what one caller was answered is good for another, too. Default: not.
    #[must_use]
    pub fn one_for_all(mut self, yes: bool) -> Self {
        self.whose = if yes {
            Whose::Everybodys
        } else {
            Whose::Credentials
        };
        self
    }

    /// Tells callers apart by this, in place of their credentials: a user, a tenant. `None`: the answer is neither
    /// kept nor given.
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_fallback::LastGood;
    ///
    /// #[derive(Clone)]
    /// struct User(String); // whom your authentication layer has found
    ///
    /// let feeds = LastGood::new(Profile::HTTP, |head| Some(head.uri.path().to_owned()))
    ///     .scope(|head| head.extensions.get().map(|User(name)| name.clone()));
    /// # let _ = feeds;
    /// ```
    #[must_use]
    pub fn scope(
        mut self,
        scope: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.whose = Whose::Says(Arc::new(scope));
        self
    }

    /// The answers that are kept at this moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kept answer to such a request, unless it is too old.
    pub(crate) fn answer<B>(&self, head: &Parts) -> Option<Response<FallbackBody<B>>> {
        let key = self.key(head)?;
        let (good, age) = self.store.get(&key, Instant::now())?;
        if age > self.limits.age || !good.words.are_of(&head.headers) {
            return None;
        }
        let mut response = Response::new(FallbackBody::whole(good.body.clone()));
        *response.status_mut() = good.status;
        let mut headers = good.headers.clone();
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(good.body.len()));
        *response.headers_mut() = headers;
        Some(response)
    }

    /// What keeps this answer as it passes, unless there is something against it.
    pub(crate) fn recorder<B>(&self, head: &Parts, response: &Response<B>) -> Option<Recorder> {
        let status = response.status();
        if !status.is_success()
            || status == StatusCode::PARTIAL_CONTENT
            || head.method == Method::HEAD
            || self.forbids(response.headers())
        {
            return None;
        }
        let key = self.key(head)?;
        let words = Words::of(&head.headers, response.headers())?;
        let good = Good::new(status, response.headers(), words);
        let observer = self.profile.observer(status, response.headers());
        let store = Arc::clone(&self.store);
        Some(Recorder::new(store, self.limits, key, good, observer))
    }

    fn key(&self, head: &Parts) -> Option<Key> {
        let secret = self.store.secret();
        let scope = match &self.whose {
            Whose::Everybodys => Scope::ALL,
            Whose::Credentials => Scope::of(head, secret)?,
            Whose::Says(scope) => Scope::named(&scope(head)?, secret),
        };
        let key = (self.key)(head)?;
        Some(Key {
            scope,
            method: head.method.clone(),
            key,
        })
    }

    /// Whether the answer is not to be kept by anybody, or good for nobody else.
    fn forbids(&self, headers: &HeaderMap) -> bool {
        let says = |word: &str| {
            headers.get_all(CACHE_CONTROL).iter().any(|value| {
                // `private` may name some headers. The whole answer is theirs then, too.
                let words = value.as_bytes().split(|byte| matches!(byte, b',' | b'='));
                words
                    .map(<[u8]>::trim_ascii)
                    .any(|one| one.eq_ignore_ascii_case(word.as_bytes()))
            })
        };
        let for_all = matches!(self.whose, Whose::Everybodys);
        says("no-store") || (for_all && says("private"))
    }
}

/// For whom an answer is good that was given to one.
#[derive(Clone)]
enum Whose {
    /// Those who have the same credentials.
    Credentials,
    /// Those of whom the same is said.
    Says(Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>),
    Everybodys,
}

impl fmt::Debug for LastGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastGood")
            .field("entries", &self.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
