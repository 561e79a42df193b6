//! Keeps the answers of idempotent calls in Redis, where several processes share them.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_idempotency::IdempotencyLayer;
//! use buttress_idempotency_redis::RedisStore;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, service_fn};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let store = RedisStore::new("redis://:secret@redis.internal/")?;
//! store.check().await?;
//! let model = service_fn(|_prompt: Request<Full<Bytes>>| async {
//!     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from("an expensive answer")))
//! });
//! let model = IdempotencyLayer::new(Profile::OPENAI).store(store).layer(model);
//! # drop(model);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Where duplicates of a call may come in at another process: behind a load balancer, across restarts. One process
//! alone is better off with the layer's own store in memory, which is faster and cannot be down.
//!
//! # Differences from others
//!
//! Middleware that keeps answers in Redis commonly looks first and writes afterwards, so that two concurrent duplicates
//! both run; or it locks without a limit, so that a crash answers 409 for ever; or it unlocks and writes without asking
//! whose lock it is. Here each step is one script, and asks.
//!
//! # What is in Redis
//!
//! ```text
//! buttress:{5f0c…}            a hash: the token; when finished also the size and the first piece of the answer
//! buttress:{5f0c…}:TOKEN:1    the next pieces of 512 KiB, if there are any
//!
//!              claim                       finish
//!   (nothing) ───────► token, for a lease ─────────► token, size, front, for the ttl
//!       ▲                 │    ▲     │
//!       │ release         └────┘     │ the lease runs out
//!       └──────────────────renew─────┘
//! ```
//!
//! Names are hashes, and tell neither key nor credential. Answers are what somebody was told, in the clear: the server
//! should not be open to others, and what it writes to disk is as confidential as they are. Whatever may be found in
//! place of an answer, of another version or of no sense, is noticed and never trusted further than its length.
//!
//! There are no quotas in it: give the server a `maxmemory`, and `volatile-lru` or `volatile-ttl` as its policy. An
//! answer of which a piece was evicted counts as unreadable. A replica that takes over may not know the newest leases;
//! they are taken again by their holders at the next renewal, if nobody else was faster.
//!
//! One server, or the primary of some behind one name. A cluster wants a proxy in front; all keys of a call are in one slot.
//! A user of its own needs `+eval +ping +get +set +getrange +hget +hset +exists +hexists +hstrlen +pttl +pexpire +del +unlink`
//! on the keys `~buttress:*`.
//!
//! # Defaults
//!
//! Two seconds of patience, 32 MiB of an answer, open when Redis is down: the reasons are on the page of the
//! [store](RedisStore#defaults).
//!
//! # Where it goes in the stack
//!
//! Nowhere: it is what an `IdempotencyLayer` [keeps its answers in](buttress_idempotency::IdempotencyLayer::store).
//! All gateways that share a server should set that layer alike.
//!
//! # What it costs
//!
//! A first call: one round trip before it goes out, one when it has ended, and one for each further 512 KiB. A
//! duplicate: one round trip, and one for each further 512 KiB. All share one connection. The client runs it as a task of
//! its own on tokio's runtime.
//!
//! # Observability
//!
//! Events of the target `buttress::idempotency_redis`; names and fields are part of the API. The layer's own events say
//! what becomes of a call.
//!
//! | message | level | fields |
//! |---|---|---|
//! | `redis is down` | warn | `error`; once until it is up again |
//! | `redis is up` | info | |
//! | `redis failed` | warn | `call`, `what` of renew, finish, release, `error` |
//! | `unreadable` | warn | `call` |
//! | `fenced off` | warn | `call`: another had it in the meantime, and the answer is not kept |
//!
//! # Sources
//!
//! Kleppmann, "How to do distributed locking" · Redis documentation, `EVAL` and "Key eviction" ·
//! draft-ietf-httpapi-idempotency-key-header

mod claim;
mod error;
mod event;
mod keep;
mod link;
mod record;
mod script;
mod store;

pub use error::{InvalidUrl, StoreUnavailable};
pub use store::RedisStore;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
