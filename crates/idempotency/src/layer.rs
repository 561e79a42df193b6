//! The layer, and what it is told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::Profile;
use http::request::Parts;
use http::{HeaderName, Method};
use tower_layer::Layer;

use crate::calls::Calls;
use crate::memory::MemoryStore;
use crate::naming::Naming;
use crate::scope::Scope;
use crate::service::Idempotency;
use crate::state::{Duplicates, Settings, State};
use crate::store::IdempotencyStore;

/// Makes a call once, however often it is asked for.
///
/// A `POST` or `PATCH` with an `Idempotency-Key` is known by that key and by whose it is. The first one goes out at
/// once, and its body is hashed in passing. A duplicate has its own body read and hashed before it gets anything. Then:
///
/// | the call | the duplicate |
/// |---|---|
/// | is under way | joins it: same head but for cookies, same bytes from the first one on, same trailers, same error |
/// | has ended well | gets the answer that was kept, with `Idempotent-Replayed: true` |
/// | has failed, or its stream broke off | makes it anew |
/// | had another payload | is refused: [`KeyReused`](crate::KeyReused), a 422 |
/// | had a payload of which nobody knows the end | is told to come again: [`CallInFlight`](crate::CallInFlight), a 409 |
///
/// Of a duplicate's body 1 MiB is held until the first one's has arrived: if that breaks off, the duplicate makes the
/// call. The last piece of an answer is handed on when the store has been told of it, the head of an empty one likewise.
///
/// Whoever joins reads at his own pace. The call is polled by whichever of those who wait for it is awake, and goes on
/// as long as one is left. When **all** have gone away it goes on nevertheless, on the
/// [`executor`](Self::executor), so that the client's retry is not billed again; without one it waits for a retry to
/// adopt it, for [`orphan_ttl`](Self::orphan_ttl). A call that has not begun, since another process has it or nobody has
/// polled it yet, ends with them. Errors of the call reach all who wait for it.
///
/// Requests without credentials are nobody's, and are not deduplicated. Authentication belongs outside of this layer.
/// Upgrades pass unwrapped.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`header`](Self::header) | `idempotency-key` | the draft's |
/// | [`methods`](Self::methods) | `POST`, `PATCH` | all others are idempotent, or safe |
/// | [`scope`](Self::scope) | the request's [credentials](Scope::credentials) | an address is no identity behind a NAT |
/// | [`duplicates`](Self::duplicates) | [`Join`](Duplicates::Join) | the client wants the answer |
/// | [`ttl`](Self::ttl) | 24 h | what the best-known API promises |
/// | [`max_body`](Self::max_body) | 8 MiB | long answers of models are shorter |
/// | [`max_run`](Self::max_run) | 600 s | the longest that official SDKs wait |
/// | [`patience`](Self::patience) | 5 s | a pause of the network, and no more |
/// | [`orphan_ttl`](Self::orphan_ttl) | 30 s | a client retries sooner |
/// | [`lease`](Self::lease) | 30 s | a crashed owner is replaced soon after |
/// | [`store`](Self::store) | a [`MemoryStore`] of this layer's own | needs no server |
///
/// # Clone
/// Clones, and the services that they make, share the calls that are under way, and the store. A setter that is called
/// on a clone changes that clone only.
///
/// # Cancel safety
/// Whatever is dropped, and wherever, lets nobody down but its own caller: the last to leave decides as above. A call
/// that is cancelled, that panics or that takes longer than [`max_run`](Self::max_run) gives its key back at once; in a
/// store that answers later one that is cancelled or panics does so by the [`executor`](Self::executor), or else when its
/// [`lease`](Self::lease) runs out.
///
/// # Source
/// draft-ietf-httpapi-idempotency-key-header · Stripe's API reference, "Idempotent requests" · RFC 9110 §7.6.1
#[derive(Clone)]
pub struct IdempotencyLayer<C = Profile> {
    classify: C,
    state: Arc<State>,
}

impl<C> IdempotencyLayer<C> {
    /// Deduplicates requests that have a key. `classify` says which answers are kept: successes.
    #[must_use]
    pub fn new(classify: C) -> Self {
        let state = State {
            settings: Settings {
                header: HeaderName::from_static("idempotency-key"),
                methods: Arc::new([Method::POST, Method::PATCH]),
                strict: false,
                required: false,
                trust_keys: false,
                keep_errors: false,
                duplicates: Duplicates::Join,
                scope: None,
                fingerprints: None,
                ttl: TTL,
                fingerprint_ttl: FINGERPRINT_TTL,
                max_body: MAX_BODY,
                max_run: MAX_RUN,
                lease: LEASE,
                orphan_ttl: ORPHAN_TTL,
            },
            naming: Naming::Private,
            calls: Arc::new(Calls::new()),
            store: Arc::new(MemoryStore::new()),
            executor: None,
            be_patient: Arc::new(|| Box::pin(tokio::time::sleep(PATIENCE))),
        };
        Self {
            classify,
            state: Arc::new(state),
        }
    }

