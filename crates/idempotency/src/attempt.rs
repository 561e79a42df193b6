//! A request that is to be made, unless it turns out to be a duplicate.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use buttress_body::PrefixBody;
use buttress_core::{BoxError, Classify, Watch};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tokio::time::timeout;
use tower_service::Service;

use crate::call::{Call, CallBody};
use crate::call_id::CallId;
use crate::calls::Payload;
use crate::error::{CallInFlight, RunElapsed};
use crate::event;
use crate::find::{Place, find};
use crate::fingerprint::{Fingerprint, Hashing};
use crate::future::Decided;
use crate::keeping::Keeping;
use crate::notes::{Judgement, Notes};
use crate::open::Opening;
use crate::request::RequestBody;
use crate::state::{Duplicates, State};

/// Makes a call that can be shared: [`make`], whose bounds nobody else has to repeat.
pub(crate) type Make<S, Q, C> = fn(Opening<S, Q, C>, Keeping) -> Call;

pub(crate) fn make<S, Q, C, B, W>(mut opening: Opening<S, Q, C>, keeping: Keeping) -> Call
where
    S: Service<Request<RequestBody<Q>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    Q: Body + Send + Unpin + 'static,
    Q::Error: Send,
    B: Body + Send + 'static,
    C: Classify<Response<B>, S::Error> + Send + 'static,
    C::Watch: Watch<Response<B>, Watched<Judgement> = Response<W>>,
    W: Body + Send + 'static,
    W::Error: Into<BoxError>,
{
    let notes = Arc::clone(&opening.ticket.notes);
    let time = opening.own_time();
    Box::pin(CallBody::new(opening.open(), notes, keeping, time))
}

/// A request that is to be made, unless it turns out to be a duplicate.
pub(crate) struct Attempt<S, Q: Body, C> {
    pub(crate) service: S,
    /// It has said so.
    pub(crate) is_ready: bool,
    pub(crate) classify: C,
    pub(crate) duplicates: Duplicates,
    pub(crate) make: Make<S, Q, C>,
    pub(crate) parts: Parts,
    pub(crate) body: PrefixBody<Q>,
    pub(crate) proof: Proof,
    pub(crate) has_key: bool,
}

/// What duplicates are compared with.
pub(crate) enum Proof {
    /// What comes of this when the body has passed.
    Hash(Hashing),
    Known(Fingerprint),
}

impl<S, Q, C> Attempt<S, Q, C>
where
    S: Service<Request<RequestBody<Q>>>,
    Q: Body + Unpin,
    Q::Error: Into<BoxError>,
{
    /// Makes it.
    pub(crate) fn begin(self, state: &State, call: CallId, notes: &Arc<Notes>) -> Call {
        let settings = &state.settings;
        let body = match self.proof {
            Proof::Hash(hashing) => RequestBody::hashed(self.body, hashing, notes),
            Proof::Known(fingerprint) => {
                notes.identify(fingerprint);
                RequestBody::read_ahead(self.body)
            }
        };
        let opening = Opening {
            service: self.service,
            is_ready: self.is_ready,
            request: Request::from_parts(self.parts, body),
            classify: self.classify,
            ticket: state.ticket(call, notes, self.has_key),
            waits: self.duplicates == Duplicates::Join,
            max_run: settings.max_run,
        };
        let keeping = Keeping {
            ttl: match self.has_key {
                true => settings.ttl,
                false => settings.fingerprint_ttl,
            },
            max_body: settings.max_body,
            max_run: settings.max_run,
            errors: settings.keep_errors,
        };
        (self.make)(opening, keeping)
    }

    /// There is such a call: whether this is the same is known when its body has been read.
    ///
    /// It holds nobody's place meanwhile. Its body is held until it is known that somebody else's has arrived.
    pub(crate) async fn by_key(
        mut self,
        state: Arc<State>,
        call: CallId,
        mut hashing: Hashing,
    ) -> Result<Decided<S::Future>, BoxError> {
        let max_run = state.settings.max_run;
        let is_held = timeout(max_run, self.read_all(&mut hashing)).await;
        let is_held = is_held.map_err(|_elapsed| RunElapsed::refuse(max_run))??;
        let shown = hashing.show();
        let duplicates = self.duplicates;
        let mut held = is_held.then_some(self);
        for _ in 0..ROUNDS {
            let payload = Payload::Shown(&shown);
            let found = find(&state, call, payload, duplicates, |notes| {
                Some(held.take()?.begin(&state, call, notes))
            });
            let mut joined = match found? {
                Place::First(subscriber) => return Ok(Decided::Waiting(subscriber)),
                Place::Kept(kept) => return Ok(Decided::Kept(call, kept)),
                Place::Joined(subscriber) => subscriber,
                Place::Unread => break,
            };
            if poll_fn(|cx| joined.poll_same(cx, &shown)).await? {
                event::joined(&call);
                return Ok(Decided::Waiting(joined));
            }
            // The first one's upload broke off: one of those who have it all makes the call.
        }
        Err(CallInFlight::refuse())
    }

    /// Known by its fingerprint alone.
    pub(crate) async fn by_fingerprint(
        mut self,
        state: Arc<State>,
        scope: u128,
        mut hashing: Hashing,
    ) -> Result<Decided<S::Future>, BoxError> {
        if !self.read(&mut hashing).await {
            let body = RequestBody::read_ahead(self.body);
            let request = Request::from_parts(self.parts, body);
            return Ok(Decided::Plain(self.service.call(request)));
        }
        let fingerprint = hashing.end();
        let mut name = state.naming.begin();
        name.part(b"fingerprint");
        name.part(&fingerprint.to_bytes());
        let call = CallId::new(scope, name.get());
        let duplicates = self.duplicates;
        self.proof = Proof::Known(fingerprint);
        let mut held = Some(self);
        let found = find(&state, call, Payload::Trusted, duplicates, |notes| {
            Some(held.take()?.begin(&state, call, notes))
        });
        Ok(match found? {
            Place::First(subscriber) | Place::Joined(subscriber) => Decided::Waiting(subscriber),
            Place::Kept(kept) => Decided::Kept(call, kept),
            Place::Unread => return Err(CallInFlight::refuse()),
        })
    }

    /// Reads the body to its end, and holds it. Says whether that could be done.
    async fn read(&mut self, hashing: &mut Hashing) -> bool {
        let body = &mut self.body;
        while body.held_weight() <= MAX_HELD {
            if body.is_read() {
                return true;
            }
            let read = poll_fn(|cx| {
                body.poll_ahead(cx).map(|frame| match frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            hashing.data(data);
                        }
                        Some(true)
                    }
                    Some(Err(_)) => Some(false), // it is held, and handed on
                    None => None,
                })
            });
            match read.await {
                Some(true) => {}
                Some(false) => return false,
                None => return true,
            }
        }
        false
    }

    /// Reads the body to its end. Says whether it is held.
    async fn read_all(&mut self, hashing: &mut Hashing) -> Result<bool, BoxError> {
        if self.read(hashing).await {
            return Ok(true);
        }
        let mut known = self.body.held().count();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
            let frame = frame.map_err(Into::into)?;
            if known > 0 {
                known -= 1;
            } else if let Some(data) = frame.data_ref() {
                hashing.data(data);
            }
        }
        Ok(false)
    }
}

/// How much of a request is held that may be somebody else's.
const MAX_HELD: u64 = 1 << 20;

/// How often the first one's upload may break off before a duplicate is told to come again.
const ROUNDS: u32 = 4;
