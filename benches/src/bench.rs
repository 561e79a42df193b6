//! The loops that drive a service.

use std::fmt;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http_body::Body;
use tokio::runtime::Runtime;
use tower_service::Service;

/// Makes so many calls.
pub type Worker = Box<dyn FnMut(u64) + Send>;

/// A service under measurement. Its workers share what the clones of the service share, and nothing
/// else: each has a request of its own, of which each call sends a clone.
pub struct Bench {
    future_size: usize,
    worker: Box<dyn Fn() -> Worker>,
}

impl Bench {
    /// Calls a Tower service, and polls until it has answered.
    ///
    /// # Panics
    /// The loop does if the service is not ready.
    pub fn service<S, R>(service: S, request: fn() -> R) -> Self
    where
        S: Service<R> + Clone + Send + 'static,
        R: Clone + Send + 'static,
    {
        Self {
            future_size: size_of::<S::Future>(),
            worker: Box::new(move || {
                let (mut service, request) = (service.clone(), request());
                Box::new(move |calls| {
                    for _ in 0..calls {
                        let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
                        assert!(ready.is_ready(), "this service is always ready");
                        let future = service.call(black_box(&request).clone());
                        drop(black_box(finish(future)));
                    }
                })
            }),
        }
    }

    /// Calls a function in place of a Tower service.
    pub fn function<F, R, T>(call: F, request: fn() -> R) -> Self
    where
        F: AsyncFn(R) -> T + Clone + Send + 'static,
        R: Clone + Send + 'static,
    {
        let future_size = size_of_val(&call(request()));
        Self {
            future_size,
            worker: Box::new(move || {
                let (call, request) = (call.clone(), request());
                Box::new(move |calls| {
                    for _ in 0..calls {
                        drop(black_box(finish(call(black_box(&request).clone()))));
                    }
                })
            }),
        }
    }

    /// Calls a Tower service that cannot do without a runtime, since it sleeps: the whole loop is one
    /// task. Parking the thread is part of what it costs.
    pub fn service_on<S, R>(runtime: Arc<Runtime>, service: S, request: fn() -> R) -> Self
    where
        S: Service<R> + Clone + Send + 'static,
        R: Clone + Send + 'static,
    {
        Self {
            future_size: size_of::<S::Future>(),
            worker: Box::new(move || {
                let runtime = Arc::clone(&runtime);
                let (mut service, request) = (service.clone(), request());
                Box::new(move |calls| {
                    runtime.block_on(async {
                        for _ in 0..calls {
                            let _ready = poll_fn(|cx| service.poll_ready(cx)).await;
                            drop(black_box(service.call(black_box(&request).clone()).await));
                        }
                    });
                })
            }),
        }
    }

    /// Reads a body that never ends, by so many frames, and polls until each is there. For the sake of
    /// timers it knows a runtime, which does not run.
    ///
    /// # Panics
    /// The loop does if the body ends or fails.
    pub fn body<B>(runtime: Arc<Runtime>, make: impl Fn() -> B + 'static) -> Self
    where
        B: Body + Send + 'static,
    {
        Self {
            future_size: size_of::<B>(),
            worker: Box::new(move || {
                let (runtime, mut body) = (Arc::clone(&runtime), Box::pin(make()));
                Box::new(move |frames| {
                    let _entered = runtime.enter();
                    let mut context = Context::from_waker(Waker::noop());
                    for _ in 0..frames {
                        let frame = loop {
                            if let Poll::Ready(frame) = body.as_mut().poll_frame(&mut context) {
                                break frame;
                            }
                        };
                        assert!(matches!(black_box(&frame), Some(Ok(_))), "it never ends");
                    }
                })
            }),
        }
    }

    /// The size of the future of one call (or of the body), in bytes: without what it has on the heap.
    #[must_use]
    pub fn future_size(&self) -> usize {
        self.future_size
    }

    /// A loop of its own, over a clone of the service.
    #[must_use]
    pub fn worker(&self) -> Worker {
        (self.worker)()
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench")
            .field("future_size", &self.future_size)
            .finish_non_exhaustive()
    }
}

/// The least of all executors.
#[inline(always)] // or some rows would pay for a call that others do not: those whose future has two rows
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
