//! Who is asked, in which order, and what the caller gets. Requests are numbers; time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::num::NonZeroU32;

use buttress_core::{BoxError, Classify, Failure, Kind, Outcome, Reason, classify_fn, find};
use buttress_fallback::{AllTiersFailed, Cloned, FallbackLayer, HandOver, Tier, When};
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use tower::{Layer, Service, ServiceExt};

type Handle = ScriptedHandle<u8, u32, BoxError>;
type Scripted = ScriptedService<u8, u32, BoxError>;

/// A response below 100 has failed; an error is what its `Failure` says.
fn classify() -> impl Classify<u32, BoxError> + Clone + Send + Sync + 'static {
    classify_fn(|result: Result<&u32, &BoxError>| match result {
        Ok(100..) => Outcome::SUCCESS,
        Ok(4) => Outcome::new(Kind::Invalid),
        Ok(5) => Outcome::new(Kind::OutOfQuota),
        Ok(_) => Outcome::new(Kind::Overloaded),
        Err(error) => {
            find::<Failure>(&**error).map_or(Outcome::new(Kind::Transient), Failure::outcome)
        }
    })
}

fn layer() -> FallbackLayer<impl Classify<u32, BoxError> + Clone, Cloned<u8, u32>> {
    FallbackLayer::new(classify())
}

fn scripted(replies: impl IntoIterator<Item = Reply<u32, BoxError>>) -> (Scripted, Handle) {
    ScriptedService::new(replies)
}

fn upstream(name: &str, reply: Reply<u32, BoxError>) -> (Tier<Cloned<u8, u32>>, Handle) {
    let (service, handle) = scripted([reply]);
    (Tier::upstream(name, service, classify()), handle)
}

fn fails(outcome: Outcome) -> Reply<u32, BoxError> {
    Reply::Err(Failure::new(outcome, "no").into())
}

const OPEN: Outcome = Outcome::CIRCUIT_OPEN;
const REFUSED: Outcome = Outcome::new(Kind::Transient).because(Reason::Refused);

fn names(error: &BoxError) -> Vec<&str> {
    let all = find::<AllTiersFailed>(&**error).unwrap();
    all.reasons().iter().map(|tried| tried.name()).collect()
}

#[tokio::test]
async fn a_success_is_the_primarys_and_nobody_else_is_asked() {
    let (primary, _) = scripted([Reply::Ok(100)]);
    let (tier, asked) = upstream("b", Reply::Ok(200));
    let service = layer().tier(tier).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 100);
    assert_eq!(asked.calls(), 0);
}

#[tokio::test]
async fn tiers_are_asked_in_their_order_until_one_serves() {
    let (primary, first) = scripted([Reply::Ok(1)]);
    let (b, second) = upstream("b", fails(REFUSED));
    let (c, third) = upstream("c", Reply::Ok(300));
    let (d, fourth) = upstream("d", Reply::Ok(400));
    let service = layer().tier(b).tier(c).tier(d).layer(primary);
    assert_eq!(service.oneshot(7).await.unwrap(), 300);
    let asked = [first, second, third, fourth].map(|handle| handle.take_requests());
    assert_eq!(asked, [vec![7], vec![7], vec![7], vec![]]);
}

#[tokio::test]
async fn a_last_result_that_is_a_response_goes_outward_as_it_is() {
    let (primary, _) = scripted([fails(REFUSED)]);
    let (b, _) = upstream("b", Reply::Ok(2));
    let service = layer().tier(b).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 2);
}

#[tokio::test]
async fn f25_when_all_fail_the_error_has_everybodys_reason_and_the_last_ones_source() {
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (b, _) = upstream("b", fails(OPEN));
    let (c, _) = upstream("c", fails(REFUSED));
    let service = layer().primary("a").tier(b).tier(c).layer(primary);
    let error = service.oneshot(1).await.unwrap_err();
    let failure = find::<Failure>(&*error).unwrap();
    assert_eq!(failure.outcome().reason, Some(Reason::Refused));
    assert_eq!(names(&error), ["a", "b", "c"]);
    let all = find::<AllTiersFailed>(&*error).unwrap();
    let skipped: Vec<_> = all
        .reasons()
        .iter()
        .map(|tried| tried.was_skipped())
        .collect();
    assert_eq!(skipped, [false, true, false]);
    assert_eq!(
        all.to_string(),
        "all 3 tiers failed: a (overloaded), b (unavailable, circuit_open), c (transient, refused)"
    );
    // The chain is as long as the last tier's own, however many were asked.
    assert_eq!(buttress_core::chain(&*error).count(), 4);
}

