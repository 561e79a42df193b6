//! From the claim to the head of the answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use buttress_core::{BoxError, Classify, Deadline, Failure, Kind, Outcome, Report, Verdict, Watch};
use bytes::{Buf, Bytes};
use http::response::Parts;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::Context;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use crate::answer::{self, Kept};
use crate::error::{CallInFlight, RunElapsed};
use crate::event;
use crate::fingerprint::Hashing;
use crate::notes::{Judgement, Notes};
use crate::request::RequestBody;
use crate::store::Claim;
use crate::stored::Stored;
use crate::ticket::Ticket;

/// A call that is to be made, if the store says so.
pub(crate) struct Opening<S, Q: Body, C> {
    pub(crate) service: S,
    /// It has said so.
    pub(crate) is_ready: bool,
    pub(crate) request: Request<RequestBody<Q>>,
    pub(crate) classify: C,
    pub(crate) ticket: Ticket,
    /// For a call that is made elsewhere.
    pub(crate) waits: bool,
    pub(crate) max_run: Duration,
}

/// A call that has been answered, or has failed before that.
pub(crate) struct Opened<W> {
    pub(crate) answer: Result<(Parts, Answer<W>), BoxError>,
    pub(crate) ticket: Ticket,
}

pin_project! {
    /// The body of an answer, as it comes or as it was kept.
    #[project = AnswerProj]
    pub(crate) enum Answer<W> {
        Live { #[pin] body: W },
        Kept { body: Kept },
    }
}

impl<S, Q: Body, C> Opening<S, Q, C> {
    /// The time of the call, for everybody inside: what is there is one subscriber's, and bounds his waiting only.
    pub(crate) fn own_time(&mut self) -> Option<Deadline> {
        let told = self.request.extensions_mut().get_mut::<Deadline>();
        if told.is_none() && Deadline::current().is_none() {
            return None;
        }
        let now = Instant::now().into_std();
        let own = Deadline::after(now, self.max_run).enforced();
        if let Some(told) = told {
            *told = own;
        }
        Some(own)
    }

    /// Claims the call, and makes it.
    ///
    /// Dropped on the way it gives back what it has claimed.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would hold its argument twice"
    )]
    pub(crate) fn open<B, W>(mut self) -> impl Future<Output = Opened<W>>
    where
        S: Service<Request<RequestBody<Q>>, Response = Response<B>> + Clone,
        S::Error: Into<BoxError>,
        Q: Unpin,
        C: Classify<Response<B>, S::Error>,
        C::Watch: Watch<Response<B>, Watched<Judgement> = Response<W>>,
    {
        async move {
            let answer = 'answer: {
                match self.claim().await {
                    Ok(None) => {}
                    Ok(Some(kept)) => {
                        self.compare(&kept).await;
                        let body = Kept::new(&kept);
                        break 'answer Ok((answer::head(&kept), Answer::Kept { body }));
                    }
                    Err(refusal) => break 'answer Err(refusal),
                }
                if !self.is_ready {
                    let readied = in_time(&mut self.ticket, |cx| self.service.poll_ready(cx));
                    match readied.await {
                        Some(Ok(())) => {}
                        Some(Err(error)) => break 'answer Err(error.into()),
                        None => break 'answer Err(RunElapsed::refuse(self.max_run)),
                    }
                }
                let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                self.request.body_mut().tell(waker);
                let mut call = pin!(self.service.call(self.request));
                match in_time(&mut self.ticket, |cx| call.as_mut().poll(cx)).await {
                    Some(result) => judge(&self.classify, result, &self.ticket.notes),
                    None => Err(RunElapsed::refuse(self.max_run)),
                }
            };
            Opened {
                answer,
                ticket: self.ticket,
            }
        }
    }

    /// Asks the store until it says something final. Returns the answer if there is one already.
    async fn claim(&mut self) -> Result<Option<Arc<Stored>>, BoxError>
    where
        S: Clone,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.ticket.claim().await {
                Claim::Run(lease) => {
                    self.ticket.hold(lease);
                    return Ok(None);
                }
                Claim::Finished(kept) => return Ok(Some(kept)),
                Claim::Unkept(reason) => {
                    event::unkept(&self.ticket.call, reason);
                    return Ok(None);
                }
                Claim::Refused(error) => {
                    let outcome = Outcome::new(Kind::Unavailable);
                    return Err(Failure::new(outcome, error).into());
                }
                Claim::InFlight if !self.waits => return Err(CallInFlight::refuse()),
                Claim::InFlight => {
                    // Whatever its readiness has reserved, others can use meanwhile.
                    self.service = self.service.clone();
                    self.is_ready = false;
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// It has been made by another process, for `kept`'s payload. Whoever asks for the same gets it; if the request
    /// that is to be made here is another one, or breaks off, its caller alone is refused.
    async fn compare(&mut self, kept: &Stored)
    where
        Q: Unpin,
    {
        let Ticket { call, notes, .. } = &self.ticket;
        let body = self.request.body_mut();
        let hashing = body.take_hashing();
        notes.identify(*kept.fingerprint());
        if is_same(body, hashing, kept).await {
            event::replayed(call);
        } else {
            notes.refuse_first();
        }
    }
}

/// What `poll` comes to, unless the time is up first. The lease is renewed meanwhile.
async fn in_time<T>(
    ticket: &mut Ticket,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    poll_fn(|cx| {
        if ticket.notes.is_out_of_time() {
            return Poll::Ready(None);
        }
        ticket.renew(cx);
        poll(cx).map(Some)
    })
    .await
}

async fn is_same<Q: Body + Unpin>(
    body: &mut RequestBody<Q>,
    hashing: Option<Hashing>,
    kept: &Stored,
) -> bool {
    let Some(mut hashing) = hashing else {
        return true;
    };
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        match frame {
            Ok(frame) => {
                if let Some(data) = frame.data_ref() {
                    hashing.data(data);
                }
            }
            Err(_) => return false,
        }
    }
    kept.fingerprint().check(&hashing.show()).is_ok()
}

