//! The state of a shared body, and who asks its source.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use buttress_core::BoxError;
use http_body::{Body, SizeHint};

use super::bell::Bell;
use super::error::Panicked;
use super::tape::{Ending, Read, Room, Tape};
use super::{BePatient, Patience};
use crate::frame::into_bytes;

pub(super) struct Run<B> {
    pub(super) bell: Arc<Bell>,
    tape: Mutex<Tape>,
    source: Mutex<Source<B>>,
    /// What the inner body said of its size before it was read.
    pub(super) size: SizeHint,
    pub(super) max_bytes: usize,
}

pub(super) struct Source<B> {
    /// `None` once it has ended.
    inner: Option<B>,
    patience: Option<Patience>,
    be_patient: BePatient,
}

// ===== impl Run =====

impl<B> Run<B> {
    pub(super) fn new(inner: B, max_bytes: usize, be_patient: BePatient) -> Self
    where
        B: Body,
    {
        Self {
            bell: Arc::new(Bell::new()),
            tape: Mutex::new(Tape::new(max_bytes)),
            size: inner.size_hint(),
            source: Mutex::new(Source {
                inner: Some(inner),
                patience: None,
                be_patient,
            }),
            max_bytes,
        }
    }

    /// A panic inside of it is not possible; a poisoned tape is as good as any.
    pub(super) fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.source.is_poisoned()
    }

    pub(super) fn read(&self, reader: usize) -> Read {
        let (read, is_due) = self.tape().read(reader);
        if is_due {
            self.bell.ring(None);
        }
        read
    }
}

impl<B> Run<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Asks the source, if it is due and nobody else does. Returns whether the tape has got longer.
    ///
    /// Whoever calls it has left a waker, so that what another reader finds meanwhile is heard of.
    pub(super) fn drive(&self, seat: usize) -> bool {
        if !self.bell.is_due() {
            return false;
        }
        // Before the lock is taken, so that it rings when that has been given up, and its poison can be seen.
        let _unwinding = RingOnUnwind(&self.bell);
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            // Another reader is asking. It rings if it finds something, or if it has been rung for meanwhile.
            Err(TryLockError::WouldBlock) => return false,
            // The inner body has panicked under another reader: it cannot be asked again.
            Err(TryLockError::Poisoned(poisoned)) => {
                let inner = poisoned.into_inner().inner.take();
                self.source.clear_poison();
                self.tape().end(Ending::Failed(Arc::new(Panicked)));
                self.bell.ring(Some(seat));
                drop(inner);
                return true;
            }
        };
        let found = if self.bell.answer() {
            let waker = Waker::from(Arc::clone(&self.bell));
            source.ask(&self.tape, &mut Context::from_waker(&waker))
        } else {
            Poll::Pending
        };
        let Poll::Ready(is_end) = found else {
            drop(source);
            // Rung for meanwhile. Whoever has looked since has found the source asked, and waits; this
            // reader is awake, but may have other things to do.
            if self.bell.is_due() {
                self.bell.ring(None);
            }
            return false;
        };
        let ended = if is_end { source.inner.take() } else { None };
        drop(source);
        self.bell.ring(Some(seat));
        drop(ended); // it may run anybody's code: no lock is held
        true
    }
}

/// Should the inner body panic, the others find out: nobody else would wake them.
struct RingOnUnwind<'a>(&'a Bell);

impl Drop for RingOnUnwind<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.ring(None);
        }
    }
}

// ===== impl Source =====

impl<B> Source<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Puts what comes next on the tape. Returns whether that was the end.
    fn ask(&mut self, tape: &Mutex<Tape>, cx: &mut Context<'_>) -> Poll<bool> {
        let tape = || tape.lock().unwrap_or_else(PoisonError::into_inner);
        let room = tape().room();
        match room {
            Room::Ample => self.patience = None,
            // Nobody is held back: whoever gets that far rings.
            Room::None if !tape().is_waited_for() => self.patience = None,
            Room::None if self.patience.is_none() => {
                tape().warn_laggards();
                self.patience = Some((self.be_patient)());
            }
            Room::Tight | Room::None => {}
        }
        if let Some(patience) = &mut self.patience {
            if patience.as_mut().poll(cx).is_ready() {
                self.patience = None;
                tape().drop_laggards();
                return Poll::Ready(false);
            }
        }
        if room == Room::None {
            return Poll::Pending; // whoever makes room rings
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) else {
            return Poll::Pending;
        };
        let mut tape = tape();
        match frame.map(|frame| frame.map(into_bytes)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => {
                    tape.push_chunk(chunk);
                    if inner.is_end_stream() {
                        tape.end(Ending::Complete);
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        tape.push_trailers(trailers);
                        tape.end(Ending::Complete); // nothing follows them
                    }
                }
            },
            Some(Err(error)) => tape.end(Ending::Failed(Arc::from(error.into()))),
            None => tape.end(Ending::Complete),
        }
        Poll::Ready(tape.ending().is_some())
    }
}

impl<B> Run<B> {
    /// No bytes: they are somebody's conversation.
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tape = self.tape();
        f.debug_struct(name)
            .field("held_bytes", &tape.weight())
            .field("is_whole", &tape.is_whole())
            .field("is_ended", &tape.ending().is_some())
            .finish_non_exhaustive()
    }
}
