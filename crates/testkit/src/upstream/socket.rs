use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::Sleep,
};

/// Ends a connection from within the requests that run on it.
#[derive(Clone, Debug, Default)]
pub(super) struct KillSwitch(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    by_reset: AtomicBool,
    thrown: Notify,
}

/// A TCP connection that can be reset on purpose, and that does not reset by accident.
///
/// A kernel answers bytes that nobody has read with a reset, which may overtake an answer: an early 429
/// would be lost. So after its own end this socket goes on reading for a moment, as servers do.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    switch: KillSwitch,
    linger: Option<Pin<Box<Sleep>>>,
}

/// How long a closed connection goes on reading.
const LINGER: Duration = Duration::from_secs(1);

impl KillSwitch {
    pub(super) fn reset(&self) {
        self.0.by_reset.store(true, SeqCst);
        self.0.thrown.notify_one();
    }

    pub(super) fn close(&self) {
        self.0.thrown.notify_one();
    }

    pub(super) async fn thrown(&self) {
        self.0.thrown.notified().await;
    }
}

impl Socket {
    pub(super) const fn new(tcp: TcpStream, switch: KillSwitch) -> Self {
        Self {
            tcp,
            switch,
            linger: None,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.switch.0.by_reset.load(SeqCst) {
            // If it fails the peer is gone already.
            let _gone = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, linger, .. } = &mut *self;
        let sleep = match linger {
            Some(sleep) => sleep,
            None => {
                ready!(Pin::new(&mut *tcp).poll_shutdown(cx))?;
                linger.insert(Box::pin(tokio::time::sleep(LINGER)))
            }
        };
        let mut waste = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut waste);
            match Pin::new(&mut *tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return sleep.as_mut().poll(cx).map(Ok),
            }
        }
    }
}
