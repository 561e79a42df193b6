use std::{
    fmt,
    future::{Future, pending, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame};
use tower_service::Service;

use crate::body::BoxError;

use super::{
    Behaviour, Cut, Upstream, UpstreamBody,
    answer::{Composed, compose},
    behaviour::Reading,
    play::Ticket,
};

/// An [`Upstream`] as a Tower service, always ready.
///
/// A reset and a refused connection are `io::Error`s of the kind a client would see. Everything waits on
/// tokio's clock, which a test may pause.
///
/// # Clone
///
/// Clones are the same upstream.
#[derive(Clone, Debug)]
pub struct UpstreamService {
    upstream: Upstream,
}

/// The future of an [`UpstreamService`].
///
/// Dropping it counts the call as abandoned.
pub struct ResponseFuture {
    answer: Pin<Box<dyn Future<Output = Result<Response<UpstreamBody>, io::Error>> + Send>>,
}

/// A request body longer than this is counted and recorded, but not echoed or understood.
const MAX_UNDERSTOOD: u64 = 64 * 1024 * 1024;

impl UpstreamService {
    pub(super) const fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }

    /// The same, without regard to [`Upstream::go_away`].
    pub(super) fn answer<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: Body<Error: Into<BoxError>> + Send + 'static,
    {
        let upstream = self.upstream.clone();
        ResponseFuture {
            answer: Box::pin(answer(upstream, request)),
        }
    }
}

impl<B> Service<Request<B>> for UpstreamService
where
    B: Body<Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<UpstreamBody>;
    type Error = io::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        if self.upstream.is_away() {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            return ResponseFuture {
                answer: Box::pin(async { Err(refused) }),
            };
        }
        self.answer(request)
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<UpstreamBody>, io::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

async fn answer<B>(
    upstream: Upstream,
    request: Request<B>,
) -> Result<Response<UpstreamBody>, io::Error>
where
    B: Body<Error: Into<BoxError>>,
{
    let (head, body) = request.into_parts();
    let (behaviour, mut ticket) = upstream.admit(&head);
    let body = read(body, behaviour.reading, &ticket).await?;
    wait(behaviour.head_delay).await;
    let composed = compose(&behaviour, &head, body.as_deref().unwrap_or_default());
    if body.is_some()
        && composed.status.is_success()
        && behaviour.cut_before_head != Some(Cut::Refuse)
    {
        ticket.billed();
    }
    if let Some(cut) = behaviour.cut_before_head {
        return break_off(cut, ticket).await;
    }
    ticket.begun(composed.status);
    Ok(respond(composed, &behaviour, ticket))
}

/// Reads the request body as the script says; `None` if it was not read to its end.
async fn read<B>(
    body: B,
    reading: Reading,
    ticket: &Ticket,
) -> Result<Option<Vec<Bytes>>, io::Error>
where
    B: Body<Error: Into<BoxError>>,
{
    let mut pause = match reading {
        Reading::All => None,
        Reading::Nothing => return Ok(None),
        Reading::Pause(bytes, pause) => Some((bytes, pause)),
    };
    let mut body = pin!(body);
    let mut chunks = Vec::new();
    let mut trailers = None;
    let mut read = 0_u64;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx).map(owned)).await {
        match frame?.into_data() {
            Ok(chunk) => {
                ticket.read(&chunk);
                read += chunk.len() as u64;
                if read <= MAX_UNDERSTOOD {
                    chunks.push(chunk);
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if let Some((_, duration)) = pause.take_if(|(bytes, _)| *bytes <= read) {
            wait(duration).await;
        }
    }
    ticket.received(trailers);
    Ok(Some(chunks))
}

/// Nothing of the caller's types stays alive across an await, so they need not be `Send` themselves.
fn owned<D: Buf, E: Into<BoxError>>(
    frame: Option<Result<Frame<D>, E>>,
) -> Option<io::Result<Frame<Bytes>>> {
    let frame = frame?.map_err(io::Error::other);
    Some(frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))))
}

async fn wait(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

async fn break_off(cut: Cut, mut ticket: Ticket) -> Result<Response<UpstreamBody>, io::Error> {
    if cut == Cut::Stall {
        pending::<()>().await;
    }
    ticket.cut();
    Err(cut.into_error())
}

fn respond(
    mut composed: Composed,
    behaviour: &Behaviour,
    ticket: Ticket,
) -> Response<UpstreamBody> {
    let (status, headers) = (composed.status, std::mem::take(&mut composed.headers));
    let mut response = Response::new(UpstreamBody::new(composed, behaviour, ticket));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
