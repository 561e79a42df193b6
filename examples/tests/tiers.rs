//! The example of the tiers does what it is there to show.

use std::process::Command;

#[test]
fn each_order_is_read_by_the_first_who_can() {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test.ancestors().nth(2).expect("tests lie two below");
    let tiers = profile
        .join("examples/tiers")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(tiers)
        .output()
        .expect("built beside this test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let served: Vec<_> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("served by  "))
        .filter_map(|line| line.split(", after").next())
        .collect();
    assert_eq!(
        served,
        [
            "large",
            "large",
            "small (degraded)",
            "small (degraded)",
            "rules (degraded)",
            "human (degraded)",
            "large",
        ],
        "{said}"
    );
    assert!(
        said.contains("calls      large 1, small 3; large: billing; small: overloaded"),
        "{said}"
    );
    assert!(
        said.contains("large: share_timeout\n  served by  small (degraded), after 12000 ms"),
        "{said}"
    );
    assert!(
        said.contains("#1 the usual for the lady by the window"),
        "{said}"
    );
}