#[tokio::test]
async fn where_nobody_is_asked_the_primarys_error_is_its_own() {
    let (primary, _) = scripted([fails(REFUSED)]);
    let (b, asked) = upstream("b", Reply::Ok(200));
    let service = layer().tier(b.when(When::NOTHING)).layer(primary);
    let error = service.oneshot(1).await.unwrap_err();
    assert!(error.is::<Failure>());
    assert!(find::<AllTiersFailed>(&*error).is_none());
    assert_eq!(asked.calls(), 0);
}

#[tokio::test]
async fn what_one_calls_invalid_is_sent_to_no_other() {
    let (primary, _) = scripted([Reply::Ok(4)]);
    let (b, asked) = upstream("b", Reply::Ok(200));
    let service = layer().tier(b).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 4);
    assert_eq!(asked.calls(), 0);
}

#[tokio::test]
async fn f26_an_error_of_our_own_side_is_not_sent_anywhere() {
    let (primary, _) = scripted([fails(Outcome::LOCAL)]);
    let (b, asked) = upstream("b", Reply::Ok(200));
    let service = layer().tier(b).layer(primary);
    assert!(service.oneshot(1).await.is_err());
    assert_eq!(asked.calls(), 0);
}

#[tokio::test]
async fn a_tier_whose_circuit_is_open_is_as_if_it_were_not_there() {
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (b, _) = upstream("b", fails(OPEN));
    let service = layer().tier(b).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 1, "the primary's answer");

    let (primary, _) = scripted([Reply::Ok(1)]);
    let (b, _) = upstream("b", fails(OPEN));
    let (c, _) = upstream("c", Reply::Ok(300));
    let two = NonZeroU32::new(2).unwrap();
    let service = layer().max_attempts(two).tier(b).tier(c).layer(primary);
    assert_eq!(
        service.oneshot(1).await.unwrap(),
        300,
        "and costs no attempt"
    );
}

#[tokio::test]
async fn a_primary_that_cannot_become_ready_has_failed_as_any_other() {
    let (primary, first) = scripted([Reply::Ok(100)]);
    let (b, second) = upstream("b", Reply::Ok(200));
    let mut service = layer().tier(b).layer(primary);
    first.fail_readiness(Failure::new(OPEN, "open").into());
    assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 200);
    assert_eq!((first.calls(), second.calls()), (0, 1));
    // A fresh clone has taken its place.
    assert_eq!(service.ready().await.unwrap().call(2).await.unwrap(), 100);
}

#[tokio::test]
async fn a_primary_that_cannot_become_ready_and_that_nobody_stands_in_for_says_so() {
    let (primary, handle) = scripted([]);
    handle.fail_readiness("gone".into());
    let mut service = layer().layer(primary);
    assert_eq!(service.ready().await.unwrap_err().to_string(), "gone");

    let (primary, handle) = scripted([]);
    handle.fail_readiness(Failure::new(Outcome::LOCAL, "gone").into());
    let (b, _) = upstream("b", Reply::Ok(200));
    let mut service = layer().tier(b).layer(primary);
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert!(error.is::<Failure>());
}

#[tokio::test]
async fn a_tier_that_cannot_become_ready_has_failed_as_any_other() {
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (b, handle) = upstream("b", Reply::Ok(200));
    handle.fail_readiness(Failure::new(REFUSED, "gone").into());
    let (c, _) = upstream("c", Reply::Ok(300));
    let service = layer().tier(b).tier(c).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 300);
}

