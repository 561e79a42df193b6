//! A call that is under way, as one body: first its head, for everybody, and then what follows.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Deadline};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::error::RunElapsed;
use crate::event;
use crate::keeping::{Keeping, Record};
use crate::notes::{Head, Notes};
use crate::open::{Answer, Opened};
use crate::store::Reply;
use crate::subscriber::Left;
use crate::ticket::Ticket;

/// A call of any service, to be shared.
pub(crate) type Call = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

pin_project! {
    /// ```text
    ///  Opening ──► Streaming ──► Closing ──► Over
    ///     │                     the store
    ///     │                     is told
    ///     └── no answer, or ───────▲
    ///         no time left
    /// ```
    ///
    /// Its last piece is handed on when the store has been told, so that whoever has had all of it and asks again
    /// finds what was kept. HTTP/1 servers ask for nothing more once a body has its length, nor whether it has ended.
    pub(crate) struct CallBody<O, W> {
        notes: Arc<Notes>,
        keeping: Keeping,
        // What everybody inside takes for the time that there is, whoever polls.
        time: Option<Deadline>,
        #[pin]
        phase: Phase<O, W>,
        record: Record,
        // Once it has been opened.
        ticket: Option<Ticket>,
        // Made at the first pause, and once more where the store makes one.
        #[pin]
        limit: Option<Sleep>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<O, W> {
        Opening { #[pin] open: O },
        Streaming { #[pin] body: Answer<W> },
        Closing { telling: Telling, ending: Option<Ending> },
        Over,
    }
}

/// What the store is told.
enum Telling {
    /// To keep so many bytes.
    Finish(Reply<bool>, usize),
    Release(Reply<()>),
}

enum Ending {
    /// With its last frame, unless nobody knew that it was the last.
    Complete(Option<Frame<Bytes>>),
    Failed(BoxError),
}

impl<O, W> CallBody<O, W> {
    pub(crate) fn new(
        open: O,
        notes: Arc<Notes>,
        keeping: Keeping,
        time: Option<Deadline>,
    ) -> Self {
        Self {
            notes,
            keeping,
            time,
            phase: Phase::Opening { open },
            record: Record::default(),
            ticket: None,
            limit: None,
        }
    }
}

impl<O, W> Body for CallBody<O, W>
where
    O: Future<Output = Opened<W>>,
    W: Body,
    W::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(ticket) = self.as_mut().project().ticket {
            ticket.renew(cx);
        }
        loop {
            let polled = Deadline::scope(self.time, || self.as_mut().poll_phase(cx));
            if polled.is_ready() {
                return polled;
            }
            let mut this = self.as_mut().project();
            if this.limit.is_none() {
                this.limit.set(Some(sleep(this.keeping.max_run)));
            }
            if let Some(limit) = this.limit.as_mut().as_pin_mut() {
                ready!(limit.poll(cx));
            }
            this.limit.set(None);
            self.as_mut().run_out();
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }
}

impl<O, W> CallBody<O, W>
where
    O: Future<Output = Opened<W>>,
    W: Body,
    W::Error: Into<BoxError>,
{
    fn poll_phase(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let mut this = self.as_mut().project();
            match this.phase.as_mut().project() {
                PhaseProj::Opening { open } => {
                    let Opened { answer, ticket } = ready!(open.poll(cx));
                    *this.ticket = Some(ticket);
                    let (parts, body) = match answer {
                        Ok(answer) => answer,
                        Err(error) => {
                            self.as_mut().close(Ending::Failed(error));
                            continue;
                        }
                    };
                    let (size, is_end) = (Left::of(&body), body.is_end_stream());
                    this.notes.publish(Head {
                        parts,
                        size,
                        is_all: is_end,
                    });
                    // ## Opening => Streaming
                    this.phase.set(Phase::Streaming { body });
                    if !is_end {
                        // It says nothing, and wakes everybody.
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
                    }
                }
                PhaseProj::Streaming { mut body } => {
                    let ending = match ready!(body.as_mut().poll_frame(cx)) {
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(mut data) => {
                                let data = data.copy_to_bytes(data.remaining());
                                this.record.push(&data, this.keeping.max_body);
                                let frame = Frame::data(data);
                                if !body.is_end_stream() {
                                    return Poll::Ready(Some(Ok(frame)));
                                }
                                Ending::Complete(Some(frame))
                            }
                            Err(frame) => {
                                let trailers = frame.into_trailers().ok();
                                Ending::Complete(trailers.map(Frame::trailers))
                            }
                        },
                        Some(Err(error)) => Ending::Failed(error),
                        None => Ending::Complete(None),
                    };
                    self.as_mut().close(ending);
                }
                PhaseProj::Closing { telling, ending } => {
                    match telling {
                        Telling::Finish(finish, bytes) => {
                            let kept = ready!(Pin::new(finish).poll(cx));
                            if let Some(Ticket { call, .. }) = this.ticket {
                                event::told(call, kept, *bytes);
                            }
                        }
                        Telling::Release(release) => ready!(Pin::new(release).poll(cx)),
                    }
                    let ending = ending.take();
                    // ## Closing => Over
                    this.phase.set(Phase::Over);
                    *this.ticket = None;
                    return Poll::Ready(match ending {
                        Some(Ending::Complete(Some(last))) => Some(Ok(last)),
                        Some(Ending::Failed(error)) => Some(Err(error)),
                        Some(Ending::Complete(None)) | None => None,
                    });
                }
                PhaseProj::Over => return Poll::Ready(None),
            }
        }
    }

    fn close(self: Pin<&mut Self>, ending: Ending) {
        let mut this = self.project();
        let telling = match this.ticket {
            Some(ticket) => tell(this.keeping, this.notes, ticket, this.record, &ending),
            None => Telling::Release(Reply::now(())),
        };
        // ## Opening | Streaming => Closing
        let ending = Some(ending);
        this.phase.set(Phase::Closing { telling, ending });
        // The store has a time of its own.
        this.limit.set(None);
    }

    /// Its time is up: gives up what is waited for.
    fn run_out(mut self: Pin<&mut Self>) {
        let this = self.as_mut().project();
        match this.phase.project() {
            // Its ticket is in there, and comes out at once.
            PhaseProj::Opening { .. } if this.notes.has_begun() && !this.notes.is_out_of_time() => {
                this.notes.set_out_of_time();
            }
            PhaseProj::Opening { .. } | PhaseProj::Streaming { .. } => {
                let error = RunElapsed::refuse(this.keeping.max_run);
                self.close(Ending::Failed(error));
            }
            PhaseProj::Closing { telling, .. } => {
                if let (Telling::Finish(..), Some(ticket)) = (&telling, this.ticket) {
                    event::unkept(&ticket.call, "the store did not answer");
                }
                *telling = Telling::Release(Reply::now(()));
            }
            PhaseProj::Over => {}
        }
    }
}

/// Tells the store what became of the call.
fn tell(
    keeping: &Keeping,
    notes: &Notes,
    ticket: &mut Ticket,
    record: &mut Record,
    ending: &Ending,
) -> Telling {
    if ticket.lease.is_none() {
        return Telling::Release(Reply::now(()));
    }
    let answer = match ending {
        Ending::Complete(last) => {
            let trailers = last.as_ref().and_then(Frame::trailers_ref);
            keeping.answer(notes, record, trailers)
        }
        Ending::Failed(_) => Err(None),
    };
    match answer {
        Ok(answer) => {
            let bytes = answer.body().len();
            Telling::Finish(ticket.finish(answer, keeping.ttl), bytes)
        }
        Err(reason) => {
            match reason {
                Some(reason) => event::unkept(&ticket.call, reason),
                None => event::released(&ticket.call),
            }
            Telling::Release(ticket.release())
        }
    }
}
