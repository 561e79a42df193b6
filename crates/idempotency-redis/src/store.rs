//! The store: the layer's questions as questions to a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_idempotency::{CallId, Claim, IdempotencyStore, Lease, Reply, Stored};
use redis::{Client, Cmd, FromRedisValue, RedisError, cmd};
use tokio::time::timeout;

use crate::error::{InvalidUrl, StoreUnavailable};
use crate::link::{Link, WhileDown};
use crate::script::Names;

/// Keeps the answers of idempotent calls in Redis, where several processes share them.
///
/// A call belongs to whoever claims it first, under a token that nobody else has and for as long as it is renewed.
/// Every further step is taken by the server only if it is still of that token: one who was thought dead, and was
/// not, cannot overwrite what its successor has kept. If the server has forgotten a lease and nobody has claimed the
/// call since, whoever had it has it again.
///
/// # When Redis is down
/// By default the store [fails open](Self::fail_open): calls are made as if there were no store, and a duplicate on
/// another process is made, too. One that [fails closed](Self::fail_closed) has them refused with
/// [`StoreUnavailable`], and the inner service is not called. Either way no call waits longer than
/// [`patience`](Self::patience) for anything it asks, and once the server is known to be down none waits at all; every
/// 200 ms one finds out whether it is back.
///
/// Calls that are under way go on. The end of their answers waits for the server, so that they are kept if it is back
/// within the patience.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`prefix`](Self::prefix) | `buttress:` | a server has other users |
/// | [`patience`](Self::patience) | 2 s | longer than a pause of the network, shorter than a caller's |
/// | [`max_bytes`](Self::max_bytes) | 32 MiB | four times what the layer keeps |
/// | when Redis is down | [fail open](Self::fail_open) | what keeps duplicates away should not keep calls away |
///
/// # Clone
/// Clones share the connection. A setter that is called on a clone changes that clone only.
///
/// # Cancel safety
/// A claim that was dropped may have been granted; it runs out as every lease does.
///
/// # Source
/// Kleppmann, "How to do distributed locking" (fencing) · Redis documentation, `EVAL`, `PEXPIRE`, "Cluster
/// specification", hash tags
#[derive(Clone)]
pub struct RedisStore {
    link: Arc<Link>,
    pub(crate) settings: Settings,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    prefix: Arc<str>,
    pub(crate) patience: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) fails_closed: bool,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host[:port][/database]`. It connects when it is first asked; see
    /// [`check`](Self::check).
    ///
    /// `rediss://` and `unix://` work as far as the `redis` crate is told to support them.
    ///
    /// # Errors
    /// [`InvalidUrl`] if it is none, or one of a kind that the client was built without.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let client = Client::open(url).map_err(|error| InvalidUrl::new(&error))?;
        Ok(Self {
            link: Arc::new(Link::new(client)),
            settings: Settings {
                prefix: Arc::from("buttress:"),
                patience: PATIENCE,
                max_bytes: MAX_BYTES,
                fails_closed: false,
            },
        })
    }

    /// What the names of all keys begin with: who shares it shares the answers. Default: `buttress:`. In a cluster, one
    /// without braces: what they hold would decide where a call is kept, apart from its pieces.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.settings.prefix = Arc::from(prefix);
        self
    }

    /// How long any one question may take, connecting and repeating included. Default: 2 s. Connecting may take half
    /// of it, and so may one answer of the server. Each half a MiB of a long answer is a question of its own.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// How many bytes one answer may take, with its headers. Default: 32 MiB. A longer one is not kept, and not read.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// While Redis is down, calls are made, and nothing is known of duplicates on other processes. An answer in it that
    /// cannot be read is thrown away, and its call made anew. This is the default.
    #[must_use]
    pub const fn fail_open(mut self) -> Self {
        self.settings.fails_closed = false;
        self
    }

    /// While Redis is down, calls are refused: whether one is a duplicate cannot be known. So are those whose answer is
    /// in it and cannot be read. Default: [`fail_open`](Self::fail_open).
    #[must_use]
    pub const fn fail_closed(mut self) -> Self {
        self.settings.fails_closed = true;
        self
    }

    /// Asks whether the server is there and lets us in: for a program that would rather know when it starts.
    ///
    /// # Errors
    /// [`StoreUnavailable`], with the client's error as its source.
    pub async fn check(&self) -> Result<(), StoreUnavailable> {
        self.within(self.ask(&cmd("PING"), WhileDown::Fail)).await
    }

    pub(crate) fn names(&self, call: &CallId) -> Names {
        Names::new(&self.settings.prefix, call)
    }

    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        while_down: WhileDown,
    ) -> Result<T, RedisError> {
        let limit = (self.settings.patience / 2).min(LONGEST);
        self.link.ask(command, limit, while_down).await
    }

    /// Nobody waits longer than that, whatever it is that is done.
    pub(crate) async fn within<T, E: Into<StoreUnavailable>>(
        &self,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreUnavailable> {
        let patience = self.settings.patience;
        match timeout(patience, asking).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(_) => Err(StoreUnavailable::silent(patience)),
        }
    }
}

impl IdempotencyStore for RedisStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        Reply::later(self.clone().claim_now(*call, lease))
    }

    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool> {
        Reply::later(self.clone().renew_now(*lease, time))
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        Reply::later(self.clone().finish_now(lease, answer, ttl))
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        Reply::later(self.clone().release_now(lease))
    }
}

/// Tells nothing of where the server is and how one gets in.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A year: what comes of it can be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const PATIENCE: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 32 << 20;
