//! A request body that is looked over as it passes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::frame::into_bytes;
use crate::scan::Scan;
use crate::wants::WantsStream;

pin_project! {
    /// The body of a request, which the inner service of an eager [`HeartbeatSse`](crate::HeartbeatSse) gets.
    ///
    /// It passes everything on as it is, and yields [`Bytes`]: without a copy where the inner body does. As
    /// long as it is not known whether the request asks for a stream, it looks for that in what passes, up to
    /// 16 MiB.
    pub struct ScannedBody<B> {
        #[pin]
        inner: B,
        look: Option<Look>,
    }
}

/// The look at a body that is still going on.
struct Look {
    scan: Scan,
    /// What is left of the bytes that are looked at.
    left: usize,
    asked: Arc<Asked>,
}

/// What has come of it, as the answering side sees it.
///
/// A flag that says nothing about any other memory: every order of events will do, so that all of its
/// accesses are relaxed.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicU8);

// ===== impl ScannedBody =====

impl<B: Body> ScannedBody<B> {
    /// Passes everything through, and tells `asked` what it finds out.
    pub(crate) fn new(inner: B, asked: Arc<Asked>) -> Self {
        let look = Look {
            scan: Scan::new(),
            left: MAX_LOOK,
            asked,
        };
        Self {
            // Of an empty body there is nothing to wait for, and dropping the look says so.
            look: Some(look).filter(|_| !inner.is_end_stream()),
            inner,
        }
    }

    /// Passes everything through: there is nothing to find out.
    pub(crate) const fn unread(inner: B) -> Self {
        Self { inner, look: None }
    }
}

impl<B: Body> Body for ScannedBody<B>
where
    B::Data: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        let frame = frame.map(|frame| Ok(frame?.map_data(into_bytes)));
        if let Some(look) = this.look {
            let data = match &frame {
                Some(Ok(frame)) => frame.data_ref(),
                Some(Err(_)) | None => None,
            };
            if data.is_none_or(|data| look.is_over_after(data)) {
                *this.look = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for ScannedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScannedBody")
            .field("inner", &self.inner)
            .field("looks", &self.look.is_some())
            .finish()
    }
}

// ===== impl Look =====

impl Look {
    fn is_over_after(&mut self, data: &[u8]) -> bool {
        let seen = &data[..data.len().min(self.left)];
        self.left -= seen.len();
        self.scan.push(seen);
        if let Some(stream) = self.scan.stream() {
            self.asked.set(stream);
        }
        self.scan.is_over() || self.left == 0
    }
}

/// Whatever has not been found by now is not there, or never will be read.
impl Drop for Look {
    fn drop(&mut self) {
        self.asked.set(self.scan.stream() == Some(true));
    }
}

// ===== impl Asked =====

impl Asked {
    fn set(&self, stream: bool) {
        self.0
            .store(if stream { YES } else { NO }, Ordering::Relaxed);
    }

    /// [`WantsStream::BodyTells`] as long as nobody knows.
    pub(crate) fn get(&self) -> WantsStream {
        match self.0.load(Ordering::Relaxed) {
            YES => WantsStream::Yes,
            NO => WantsStream::No,
            _ => WantsStream::BodyTells,
        }
    }
}

const YES: u8 = 1;
const NO: u8 = 2;

/// SDKs put `stream` behind the messages, and the largest prompts that they send are about as long.
const MAX_LOOK: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use buttress_testkit::body::{ScriptedBody, Step, audit};

    use super::{Asked, MAX_LOOK, ScannedBody, WantsStream};

    /// What is found in a body of these pieces, and in all of it but the last piece.
    async fn found(pieces: &[&'static str]) -> [WantsStream; 2] {
        let asked = Arc::new(Asked::default());
        let steps = pieces.iter().map(|piece| Step::data(*piece));
        let body = ScannedBody::new(ScriptedBody::new(steps), Arc::clone(&asked));
        assert_eq!(asked.get(), WantsStream::BodyTells);
        assert_eq!(audit(body).await.bytes(), pieces.concat());
        let whole = asked.get();

        let asked = Arc::new(Asked::default());
        let steps = pieces.iter().map(|piece| Step::data(*piece));
        let mut body = ScannedBody::new(ScriptedBody::new(steps), Arc::clone(&asked));
        for _ in 1..pieces.len() {
            let _frame = http_body_util::BodyExt::frame(&mut body).await;
        }
        [whole, asked.get()]
    }

    #[tokio::test]
    async fn it_is_known_as_soon_as_it_has_passed() {
        use WantsStream::{BodyTells, No, Yes};
        assert_eq!(found(&["{\"str", "eam\": t", "rue}"]).await, [Yes, Yes]);
        assert_eq!(found(&["{\"stream\": ", "false}"]).await, [No, BodyTells]);
        assert_eq!(found(&["{\"a\": ", "1}"]).await, [No, BodyTells]);
        assert_eq!(found(&["{\"a\": 1}", " "]).await, [No, No]);
        assert_eq!(found(&["stream=true", "&a=b"]).await, [No, No]);
    }

    #[tokio::test]
    async fn a_body_that_is_empty_or_dropped_asks_for_nothing() {
        for steps in [vec![], vec![Step::data("{\"a\":")]] {
            let asked = Arc::new(Asked::default());
            drop(ScannedBody::new(
                ScriptedBody::new(steps),
                Arc::clone(&asked),
            ));
            assert_eq!(asked.get(), WantsStream::No);
        }
    }

    #[tokio::test]
    async fn what_comes_after_sixteen_mebibytes_is_passed_on_unread() {
        let asked = Arc::new(Asked::default());
        let begin = b"{\"a\":\"";
        let steps = [
            Step::data(&begin[..]),
            Step::data(vec![b'x'; MAX_LOOK - begin.len()]),
            Step::data("\",\"stream\":true}"),
        ];
        let body = ScannedBody::new(ScriptedBody::new(steps), Arc::clone(&asked));
        assert_eq!(audit(body).await.bytes().len(), MAX_LOOK + 16);
        assert_eq!(asked.get(), WantsStream::No);
    }
}