    /// The header that holds the key. Default: `idempotency-key`.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.settings().header = name;
        self
    }

    /// Requests of which methods are deduplicated. Default: `POST` and `PATCH`.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings().methods = methods.into_iter().collect();
        self
    }

    /// Takes the key for what the draft wants: an sf-string in quotes. Default: off; a bare key of letters, digits and
    /// `-_.~:` is the same key as the quoted one, since that is what most clients send.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.settings().strict = strict;
        self
    }

    /// Refuses requests of these [methods](Self::methods) that have no key, with
    /// [`KeyMissing`](crate::KeyMissing), a 400. Default: off.
    #[must_use]
    pub fn required(mut self, required: bool) -> Self {
        self.settings().required = required;
        self
    }

    /// Takes a key's word for it: bodies are not hashed, and the same key with another payload gets the answer of the
    /// first. Default: off.
    #[must_use]
    pub fn trust_keys(mut self, trust: bool) -> Self {
        self.settings().trust_keys = trust;
        self
    }

    /// Keeps final answers of the statuses 400 to 499, too, as the draft suggests; still not 408, 409, 425 and 429.
    /// Default: off, only successes are kept.
    #[must_use]
    pub fn keep_errors(mut self, keep: bool) -> Self {
        self.settings().keep_errors = keep;
        self
    }

    /// What becomes of a duplicate whose call is under way. Default: [`Duplicates::Join`]. A request can say otherwise
    /// by its extensions.
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings().duplicates = duplicates;
        self
    }

    /// On whose account a request is made: two accounts never share a key. `None` is nobody's, and not deduplicated.
    /// Default: the request's [credentials](Scope::credentials).
    #[must_use]
    pub fn scope(
        mut self,
        scope: impl Fn(&Parts) -> Option<Scope> + Send + Sync + 'static,
    ) -> Self {
        self.settings().scope = Some(Arc::new(scope));
        self
    }

    /// Also deduplicates requests without a key, which are one if their [`Fingerprint`](crate::Fingerprint) is one and
    /// `scope` says the same of both. Default: off.
    ///
    /// The body is held until it has been read, up to 1 MiB; a longer one is passed on and not deduplicated. Such a call
    /// does not outlive those who wait for it.
    #[must_use]
    pub fn fingerprints(
        mut self,
        scope: impl Fn(&Parts) -> Option<Scope> + Send + Sync + 'static,
    ) -> Self {
        self.settings().fingerprints = Some(Arc::new(scope));
        self
    }

    /// How long an answer to a request with a key is kept. Default: 24 h.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings().ttl = ttl;
        self
    }

    /// How long an answer to a request [without one](Self::fingerprints) is kept. Default: 60 s.
    #[must_use]
    pub fn fingerprint_ttl(mut self, ttl: Duration) -> Self {
        self.settings().fingerprint_ttl = ttl;
        self
    }

    /// How long an answer may be that is kept, in bytes, and how far apart those may be who read it. Default: 8 MiB.
    ///
    /// Beyond it the beginning is let go of, and nobody can join any more: see [`Shared`](buttress_body::Shared).
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings().max_body = bytes;
        self
    }

    /// How long those who are [`max_body`](Self::max_body) ahead of another wait for him. Default: 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.state().be_patient = Arc::new(move || Box::pin(tokio::time::sleep(patience)));
        self
    }

    /// How long a call may take, its body included. Default: 600 s, counted from its first pause.
    ///
    /// A store that does not say what became of the answer is given as long again; then everybody has the end without
    /// it. Stores that ask a server have closer limits of their own.
    ///
    /// It is looked at when the call is. Where all readers have stopped in the middle, more than
    /// [`max_body`](Self::max_body) behind, they hold up the upstream, as without this layer, until one goes on or leaves.
    ///
    /// This is the limit of a call that can be joined. A deadline in the extensions of a request bounds the waiting of
    /// that request only, and is not handed in.
    #[must_use]
    pub fn max_run(mut self, limit: Duration) -> Self {
        self.settings().max_run = limit;
        self
    }

    /// What drives calls that everybody has left, and renews their [`lease`](Self::lease)s, such as
    /// `|future| { tokio::spawn(future); }`. Default: nothing does. All that it is given ends soon after the call.
    #[must_use]
    pub fn executor(
        mut self,
        execute: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.state().executor = Some(Arc::new(execute));
        self
    }

    /// How long a call that everybody has left waits to be adopted where there is no [`executor`](Self::executor).
    /// Default: 30 s.
    ///
    /// Nobody polls it meanwhile. Its time is looked at when any call comes, since there is nobody to run a timer: until
    /// then it keeps its key, its place with the upstream, and what it has received.
    #[must_use]
    pub fn orphan_ttl(mut self, ttl: Duration) -> Self {
        self.settings().orphan_ttl = ttl;
        self
    }

    /// How long a store that other processes see holds a call for one that is not heard of. Default: 30 s. It is renewed
    /// every third of that, by the [`executor`](Self::executor); without one only while somebody reads. At least 100 ms.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings().lease = lease.max(LEAST_LEASE);
        self
    }

    /// Where answers are kept. Default: a [`MemoryStore`] with its own defaults.
    ///
    /// A store in an `Arc` can be given to several layers; they then refuse or wait for each other's calls, and join
    /// their own. Give them an [`executor`](Self::executor), too: an orphan of one is nothing that another can adopt.
    #[must_use]
    pub fn store(mut self, store: impl IdempotencyStore) -> Self {
        let state = self.state();
        if store.is_shared() {
            state.naming = Naming::Common;
        }
        state.store = Arc::new(store);
        self
    }

    fn settings(&mut self) -> &mut Settings {
        &mut self.state().settings
    }

    fn state(&mut self) -> &mut State {
        Arc::make_mut(&mut self.state)
    }
}

impl<S, C: Clone> Layer<S> for IdempotencyLayer<C> {
    type Service = Idempotency<S, C>;

    fn layer(&self, inner: S) -> Idempotency<S, C> {
        Idempotency::new(inner, self.classify.clone(), Arc::clone(&self.state))
    }
}

impl<C> fmt::Debug for IdempotencyLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

const TTL: Duration = Duration::from_secs(24 * 60 * 60);
const FINGERPRINT_TTL: Duration = Duration::from_secs(60);
const MAX_BODY: usize = 8 << 20;
const MAX_RUN: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(5);
const ORPHAN_TTL: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(30);
/// Less than that is asked of a store all the time.
const LEAST_LEASE: Duration = Duration::from_millis(100);
