//! Where a request belongs.

use std::sync::Arc;

use buttress_core::BoxError;

use crate::call::Call;
use crate::call_id::CallId;
use crate::calls::{Asked, Payload};
use crate::error::CallInFlight;
use crate::event;
use crate::notes::Notes;
use crate::state::{Duplicates, State};
use crate::stored::Stored;
use crate::subscriber::Subscriber;

/// Where a request belongs.
pub(crate) enum Place {
    /// It has begun the call.
    First(Subscriber),
    /// It has joined it.
    Joined(Subscriber),
    /// The call has been made.
    Kept(Arc<Stored>),
    /// There is such a call, made or under way: whether it is the same depends on what has not been read yet.
    Unread,
}

/// Finds the call, or begins it. Where `begin` has nothing to begin it with, the caller is to come again.
pub(crate) fn find(
    state: &Arc<State>,
    call: CallId,
    payload: Payload<'_>,
    duplicates: Duplicates,
    begin: impl FnOnce(&Arc<Notes>) -> Option<Call>,
) -> Result<Place, BoxError> {
    if let Some(kept) = state.store.recall(&call) {
        return match payload {
            Payload::Unread => Ok(Place::Unread),
            Payload::Trusted => Ok(Place::Kept(kept)),
            Payload::Shown(shown) => {
                kept.fingerprint().check(shown)?;
                Ok(Place::Kept(kept))
            }
        };
    }
    let subscriber = |body, notes, is_first| {
        let state = Arc::clone(state);
        Subscriber::new(body, notes, state, call, is_first)
    };
    state.calls.let_go_of_orphans(state.settings.orphan_ttl);
    let joins = duplicates == Duplicates::Join;
    match state.calls.ask(&call, payload, joins) {
        Asked::Joined(body, notes) => {
            if matches!(payload, Payload::Trusted) {
                event::joined(&call);
            }
            return Ok(Place::Joined(subscriber(body, notes, false)));
        }
        Asked::Unread => return Ok(Place::Unread),
        Asked::Refused(refusal) => return Err(refusal),
        Asked::InFlight => {}
        Asked::Vacant(vacant) => {
            let notes = Arc::new(Notes::default());
            let begun = begin(&notes).map(|begun| state.share(begun));
            let body = begun.and_then(|shared| vacant.begin(shared, Arc::clone(&notes)));
            if let Some(body) = body {
                return Ok(Place::First(subscriber(body, notes, true)));
            }
        }
    }
    Err(CallInFlight::refuse())
}
