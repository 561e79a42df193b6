//! The circuit behind its lock, and what is published of it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use buttress_core::Sampler;

use crate::circuit::{Admission, Circuit, CircuitState, End, PROBING};
use crate::clock::nanos_since;
use crate::error::CircuitOpen;
use crate::policy::Policy;
use crate::shared::word::Word;
use crate::stripes::Counter;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering};

pub(crate) struct Core {
    word: AtomicU32,
    /// Until when calls are refused, where they are: nanoseconds since the epoch.
    shut_until: AtomicU64,
    /// When the window is to be turned: nanoseconds since the epoch.
    turns_at: AtomicU64,
    epoch: Instant,
    policy: Policy,
    name: Option<Arc<str>>,
    counters: Box<[Counter]>,
    circuit: Mutex<Circuit>,
    sampler: Sampler,
}

impl Core {
    pub(crate) fn new(
        policy: Policy,
        name: Option<Arc<str>>,
        epoch: Instant,
        counters: usize,
    ) -> Self {
        let circuit = Circuit::new(policy, epoch);
        Self {
            word: AtomicU32::new(Word::new(circuit.era(), circuit.state(), true).0),
            shut_until: AtomicU64::new(0),
            turns_at: AtomicU64::new(circuit.turns_at()),
            epoch,
            policy,
            name,
            counters: (0..counters).map(|_| Counter::new()).collect(),
            circuit: Mutex::new(circuit),
            sampler: Sampler::new(),
        }
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    #[inline]
    pub(crate) fn counters(&self) -> &[Counter] {
        &self.counters
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Acquire: who sees an era sees its counters begun (and, open, until when).
        Word(self.word.load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) fn admit(&self, now: impl FnOnce() -> Instant) -> Result<Admission, CircuitOpen> {
        let word = self.word();
        match word.admission() {
            Some(admission) => Ok(admission),
            None => self.ask(word, now()),
        }
    }

    /// Not closed: refuses without the lock while there is nothing to decide.
    #[cold]
    fn ask(&self, word: Word, now: Instant) -> Result<Admission, CircuitOpen> {
        let until = self.shut_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(nanos_since(self.epoch, now));
        if left > 0 {
            let left = match (until, word.is_half_open()) {
                (u64::MAX, false) => self.policy.open_wait,
                (_, false) => Duration::from_nanos(left),
                (_, true) => Duration::from_nanos(left).min(PROBING),
            };
            return Err(CircuitOpen::new(left).of(self.name()));
        }
        self.with(now, |circuit, sample| circuit.admit(now, sample))
            .map_err(|refusal| refusal.of(self.name()))
    }

    /// Turns the window, if a bucket is over.
    #[inline]
    pub(crate) fn turn(&self, now: Instant) {
        if nanos_since(self.epoch, now) >= self.turns_at.load(Ordering::Relaxed) {
            self.with(now, |circuit, sample| circuit.turn(now, sample));
        }
    }

    /// Milliseconds since the epoch, of which the lower bits remain.
    #[expect(clippy::cast_possible_truncation, reason = "ages are far shorter")]
    pub(crate) fn millis(&self, now: Instant) -> u32 {
        (nanos_since(self.epoch, now) / 1_000_000) as u32
    }

    /// Does something with the circuit, which knows of all that has happened so far.
    #[cold]
    pub(crate) fn with<T>(&self, now: Instant, f: impl FnOnce(&mut Circuit, f64) -> T) -> T {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let era = circuit.era();
        circuit.absorb(self.collect(era));
        let result = f(&mut circuit, self.sampler.sample());
        if circuit.era() != era {
            self.collect(circuit.era()); // what has been counted meanwhile is of an era that is over
        }
        self.publish(&circuit, now);
        result
    }

    fn collect(&self, era: u32) -> u32 {
        self.counters
            .iter()
            .map(|counter| counter.collect(era))
            .fold(0, u32::saturating_add)
    }

    fn publish(&self, circuit: &Circuit, now: Instant) {
        let shut_until = match circuit.shut_until() {
            None => 0,
            Some(End::At(end)) => nanos_since(self.epoch, end),
            Some(End::Never) => u64::MAX,
        };
        self.shut_until.store(shut_until, Ordering::Relaxed);
        self.turns_at.store(circuit.turns_at(), Ordering::Relaxed);
        let word = Word::new(circuit.era(), circuit.state(), circuit.is_calm(now));
        // Release: the counters and the end come before the word that speaks of them.
        self.word.store(word.0, Ordering::Release);
    }

    /// Where the circuit is.
    pub(crate) fn state(&self) -> CircuitState {
        self.circuit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .state()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
