//! The rows do what they say, before anybody measures how fast.

use buttress_benches::case::{Case, Role};
use buttress_benches::cases;

#[test]
fn every_row_calls_the_inner_service_as_often_as_it_promises() {
    for case in cases() {
        case.worker()(3);
    }
}

#[test]
#[should_panic(expected = "inner calls of")]
fn a_row_that_leaves_work_out_is_stopped() {
    let honest = cases().into_iter().find(|case| case.role == Role::Peer);
    let liar = Case {
        inner_calls: 5,
        ..honest.expect("there are peers")
    };
    liar.worker()(3);
}

#[test]
fn every_group_stands_together_and_begins_with_its_base() {
    let cases = cases();
    let mut seen = Vec::new();
    for group in cases.chunk_by(|a, b| a.group == b.group) {
        assert!(
            !seen.contains(&group[0].group),
            "{} is torn apart",
            group[0].group
        );
        seen.push(group[0].group);
        let bases = group.iter().filter(|case| case.role == Role::Base).count();
        assert_eq!(
            (group[0].role, bases),
            (Role::Base, 1),
            "{}",
            group[0].group
        );
        assert!(
            group.iter().any(|case| matches!(case.role, Role::Ours(_))),
            "{}",
            group[0].group
        );
    }
}
