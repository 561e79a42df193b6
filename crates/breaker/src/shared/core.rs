//! The circuit behind its lock, and what is published of it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use buttress_core::{Outcome, Sampler};
use tokio::sync::watch;

use crate::circuit::{Admission, Circuit, CircuitState, End, PROBING};
use crate::clock::nanos_since;
use crate::error::CircuitOpen;
use crate::event;
use crate::policy::Policy;
use crate::shared::word::Word;
use crate::stripes::Counter;
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};

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
    behind: Mutex<Locked>,
    sampler: Sampler,
}

struct Locked {
    circuit: Circuit,
    /// Made when the first one asks for it.
    transitions: Option<watch::Sender<CircuitState>>,
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
            behind: Mutex::new(Locked {
                circuit,
                transitions: None,
            }),
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
        match self.refusal_of(word, now) {
            Some(refusal) => Err(refusal),
            None => self
                .with(now, None, |circuit, sample| circuit.admit(now, sample))
                .map_err(|refusal| refusal.of(self.name())),
        }
    }

    /// The refusal that a call would get now. Takes no lock, and no probe's place.
    #[inline]
    pub(crate) fn refusal(&self, now: impl FnOnce() -> Instant) -> Option<CircuitOpen> {
        let word = self.word();
        match word.admission() {
            Some(_) => None,
            None => self.refusal_of(word, now()),
        }
    }

    fn refusal_of(&self, word: Word, now: Instant) -> Option<CircuitOpen> {
        let until = self.shut_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(nanos_since(self.epoch, now));
        if left == 0 {
            return None;
        }
        let left = if word.is_half_open() {
            Duration::from_nanos(left).min(PROBING)
        } else if until == u64::MAX {
            self.policy.open_wait
        } else {
            Duration::from_nanos(left)
        };
        Some(CircuitOpen::new(left).of(self.name()))
    }

    /// Turns the window, if a bucket is over.
    #[inline]
    pub(crate) fn turn(&self, now: Instant) {
        if nanos_since(self.epoch, now) >= self.turns_at.load(Ordering::Relaxed) {
            self.with(now, None, |circuit, sample| circuit.turn(now, sample));
        }
    }

    /// Milliseconds since just before the epoch, where a call may begin, too. The lower bits remain.
    #[expect(clippy::cast_possible_truncation, reason = "ages are far shorter")]
    pub(crate) fn millis(&self, now: Instant) -> u32 {
        (nanos_since(self.epoch, now) / 1_000_000 + 1) as u32
    }

    /// Does something with the circuit, which knows of all that has happened so far. `cause` is the outcome
    /// that is told, if one is.
    #[cold]
    pub(crate) fn with<T>(
        &self,
        now: Instant,
        cause: Option<&Outcome>,
        f: impl FnOnce(&mut Circuit, f64) -> T,
    ) -> T {
        let mut locked = self.lock();
        let Locked {
            circuit,
            transitions,
        } = &mut *locked;
        let era = circuit.era();
        circuit.absorb(self.collect(era));
        let result = f(circuit, self.sampler.sample());
        if circuit.era() == era {
            self.publish(circuit, now);
            return result;
        }
        self.collect(circuit.era()); // what has been counted meanwhile is of an era that is over
        self.publish(circuit, now);
        let (state, left) = (circuit.state(), circuit.left(now));
        if let Some(transitions) = transitions {
            transitions.send_replace(state);
        }
        drop(locked); // whoever listens to events may take his time
        event::changed(self.name.as_deref(), state, cause, left);
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

    /// Looks at the circuit as it was left.
    pub(crate) fn look<T>(&self, f: impl FnOnce(&Circuit) -> T) -> T {
        f(&self.lock().circuit)
    }

    /// Follows the transitions.
    pub(crate) fn watch(&self) -> watch::Receiver<CircuitState> {
        let mut locked = self.lock();
        let state = locked.circuit.state();
        locked
            .transitions
            .get_or_insert_with(|| watch::Sender::new(state))
            .subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name)
            .field("state", &self.look(Circuit::state))
            .finish_non_exhaustive()
    }
}
