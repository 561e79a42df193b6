//! The answers themselves, bounded in number and in bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, SET_COOKIE, TRAILER};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use tokio::time::Instant;

use super::scope::Scope;
use super::words::Words;
use crate::hop_by_hop;

/// What an answer is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) scope: Scope,
    pub(super) method: Method,
    pub(super) key: String,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Good {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) words: Words,
    /// How old it was when it came.
    pub(super) age: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) entry: usize,
    pub(super) age: Duration,
}

/// Good answers by key. The lock is held for a lookup or an insertion, never while anybody waits.
#[derive(Debug, Default)]
pub(crate) struct Store {
    entries: Mutex<Entries>,
    secret: [RandomState; 2],
}

#[derive(Debug, Default)]
struct Entries {
    /// Its hash is keyed per process, so that no caller can choose keys that collide.
    by_key: HashMap<Key, Entry>,
    /// From the one kept longest to the latest.
    by_turn: BTreeMap<u64, Key>,
    bytes: usize,
    turns: u64,
}

#[derive(Debug)]
struct Entry {
    good: Arc<Good>,
    kept: Instant,
    turn: u64,
    weight: usize,
}

/// What an entry holds besides its bytes, and each of its headers.
const OVERHEAD: usize = 256;
const HEADER_OVERHEAD: usize = 64;

/// What belongs to one caller, or is made anew.
const LEFT_OUT: [HeaderName; 4] = [AGE, CONTENT_LENGTH, SET_COOKIE, TRAILER];

// ===== impl Limits =====

impl Limits {
    pub(super) const DEFAULT: Self = Self {
        entries: 1_024,
        bytes: 16 * 1024 * 1024,
        entry: 1024 * 1024,
        age: Duration::from_secs(24 * 60 * 60),
    };
}

// ===== impl Good =====

impl Good {
    /// The head of an answer to a request in these words.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, words: Words) -> Self {
        let age = age(headers);
        let mut headers = headers.clone();
        hop_by_hop::take_off(&mut headers);
        for name in LEFT_OUT {
            headers.remove(name);
        }
        Self {
            status,
            headers,
            body: Bytes::new(),
            words,
            age,
        }
    }

    fn weight(&self) -> usize {
        let header = |(name, value): (&HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + HEADER_OVERHEAD
        };
        self.body.len() + self.words.weight() + self.headers.iter().map(header).sum::<usize>()
    }
}

/// What is no number is not said; one beyond all measure is as large as one can be (RFC 9111 §1.2.2).
fn age(headers: &HeaderMap) -> Duration {
    let said = headers.get(AGE).and_then(|age| age.to_str().ok());
    let digits =
        said.filter(|age| !age.is_empty() && age.bytes().all(|digit| digit.is_ascii_digit()));
    digits.map_or(Duration::ZERO, |age| {
        Duration::from_secs(age.parse().unwrap_or(u64::MAX))
    })
}

// ===== impl Store =====

impl Store {
    pub(super) const fn secret(&self) -> &[RandomState; 2] {
        &self.secret
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// The answer kept under this key, and its age.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<(Arc<Good>, Duration)> {
        let entries = self.lock();
        let entry = entries.by_key.get(key)?;
        let kept = now.saturating_duration_since(entry.kept);
        Some((Arc::clone(&entry.good), entry.good.age.saturating_add(kept)))
    }

    /// Keeps an answer in the place of an earlier one, and lets go of those kept longest for it.
    pub(super) fn keep(&self, key: Key, good: Good, limits: &Limits, now: Instant) {
        let weight = good.weight() + 2 * key.key.len() + OVERHEAD;
        if weight > limits.bytes {
            return;
        }
        let mut entries = self.lock();
        entries.remove(&key);
        while entries.bytes + weight > limits.bytes || entries.by_key.len() >= limits.entries {
            let Some((_, oldest)) = entries.by_turn.pop_first() else {
                break;
            };
            entries.remove(&oldest);
        }
        let turn = entries.turns;
        entries.turns += 1;
        entries.bytes += weight;
        entries.by_turn.insert(turn, key.clone());
        let good = Arc::new(good);
        entries.by_key.insert(
            key,
            Entry {
                good,
                kept: now,
                turn,
                weight,
            },
        );
    }

    // A panic elsewhere has left the answers as they were.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_turn.remove(&entry.turn);
            self.bytes -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method, StatusCode};
    use tokio::time::Instant;

    use super::{Good, Key, Limits, OVERHEAD, Scope, Store, Words};

    fn key(key: usize) -> Key {
        Key {
            scope: Scope::ALL,
            method: Method::GET,
            key: key.to_string(),
        }
    }

    fn good(size: usize) -> Good {
        Good {
            body: Bytes::from(vec![0; size]),
            ..Good::new(StatusCode::OK, &HeaderMap::new(), Words::default())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_number_nor_bytes_ever_exceed_their_limits() {
        let limits = Limits {
            entries: 8,
            bytes: 10_000,
            ..Limits::DEFAULT
        };
        let store = Store::default();
        for n in 0..500 {
            store.keep(key(n % 37), good(n * 7 % 5_000), &limits, Instant::now());
            let entries = store.lock();
            let weights = entries.by_key.values().map(|entry| entry.weight);
            assert_eq!(entries.bytes, weights.sum::<usize>());
            assert_eq!(entries.by_key.len(), entries.by_turn.len());
            assert!(entries.bytes <= limits.bytes && entries.by_key.len() <= limits.entries);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_kept_longest_makes_room() {
        let limits = Limits {
            entries: 2,
            ..Limits::DEFAULT
        };
        let store = Store::default();
        let now = Instant::now();
        for n in [1, 2, 1, 3] {
            store.keep(key(n), good(n), &limits, now);
        }
        assert!(store.get(&key(1), now).is_some(), "it was kept anew");
        assert!(store.get(&key(2), now).is_none());
        assert_eq!(store.get(&key(3), now).unwrap().0.body.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_everything_together_pushes_nobody_out() {
        let limits = Limits {
            bytes: 2 * OVERHEAD,
            ..Limits::DEFAULT
        };
        let store = Store::default();
        store.keep(key(1), good(1), &limits, Instant::now());
        store.keep(key(2), good(2 * OVERHEAD), &limits, Instant::now());
        assert_eq!(store.len(), 1);
    }
}
