//! A Redis of a test's own, and what is told to stores.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use buttress_idempotency::{CallId, Claim, Fingerprint, IdempotencyStore, Lease, Stored};
use buttress_idempotency_redis::RedisStore;
use buttress_testkit::redis::RedisServer;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, cmd};
use tokio::time::{Instant, sleep};

/// Longer than any lease that a test waits for the end of.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server that ends with the test, and what to ask it.
pub(crate) struct Server(RedisServer);

impl Server {
    /// `None` if there is no such program.
    pub(crate) async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    pub(crate) async fn with(options: &[&str]) -> Option<Self> {
        RedisServer::start(options).await.map(Self)
    }

    /// A store that a slow machine does not make nervous.
    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(&self.url()).unwrap().patience(LONG)
    }

    /// How often anybody has connected, this time included.
    pub(crate) async fn connections(&self) -> u64 {
        self.count("total_connections_received:").await
    }

    /// How much it has said.
    pub(crate) async fn bytes_out(&self) -> u64 {
        self.count("total_net_output_bytes:").await
    }

    async fn count(&self, what: &str) -> u64 {
        let stats: String = self.say(&[b"INFO", b"stats"]).await;
        let mut counts = stats.lines().filter_map(|line| line.strip_prefix(what));
        counts.next().unwrap().parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        let client = Client::open(self.url()).unwrap();
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LONG))
            .set_response_timeout(Some(LONG));
        let connecting = client.get_multiplexed_async_connection_with_config(&patient);
        connecting.await.unwrap()
    }

    /// Words of a command, as an operator would type them.
    pub(crate) async fn say<T: FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let mut said = cmd(std::str::from_utf8(command[0]).unwrap());
        for word in &command[1..] {
            said.arg(word);
        }
        said.query_async(&mut self.connect().await).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.say(&[b"KEYS", b"*"]).await;
        keys.sort();
        keys
    }
}

impl Deref for Server {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut RedisServer {
        &mut self.0
    }
}

pub(crate) const CALL: CallId = CallId::new(1, 0x5f0c);

/// Where that call is kept.
pub(crate) const KEY: &str = "buttress:{00000000000000000000000000005f0c}";

pub(crate) fn answer(body: impl Into<Bytes>) -> Stored {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    Stored::new(
        StatusCode::OK,
        headers,
        body.into(),
        None,
        Fingerprint::UNCHECKED,
    )
}

pub(crate) async fn claim(store: &RedisStore) -> Claim {
    store.claim(&CALL, LONG).await
}

/// A lease that is granted.
pub(crate) async fn lease(store: &RedisStore, time: Duration) -> Lease {
    granted(store.claim(&CALL, time).await)
}

#[track_caller]
pub(crate) fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Run(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn finished(claim: Claim) -> Bytes {
    match claim {
        Claim::Finished(answer) => answer.body().clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn in_flight(claim: &Claim) {
    assert!(matches!(claim, Claim::InFlight), "{claim:?}");
}

/// Claims until it is granted: when the lease of another has run out, which nobody can say exactly.
pub(crate) async fn claim_in_the_end(store: &RedisStore) -> Lease {
    let by = Instant::now() + LONG / 3;
    loop {
        match claim(store).await {
            Claim::Run(lease) => return lease,
            Claim::InFlight | Claim::Finished(_) if Instant::now() < by => {
                sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}
