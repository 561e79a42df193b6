//! The circuit behind its lock, and what is published of it.

use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use buttress_core::{Outcome, Sampler};
use tokio::sync::watch;

use crate::circuit::{Admission, Circuit, CircuitState, End, PROBING};
use crate::clock::nanos_since;
use crate::error::CircuitOpen;
use crate::event;
use crate::policy::Policy;
use crate::shared::word::Word;
use crate::stripes::Stripe;
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};

pub(crate) struct Core {
    /// What the stripes say, for those who have none at hand. It is rarely written to.
    word: AtomicU32,
    /// Until when calls are refused, where they are: nanoseconds since the epoch.
    shut_until: AtomicU64,
    /// When the window is to be turned: nanoseconds since the epoch.
    turns_at: AtomicU64,
    epoch: Instant,
    policy: Policy,
    name: Option<Arc<str>>,
    behind: Mutex<Locked>,
    sampler: Sampler,
}

struct Locked {
    circuit: Circuit,
    /// What the stripes say of it.
    published: Word,
    /// Weak, since they hold on to us.
    stripes: Box<[Weak<Stripe>]>,
    /// Made when the first one asks for it.
    transitions: Option<watch::Sender<CircuitState>>,
}

impl Core {
    /// So many ways to a closed circuit.
    pub(crate) fn striped(
        policy: Policy,
        name: Option<Arc<str>>,
        epoch: Instant,
        stripes: usize,
    ) -> (Arc<Self>, Box<[Arc<Stripe>]>) {
        let circuit = Circuit::new(policy, epoch);
        let core = Arc::new(Self {
            word: AtomicU32::new(Word::default().0),
            shut_until: AtomicU64::new(0),
            turns_at: AtomicU64::new(circuit.turns_at()),
            epoch,
            policy,
            name,
            behind: Mutex::new(Locked {
                circuit,
                published: Word::default(),
                stripes: Box::default(),
                transitions: None,
            }),
            sampler: Sampler::new(),
        });
        let stripes: Box<[_]> = (0..stripes).map(|_| Arc::new(Stripe::new(&core))).collect();
        core.lock().stripes = stripes.iter().map(Arc::downgrade).collect();
        (core, stripes)
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Acquire: who sees that it is open sees until when.
        Word(self.word.load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) const fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Not closed: refuses without the lock while there is nothing to decide.
    #[cold]
    pub(crate) fn ask(&self, word: Word, now: Instant) -> Result<Admission, Box<CircuitOpen>> {
        let left = match self.left(word, now) {
            Some(left) => left,
            None => {
                let asked = self.with(now, None, |circuit, sample| circuit.admit(now, sample));
                match asked {
                    Ok(admission) => return Ok(admission),
                    Err(refusal) => refusal.retry_after(),
                }
            }
        };
        Err(self.refusal(left))
    }

    /// The refusal of a call, with what is left to wait.
    pub(crate) fn refusal(&self, left: Duration) -> Box<CircuitOpen> {
        Box::new(CircuitOpen::new(left).of(self.name()))
    }

    /// How long calls are refused from now on, unless this one would be let through, or there is something
    /// to decide.
    pub(crate) fn left(&self, word: Word, now: Instant) -> Option<Duration> {
        let until = self.shut_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(nanos_since(self.epoch, now));
        if left == 0 {
            return None;
        }
        Some(if word.is_half_open() {
            Duration::from_nanos(left).min(PROBING)
        } else if until == u64::MAX {
            self.policy.open_wait
        } else {
            Duration::from_nanos(left)
        })
    }

    /// Turns the window, if a bucket is over, and says the [time](Self::millis).
    #[inline]
    pub(crate) fn tick(&self, now: Instant) -> u32 {
        let nanos = nanos_since(self.epoch, now);
        if nanos >= self.turns_at.load(Ordering::Relaxed) {
            self.with(now, None, |circuit, sample| circuit.turn(now, sample));
        }
        millis(nanos)
    }

    /// Turns the window, if there is one that turns: one of calls reads no clock.
    pub(crate) fn turn(&self, now: impl FnOnce() -> Instant) {
        if self.turns_at.load(Ordering::Relaxed) != u64::MAX {
            self.tick(now());
        }
    }

    /// Milliseconds since just before the epoch, where a call may begin, too. The lower bits remain.
    pub(crate) fn millis(&self, now: Instant) -> u32 {
        millis(nanos_since(self.epoch, now))
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
            published,
            stripes,
            transitions,
        } = &mut *locked;
        circuit.absorb(collect(stripes, *published));
        let era = circuit.era();
        let result = f(circuit, self.sampler.sample());
        self.publish_times(circuit);
        let word = Word::new(circuit.era(), circuit.state(), circuit.is_calm(now));
        if word != *published {
            // What was counted meanwhile has happened beside this: as if after it, or in an era that is over.
            let late = collect(stripes, word);
            if circuit.era() == era {
                circuit.absorb(late);
            }
            *published = word;
            // Release: until when it is open has been said before.
            self.word.store(word.0, Ordering::Release);
        }
        if circuit.era() == era {
            return result;
        }
        let (state, left) = (circuit.state(), circuit.left(now));
        if let Some(transitions) = transitions {
            transitions.send_replace(state);
        }
        drop(locked); // whoever listens to events may take his time
        event::changed(self.name.as_deref(), state, cause, left);
        result
    }

    fn publish_times(&self, circuit: &Circuit) {
        let shut_until = match circuit.shut_until() {
            None => 0,
            Some(End::At(end)) => nanos_since(self.epoch, end),
            Some(End::Never) => u64::MAX,
        };
        self.shut_until.store(shut_until, Ordering::Relaxed);
        self.turns_at.store(circuit.turns_at(), Ordering::Relaxed);
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

#[expect(clippy::cast_possible_truncation, reason = "ages are far shorter")]
const fn millis(nanos: u64) -> u32 {
    (nanos / 1_000_000 + 1) as u32
}

/// Takes what all stripes have counted, and has them say `word`.
fn collect(stripes: &[Weak<Stripe>], word: Word) -> u32 {
    // One that is gone has nobody left to be counted for.
    let stripes = stripes.iter().filter_map(Weak::upgrade);
    stripes
        .map(|stripe| stripe.collect(word))
        .fold(0, u32::saturating_add)
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name)
            .field("state", &self.look(Circuit::state))
            .finish_non_exhaustive()
    }
}
