use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, request::Parts};

use super::{Behaviour, Call, Counts, Script, Stage, UpstreamService, script::Player};

/// Plays a [`Script`], records the requests, and counts.
///
/// # Clone
///
/// Clones are handles to the same upstream.
///
/// # Examples
///
/// ```
/// use buttress_testkit::upstream::{Behaviour, Script, Upstream};
///
/// let upstream = Upstream::new(Script::sequence([Behaviour::overloaded()]));
/// let client = upstream.service(); // a tower `Service`; or `Server::start(upstream.clone()).await`
/// assert_eq!(upstream.counts().calls, 0);
/// ```
#[derive(Clone)]
pub struct Upstream {
    state: Arc<Mutex<State>>,
}

struct State {
    player: Player,
    away: bool,
    record_bytes: usize,
    counts: Counts,
    by_path: BTreeMap<String, Counts>,
    calls: VecDeque<Call>,
}

/// One call being played; whatever is left unfinished when it is dropped was abandoned.
#[derive(Debug)]
pub(super) struct Ticket {
    upstream: Upstream,
    number: u64,
    path: String,
    stage: Stage,
}

/// How many calls are kept in full; older ones are only counted.
const MAX_CALLS: usize = 1024;

/// How many paths are counted on their own; the calls to further ones count in the total only.
const MAX_PATHS: usize = 1024;

/// How much of each request body is kept unless told.
const DEFAULT_RECORD_BYTES: usize = 64 * 1024;

// ===== impl Upstream =====

impl Upstream {
    /// An upstream that plays this script.
    pub fn new(script: impl Into<Script>) -> Self {
        let state = State {
            player: script.into().into(),
            away: false,
            record_bytes: DEFAULT_RECORD_BYTES,
            counts: Counts::default(),
            by_path: BTreeMap::new(),
            calls: VecDeque::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The upstream as a service, in memory.
    #[must_use]
    pub fn service(&self) -> UpstreamService {
        UpstreamService::new(self.clone())
    }

    /// From the next request on, plays this script from its beginning.
    pub fn set_script(&self, script: impl Into<Script>) {
        let player = Player::from(script.into());
        self.lock().player = player;
    }

    /// Keeps this much of each request body from now on. Default: 64 KiB. Length and fingerprint are
    /// always those of the whole.
    pub fn record_bodies(&self, bytes: usize) {
        self.lock().record_bytes = bytes;
    }

    /// In memory, every call is refused from now on, as by a port where nobody listens. A
    /// [`Server`](super::Server) has its own.
    pub fn go_away(&self) {
        self.lock().away = true;
    }

    /// Takes calls again.
    pub fn come_back(&self) {
        self.lock().away = false;
    }

    /// What was seen and done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The same for the requests to one path, without its query.
    #[must_use]
    pub fn counts_for(&self, path: &str) -> Counts {
        self.lock().by_path.get(path).copied().unwrap_or_default()
    }

    /// The last 1024 requests, in the order they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// The request that came last.
    #[must_use]
    pub fn last_call(&self) -> Option<Call> {
        self.lock().calls.back().cloned()
    }

    pub(super) fn is_away(&self) -> bool {
        self.lock().away
    }

    pub(super) fn count_connection(&self) {
        self.lock().counts.connections += 1;
    }

    /// A request has arrived: decides what becomes of it.
    pub(super) fn admit(&self, head: &Parts) -> (Behaviour, Ticket) {
        let mut state = self.lock();
        let behaviour = state.player.next(head);
        let number = state.counts.calls;
        if state.calls.len() == MAX_CALLS {
            state.calls.pop_front();
        }
        state.calls.push_back(Call::new(number, head));
        let path = head.uri.path().to_owned();
        if state.by_path.len() < MAX_PATHS {
            state.by_path.entry(path.clone()).or_default();
        }
        drop(state);
        let ticket = Ticket {
            upstream: self.clone(),
            number,
            path,
            stage: Stage::Waiting,
        };
        ticket.note(|counts| counts.calls += 1, |_| {});
        (behaviour, ticket)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

// ===== impl Ticket =====

impl Ticket {
    pub(super) fn read(&self, chunk: &Bytes) {
        let cap = self.upstream.lock().record_bytes;
        let len = chunk.len() as u64;
        self.note(
            |counts| counts.request_bytes += len,
            |call| call.read(chunk, cap),
        );
    }

    pub(super) fn received(&self, trailers: Option<HeaderMap>) {
        self.note(
            |counts| counts.requests_received += 1,
            |call| {
                call.body_complete = true;
                call.trailers = trailers;
            },
        );
    }

    pub(super) fn billed(&self) {
        self.note(|counts| counts.billed += 1, |call| call.billed = true);
    }

    pub(super) fn begun(&mut self, status: StatusCode) {
        self.advance(Stage::Begun, |counts| counts.answers_begun += 1);
        self.note(|_| {}, |call| call.status = Some(status));
    }

    pub(super) fn sent(&self, tokens: usize) {
        let tokens = tokens as u64;
        if tokens > 0 {
            self.note(
                |counts| counts.tokens += tokens,
                |call| call.tokens += tokens,
            );
        }
    }

    pub(super) fn completed(&mut self) {
        self.advance(Stage::Completed, |counts| counts.answers_completed += 1);
    }

    pub(super) fn cut(&mut self) {
        self.advance(Stage::Cut, |counts| counts.cut += 1);
    }

    fn advance(&mut self, stage: Stage, count: impl Fn(&mut Counts)) {
        self.stage = stage;
        self.note(count, |call| call.stage = stage);
    }

    /// Counts for all and for the path, and writes into the record if it is still kept.
    fn note(&self, count: impl Fn(&mut Counts), write: impl FnOnce(&mut Call)) {
        let mut state = self.upstream.lock();
        count(&mut state.counts);
        if let Some(counts) = state.by_path.get_mut(&self.path) {
            count(counts);
        }
        let oldest = state.calls.front().map_or(0, |call| call.number);
        let index = self
            .number
            .checked_sub(oldest)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(call) = index.and_then(|index| state.calls.get_mut(index)) {
            write(call);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Waiting | Stage::Begun) {
            self.advance(Stage::Abandoned, |counts| counts.abandoned += 1);
        }
    }
}