#[tokio::test]
async fn a_tier_changes_the_request_for_itself_alone() {
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (b, second) = upstream("b", Reply::Ok(2));
    let (c, third) = upstream("c", Reply::Ok(300));
    let service = layer()
        .tier(b.map_request(|n| n + 10))
        .tier(c)
        .layer(primary);
    service.oneshot(1).await.unwrap();
    assert_eq!(
        (second.take_requests(), third.take_requests()),
        (vec![11], vec![1])
    );
}

#[tokio::test]
async fn answers_of_our_own_need_no_attempt_and_see_the_request_and_the_reason() {
    let (primary, _) = scripted([Reply::Ok(5)]);
    let silent = Tier::answer("silent", |_: &u8, _: &Outcome| None);
    let unpaid = Tier::answer("unpaid", |request: &u8, why: &Outcome| {
        (why.kind == Kind::OutOfQuota).then(|| 1_000 + u32::from(*request))
    });
    let one = NonZeroU32::MIN;
    let service = layer()
        .max_attempts(one)
        .tier(silent)
        .tier(unpaid)
        .layer(primary);
    assert_eq!(service.oneshot(7).await.unwrap(), 1_007);
}

#[tokio::test]
async fn rules_that_know_no_answer_leave_it_to_the_queue() {
    /// Takes everything, and says how it failed.
    struct Inbox;
    impl HandOver<u8> for Inbox {
        type Response = u32;
        async fn hand_over(&self, request: u8, why: Outcome) -> Result<u32, BoxError> {
            assert_eq!(why.kind, Kind::Overloaded);
            Ok(200 + u32::from(request))
        }
    }
    /// Has no room.
    struct Full;
    impl HandOver<u8> for Full {
        type Response = u32;
        async fn hand_over(&self, _request: u8, _why: Outcome) -> Result<u32, BoxError> {
            Err(Failure::new(Outcome::QUEUE_FULL, "no room").into())
        }
    }
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (rules, asked) = scripted([Reply::Err("no rule".into())]);
    let service = layer()
        .max_attempts(NonZeroU32::MIN)
        .tier(Tier::local("rules", rules))
        .tier(Tier::hand_over("full", Full))
        .tier(Tier::hand_over("human", Inbox))
        .layer(primary);
    assert_eq!(service.oneshot(7).await.unwrap(), 207);
    assert_eq!(asked.calls(), 1);
}

#[tokio::test]
async fn an_unpaid_account_is_left_for_another() {
    let (primary, _) = scripted([Reply::Ok(5)]);
    let (smaller, second) = upstream("smaller", Reply::Ok(200));
    let (elsewhere, _) = upstream("elsewhere", Reply::Ok(300));
    let service = layer()
        .tier(smaller.same_account(true))
        .tier(elsewhere)
        .layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 300);
    assert_eq!(second.calls(), 0);
}

#[tokio::test]
async fn f25_the_primary_is_not_its_own_fallback() {
    let (primary, _) = scripted([Reply::Ok(1)]);
    let (a, asked) = upstream("a", Reply::Ok(100));
    let (b, _) = upstream("b", Reply::Ok(200));
    let service = layer().primary("a").tier(a).tier(b).layer(primary);
    assert_eq!(service.oneshot(1).await.unwrap(), 200);
    assert_eq!(asked.calls(), 0);
}

#[test]
#[should_panic(expected = "the name of a tier has 1 to 64 bytes, this one 0")]
fn a_tier_without_a_name_is_refused_where_it_is_made() {
    drop(Tier::<Cloned<u8, u32>>::answer("", |_, _| None));
}

#[test]
fn defaults_are_what_the_docs_say() {
    let (tier, _) = upstream("b", Reply::Ok(1));
    assert_eq!(
        format!("{:?}", layer().tier(tier)),
        "FallbackLayer { primary: \"primary\", rules: Rules { max_attempts: 5, min_attempt: 1s }, \
         tiers: [Tier { name: \"b\", when: {\"transient\", \"throttled\", \"overloaded\", \
         \"out_of_quota\", \"unavailable\"}, degraded: false, same_account: false, .. }], .. }"
    );
}
