//! Which call is meant, without saying by whom or under which key.

use std::fmt;

/// The name of a call in a store: hashes of its scope and of its key.
///
/// In a store of one process they are keyed at random, once per process, so that nobody can choose keys that
/// collide. In a store that is [shared](crate::IdempotencyStore::is_shared) they are the same in every process.
/// `Debug` shows eight hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId {
    scope: u128,
    call: u128,
}

impl CallId {
    /// The call `call` in the scope `scope`, both of them hashes.
    #[must_use]
    pub const fn new(scope: u128, call: u128) -> Self {
        Self { scope, call }
    }

    /// On whose account it is made: for quotas. Already part of [`call`](Self::call).
    #[must_use]
    pub const fn scope(&self) -> u128 {
        self.scope
    }

    /// The call itself: two scopes never share one.
    #[must_use]
    pub const fn call(&self) -> u128 {
        self.call
    }
}

/// Eight hex digits: enough to follow a call through a log.
impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.call >> 96)
    }
}