/// Notes what the answer says, now or when its body has passed.
fn judge<B, E, C, W>(
    classify: &C,
    result: Result<Response<B>, E>,
    notes: &Arc<Notes>,
) -> Result<(Parts, Answer<W>), BoxError>
where
    E: Into<BoxError>,
    C: Classify<Response<B>, E>,
    C::Watch: Watch<Response<B>, Watched<Judgement> = Response<W>>,
{
    let report = Judgement(Arc::clone(notes));
    let response = match (classify.classify(result.as_ref()), result) {
        (Verdict::Watch(watch), Ok(response)) => watch.attach(response, report),
        (Verdict::Final(outcome), Ok(mut response)) => {
            if !outcome.is_success() {
                classify.leave(&mut response, outcome);
            }
            report.report(outcome);
            <C::Watch as Watch<Response<B>>>::pass::<Judgement>(response)
        }
        (_, Err(error)) => return Err(error.into()),
    };
    let (parts, body) = response.into_parts();
    Ok((parts, Answer::Live { body }))
}

impl<W> Body for Answer<W>
where
    W: Body,
    W::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            AnswerProj::Live { body } => body.poll_frame(cx).map(|frame| {
                frame.map(|frame| match frame {
                    Ok(frame) => {
                        Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                    }
                    Err(error) => Err(error.into()),
                })
            }),
            AnswerProj::Kept { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Live { body } => body.is_end_stream(),
            Self::Kept { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Live { body } => body.size_hint(),
            Self::Kept { body } => body.size_hint(),
        }
    }
}

/// How long until a call that is made elsewhere is asked for again, at first and later on: an answer that was kept
/// should not come a second late, and a long call should not be asked for all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
