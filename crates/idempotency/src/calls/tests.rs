//! The slot of a call against a naive model: one name, under which one call after another begins, is joined, left,
//! driven, adopted and let go of. Time is paused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_body::{Shared, SharedBody};
use buttress_core::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame};
use proptest::prelude::{Strategy, prop, prop_oneof, proptest};
use tokio::time::{Instant, advance};

use super::{Asked, Calls, Left, Payload};
use crate::call::Call;
use crate::call_id::CallId;
use crate::notes::Notes;

const TTL: Duration = Duration::from_secs(30);
const NAME: CallId = CallId::new(1, 1);

#[derive(Debug, Clone)]
enum Step {
    /// One who asks: whether he would join, and whether a call that he begins outlives those who wait for it.
    Ask {
        joins: bool,
        outlives: bool,
    },
    /// One of those who wait leaves, of those of earlier calls, too.
    Leave {
        which: usize,
        has_executor: bool,
    },
    End,
    /// The executor drops it.
    Undriven,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags = || (prop::bool::ANY, prop::bool::ANY);
    let step = prop_oneof![
        4 => flags().prop_map(|(joins, outlives)| Step::Ask { joins, outlives }),
        4 => (0..8_usize, prop::bool::ANY)
            .prop_map(|(which, has_executor)| Step::Leave { which, has_executor }),
        1 => prop::strategy::Just(Step::End),
        1 => prop::strategy::Just(Step::Undriven),
        2 => (1..40_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..80)
}

/// What there is to know of a call that is under way.
struct Model {
    notes: Arc<Notes>,
    subscribers: usize,
    outlives: bool,
    is_driven: bool,
    orphaned: Option<Instant>,
}

/// It never says anything.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

fn silent() -> Shared<Call> {
    Shared::new(Box::pin(Silent), 1, || Box::pin(std::future::ready(())))
}

async fn compare(steps: Vec<Step>) {
    let calls = Calls::new();
    let mut model: Option<Model> = None;
    let mut waiting: Vec<(Arc<Notes>, SharedBody<Call>)> = Vec::new();
    for (n, step) in steps.into_iter().enumerate() {
        calls.let_go_of_orphans(TTL);
        let since = model.as_ref().and_then(|model| model.orphaned);
        if since.is_some_and(|since| since.elapsed() >= TTL) {
            model = None;
        }
        assert_eq!(calls.len(), usize::from(model.is_some()), "{n}");
        match step {
            Step::Ask { joins, outlives } => {
                match (calls.ask(&NAME, Payload::Trusted, joins), &mut model) {
                    (Asked::Vacant(vacant), None) => {
                        let notes = Arc::new(Notes::default());
                        notes.begin(outlives);
                        let body = vacant.begin(silent(), Arc::clone(&notes));
                        waiting.push((Arc::clone(&notes), body.expect("it is whole")));
                        model = Some(Model {
                            notes,
                            subscribers: 1,
                            outlives,
                            is_driven: false,
                            orphaned: None,
                        });
                    }
                    (Asked::Joined(body, notes), Some(model)) => {
                        assert!(Arc::ptr_eq(&notes, &model.notes), "{n}");
                        let is_adopted = model.subscribers == 0 && !model.is_driven;
                        assert!(joins || is_adopted, "{n}");
                        model.subscribers += 1;
                        model.orphaned = None;
                        waiting.push((notes, body));
                    }
                    (Asked::InFlight, Some(model)) => {
                        assert!(!joins && (model.subscribers > 0 || model.is_driven), "{n}");
                    }
                    _ => panic!("{n}"),
                }
            }
            Step::Leave {
                which,
                has_executor,
            } => {
                if which >= waiting.len() {
                    continue;
                }
                let (notes, body) = waiting.swap_remove(which);
                let left = calls.leave(&NAME, &notes, has_executor, Instant::now);
                drop(body);
                let its = model
                    .as_mut()
                    .filter(|model| Arc::ptr_eq(&model.notes, &notes));
                let Some(its) = its else {
                    assert!(matches!(left, Left::Alone), "{n}");
                    continue;
                };
                its.subscribers -= 1;
                match left {
                    Left::Alone => assert!(its.subscribers > 0 || its.is_driven, "{n}"),
                    _ if its.subscribers > 0 || its.is_driven => panic!("{n}"),
                    Left::Cancelled(_) => {
                        assert!(!its.outlives, "{n}");
                        model = None;
                    }
                    Left::Drive(_) => {
                        assert!(its.outlives && has_executor, "{n}");
                        its.is_driven = true;
                    }
                    Left::Orphaned => {
                        assert!(its.outlives && !has_executor, "{n}");
                        its.orphaned = Some(Instant::now());
                    }
                }
            }
            Step::End => {
                if let Some(model) = model.take() {
                    calls.remove(&NAME, &model.notes);
                    calls.remove(&NAME, &model.notes); // nothing happens twice
                }
            }
            Step::Undriven => {
                let Some(driven) = model.as_mut().filter(|model| model.is_driven) else {
                    continue;
                };
                driven.is_driven = false;
                let is_over = calls.undriven(&NAME, &driven.notes).is_some();
                assert_eq!(is_over, driven.subscribers == 0, "{n}");
                if is_over {
                    model = None;
                }
            }
            Step::Wait(secs) => advance(Duration::from_secs(secs)).await,
        }
    }
}

proptest! {
    #[test]
    fn the_slot_of_a_call_is_what_the_model_says(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(compare(steps));
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_was_adopted_for_a_moment_goes_before_those_that_came_later() {
    let calls = Calls::new();
    let (one, other) = (NAME, CallId::new(1, 2));
    let ask = |call| match calls.ask(call, Payload::Trusted, true) {
        Asked::Vacant(vacant) => {
            let notes = Arc::new(Notes::default());
            notes.begin(true);
            let body = vacant.begin(silent(), Arc::clone(&notes));
            (notes, body.expect("it is whole"))
        }
        Asked::Joined(body, notes) => (notes, body),
        _ => panic!("it can be had"),
    };
    let leave = |call, (notes, _body): (Arc<Notes>, SharedBody<Call>)| {
        let left = calls.leave(call, &notes, false, Instant::now);
        assert!(matches!(left, Left::Orphaned));
    };
    leave(&one, ask(&one));
    advance(Duration::from_secs(1)).await;
    leave(&one, ask(&one));
    advance(Duration::from_secs(28)).await;
    leave(&other, ask(&other));
    for (secs, left) in [(1, 2), (1, 1), (28, 0)] {
        advance(Duration::from_secs(secs)).await;
        calls.let_go_of_orphans(TTL);
        assert_eq!(calls.len(), left);
    }
}
