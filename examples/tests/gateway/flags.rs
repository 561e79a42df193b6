//! The command line, from outside.

use crate::harness::{Gateway, command, soon};

#[tokio::test]
async fn wrong_flags_exit_with_2_and_say_what_is_wrong() {
    for (flags, said) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["stray"], "stray"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--upstream", "ftp://up"], "http://"),
        (&["--upstream", "http://key:secret@up"], "credentials"),
        (&["--upstream", "http://up?q"], "query"),
        (
            &["--upstream", "a=http://x", "--upstream", "a=http://y"],
            "`a`",
        ),
        (&["--profile", "clippy"], "clippy"),
        (&["--max-attempts", "0"], "at least 1"),
        (&["--retry-base", "5"], "500ms"),
        (&["--retry-base", "9s"], "8s"),
        (&["--retry-cap=-1s"], "-1s"),
        (&["--max-hint", "forever"], "forever"),
        (&["--max-replay", "16MiB"], "16MiB"),
        (&["--retry-ambiguous", "perhaps"], "perhaps"),
        (&["--hold-wait", "0"], "500ms"),
        (&["--hold-bytes", "64KiB"], "64KiB"),
        (&["--idempotency-ttl", "0s"], "off"),
        (&["--idempotency-scope", "host"], "host"),
        (&["--idempotency-fingerprint", "on"], "--idempotency-scope"),
        (&["--idempotency-store", "disk"], "`disk`"),
        (&["--idempotency-fail", "ajar"], "ajar"),
        (&["--log", "loud"], "loud"),
    ] {
        let output = soon(command().args(flags).output()).await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(said), "{flags:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn help_lists_every_flag() {
    let output = soon(command().arg("--help").output()).await.unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--listen",
        "--upstream",
        "--profile",
        "--budget",
        "--larger-model",
        "--static-fallback",
        "--max-attempts",
        "--retry-base",
        "--retry-cap",
        "--max-hint",
        "--retry-ambiguous",
        "--max-replay",
        "--hold-wait",
        "--hold-bytes",
        "--idempotency-ttl",
        "--idempotency-scope",
        "--idempotency-fingerprint",
        "--idempotency-store",
        "--idempotency-fail",
        "--connect-timeout",
        "--drain",
        "--log",
        "--seed",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = soon(command().args(["--listen", &address]).output())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains(&address), "{log}");
}

#[tokio::test]
async fn health_is_answered_without_an_upstream() {
    let gateway = Gateway::before("http://127.0.0.1:1", &[]).await;
    let answer = gateway.get("/healthz").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.body, "ok\n");
}
