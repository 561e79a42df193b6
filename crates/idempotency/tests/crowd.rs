//! Many threads, one key: whoever leaves, panics or fails, nobody hangs, and there is one call at a time.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and an executor spawns"
)]

mod kit;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::BoxError;
use buttress_idempotency::{Duplicates, IdempotencyLayer, RequestBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::task::yield_now;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};

use kit::keyed;
use kit::wire::Wire;

/// Chance that can be had again.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// Less than `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.bits() >> 33).unwrap() % sides
    }

    fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How many calls there are under the key that all have, and how many there were at a time.
#[derive(Default)]
struct Running {
    now: AtomicUsize,
    peak: AtomicUsize,
}

struct Counted(Option<Arc<Running>>);

impl Counted {
    fn new<Q>(request: &Request<Q>, running: &Arc<Running>) -> Self {
        if request.headers()["idempotency-key"] != "k" {
            return Self(None);
        }
        running
            .peak
            .fetch_max(running.now.fetch_add(1, SeqCst) + 1, SeqCst);
        Self(Some(Arc::clone(running)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.now.fetch_sub(1, SeqCst);
        }
    }
}

enum Step {
    Yield,
    Chunk,
    Fail,
    Panic,
}

struct Play {
    steps: VecDeque<Step>,
    knows_its_end: bool,
    _counted: Counted,
}

impl Play {
    fn new(dice: &mut Dice, counted: Counted) -> Self {
        let mut steps: VecDeque<_> = (0..CHUNKS)
            .flat_map(|_| (0..dice.roll(3)).map(|_| Step::Yield).chain([Step::Chunk]))
            .collect();
        match dice.roll(6) {
            0 => steps.insert(dice.roll(CHUNKS), Step::Fail),
            1 => steps.insert(dice.roll(CHUNKS), Step::Panic),
            _ => {}
        }
        Self {
            steps,
            knows_its_end: dice.roll(2) == 0,
            _counted: counted,
        }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.steps.pop_front() {
            Some(Step::Yield) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Chunk) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK))))),
            Some(Step::Fail) => Poll::Ready(Some(Err("on purpose".into()))),
            Some(Step::Panic) => panic!("on purpose"),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }
}

/// The compiler cannot see that a spawned service whose error is a box can be sent.
fn boxed<T>(
    future: impl Future<Output = T> + Send + 'static,
) -> Pin<Box<dyn Future<Output = T> + Send>> {
    Box::pin(future)
}

async fn idle(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// One crowd. Says what went wrong.
async fn round(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let has_executor = dice.roll(2) == 0;
    let mut layer = IdempotencyLayer::new(Profile::HTTP)
        .orphan_ttl(Duration::ZERO)
        .trust_keys(dice.roll(4) == 0)
        .patience(Duration::from_millis(1));
    if has_executor {
        layer = layer.executor(|future| drop(tokio::spawn(future)));
    }
    // What was cancelled where nobody can give its lease back runs out.
    let gives_leases_back = dice.roll(3) > 0;
    if !gives_leases_back {
        let store = Wire::with(Duration::ZERO, None);
        layer = layer.store(store).lease(Duration::ZERO);
    }
    if dice.roll(3) == 0 {
        layer = layer.max_body(200);
    }
    if dice.roll(4) == 0 {
        layer = layer.duplicates(Duplicates::Refuse);
    }
    let running = Arc::new(Running::default());
    let calls = Arc::new(std::sync::Mutex::new(dice.fork()));
    let service = layer.layer(service_fn({
        let running = Arc::clone(&running);
        move |request: Request<RequestBody<Full<Bytes>>>| {
            let counted = Counted::new(&request, &running);
            let mut dice = calls.lock().unwrap().fork();
            boxed(async move {
                idle(dice.roll(4)).await;
                if dice.roll(4) > 0 {
                    request.into_body().collect().await?;
                }
                idle(dice.roll(4)).await;
                match dice.roll(10) {
                    0 => panic!("on purpose"),
                    1 => return Err("on purpose".into()),
                    _ => {}
                }
                let status = if dice.roll(8) == 0 { 500 } else { 200 };
                let body = Play::new(&mut dice, counted);
                Ok::<_, BoxError>(Response::builder().status(status).body(body)?)
            })
        }
    }));
    let crowd: Vec<_> = (0..2 + dice.roll(6))
        .map(|_| {
            let mut dice = dice.fork();
            let asking = boxed(service.clone().oneshot(keyed("k", "p")));
            tokio::spawn(async move {
                idle(dice.roll(20)).await;
                let answer = match dice.roll(4) {
                    // It goes away before there is a head.
                    0 => tokio::select! {
                        biased;
                        answer = asking => answer,
                        () = idle(dice.roll(20)) => return,
                    },
                    _ => asking.await,
                };
                let Ok(mut answer) = answer else { return };
                let mut frames = if dice.roll(3) == 0 {
                    dice.roll(CHUNKS)
                } else {
                    usize::MAX
                };
                let mut bytes = 0;
                while frames > 0 {
                    match answer.frame().await {
                        Some(Ok(frame)) => bytes += frame.into_data().unwrap().len(),
                        Some(Err(_)) => return,
                        None => {
                            assert_eq!(bytes, CHUNK.len() * CHUNKS, "not all of it");
                            return;
                        }
                    }
                    idle(dice.roll(3)).await;
                    frames -= 1;
                }
            })
        })
        .collect();
    for one in crowd {
        let end = timeout(Duration::from_secs(20), one).await;
        let Ok(end) = end else {
            return Err(format!("{layer:?} hangs"));
        };
        if let Err(panicked) = end {
            let panic = panicked.into_panic();
            if panic.downcast_ref::<&str>() != Some(&"on purpose") {
                let text = panic.downcast_ref::<String>().cloned();
                return Err(text.unwrap_or_else(|| "another panic".into()));
            }
        }
    }
    let start = tokio::time::Instant::now();
    loop {
        // Whoever comes sweeps the orphans away; those of the executor end.
        let other = boxed(service.clone().oneshot(keyed("another", "p")));
        drop(tokio::spawn(async move { drop(other.await) }).await);
        idle(10).await;
        if format!("{layer:?}").contains("running: 0") && running.now.load(SeqCst) == 0 {
            let peak = running.peak.load(SeqCst);
            return match gives_leases_back && peak > 1 {
                true => Err(format!("{layer:?} made {peak} calls at a time")),
                false => Ok(()),
            };
        }
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("{layer:?} is left"));
        }
    }
}

#[test]
fn whoever_leaves_panics_or_fails_nobody_hangs_and_there_is_one_call_at_a_time() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            usual(panic);
        }
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    for seed in 0..ROUNDS {
        let told = runtime.block_on(runtime.spawn(round(seed))).unwrap();
        assert_eq!(told, Ok(()), "seed {seed}");
    }
}

const ROUNDS: u64 = 30;

const CHUNKS: usize = 8;
const CHUNK: &[u8] = b"sixty-four bytes are what a chunk counts for, if it has as many.";
