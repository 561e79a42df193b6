//! What all services of a layer have in common.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_body::{BePatient, Shared};
use http::request::Parts;
use http::{HeaderName, Method};
use tokio::time::Instant;

use crate::call::Call;
use crate::call_id::CallId;
use crate::calls::{Calls, Left};
use crate::event;
use crate::naming::Naming;
use crate::notes::Notes;
use crate::scope::{Scope, credentials};
use crate::store::IdempotencyStore;
use crate::ticket::Ticket;

/// Runs a future that nobody waits for, such as `|future| { tokio::spawn(future); }`.
pub(crate) type Executor = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

pub(crate) type ScopeFn = Arc<dyn Fn(&Parts) -> Option<Scope> + Send + Sync>;

/// What becomes of a duplicate whose call is under way.
///
/// In the extensions of a request it overrides the layer's setting for that request.
///
/// ```
/// use buttress_idempotency::Duplicates;
///
/// let mut request = http::Request::post("https://api.example/v1/charges").body(())?;
/// request.extensions_mut().insert(Duplicates::Refuse);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// It joins the call, from the first byte of its answer on.
    #[default]
    Join,
    /// It is refused with [`CallInFlight`](crate::CallInFlight), a 409.
    Refuse,
    /// It is called again, as if it had no key. For one request: it is not deduplicated at all.
    Repeat,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) naming: Naming,
    pub(crate) calls: Arc<Calls>,
    pub(crate) store: Arc<dyn IdempotencyStore>,
    pub(crate) executor: Option<Executor>,
    pub(crate) be_patient: BePatient,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) header: HeaderName,
    pub(crate) methods: Arc<[Method]>,
    pub(crate) strict: bool,
    pub(crate) required: bool,
    pub(crate) trust_keys: bool,
    pub(crate) keep_errors: bool,
    pub(crate) duplicates: Duplicates,
    /// `None`: the credentials.
    pub(crate) scope: Option<ScopeFn>,
    /// `Some`: requests without a key are known by their fingerprint.
    pub(crate) fingerprints: Option<ScopeFn>,
    pub(crate) ttl: Duration,
    pub(crate) fingerprint_ttl: Duration,
    pub(crate) max_body: usize,
    pub(crate) max_run: Duration,
    pub(crate) lease: Duration,
    pub(crate) orphan_ttl: Duration,
}

impl State {
    /// The name of the call that a request with this key asks for. `None` if nobody knows whose it is.
    pub(crate) fn name(&self, head: &Parts, key: &[u8]) -> Option<CallId> {
        let mut name = self.naming.begin();
        match &self.settings.scope {
            Some(scope) => name.part(scope(head)?.as_bytes()),
            None => {
                if !credentials(&head.headers, &head.uri, |part| name.part(part)) {
                    return None;
                }
            }
        }
        let scope = name.get();
        // The last part, always: no scope and key are another scope and key.
        name.part(key);
        Some(CallId::new(scope, name.get()))
    }

    pub(crate) fn ticket(&self, call: CallId, notes: &Arc<Notes>, outlives: bool) -> Ticket {
        Ticket {
            call,
            notes: Arc::clone(notes),
            calls: Arc::downgrade(&self.calls),
            store: Arc::clone(&self.store),
            executor: self.executor.clone(),
            lease_time: self.settings.lease,
            max_run: self.settings.max_run,
            outlives,
            lease: None,
            renewal: None,
        }
    }

    pub(crate) fn share(&self, call: Call) -> Shared<Call> {
        Shared::with_patience(call, self.settings.max_body, Arc::clone(&self.be_patient))
    }

    /// A subscriber leaves a call.
    pub(crate) fn leave(&self, call: &CallId, notes: &Arc<Notes>) {
        let has_executor = self.executor.is_some();
        match (
            self.calls.leave(call, notes, has_executor, Instant::now),
            &self.executor,
        ) {
            (Left::Drive(shared), Some(executor)) => {
                event::orphaned(call, true);
                executor(Box::pin(Drive::new(self, *call, notes, &shared)));
            }
            (Left::Orphaned, _) => event::orphaned(call, false),
            (Left::Cancelled(call), _) => drop(call),
            (Left::Alone | Left::Drive(_), _) => {}
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("settings", &self.settings)
            .field("calls", &self.calls)
            .field("has_executor", &self.executor.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            header,
            methods,
            strict,
            required,
            trust_keys,
            keep_errors,
            duplicates,
            scope,
            fingerprints,
            ttl,
            fingerprint_ttl,
            max_body,
            max_run,
            lease,
            orphan_ttl,
        } = self;
        f.debug_struct("Settings")
            .field("header", header)
            .field("methods", methods)
            .field("strict", strict)
            .field("required", required)
            .field("trust_keys", trust_keys)
            .field("keep_errors", keep_errors)
            .field("duplicates", duplicates)
            .field("has_scope", &scope.is_some())
            .field("has_fingerprints", &fingerprints.is_some())
            .field("ttl", ttl)
            .field("fingerprint_ttl", fingerprint_ttl)
            .field("max_body", max_body)
            .field("max_run", max_run)
            .field("lease", lease)
            .field("orphan_ttl", orphan_ttl)
            .finish()
    }
}

/// Drives a call to its end for nobody in particular.
struct Drive {
    finish: buttress_body::Finish<Call>,
    calls: std::sync::Weak<Calls>,
    call: CallId,
    notes: Arc<Notes>,
}

impl Drive {
    fn new(state: &State, call: CallId, notes: &Arc<Notes>, shared: &Shared<Call>) -> Self {
        Self {
            finish: shared.finish(),
            calls: Arc::downgrade(&state.calls),
            call,
            notes: Arc::clone(notes),
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        Pin::new(&mut self.finish).poll(cx)
    }
}

/// The executor may drop it unfinished: then its subscribers drive it, or it is over.
impl Drop for Drive {
    fn drop(&mut self) {
        if let Some(calls) = self.calls.upgrade() {
            drop(calls.undriven(&self.call, &self.notes));
        }
    }
}
