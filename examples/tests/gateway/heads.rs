//! Targets and fields, on the wire.

use buttress_testkit::upstream::{Behaviour, Matcher, Script};
use http::{Method, Request, StatusCode, Version};

use crate::harness::{Gateway, scene};

#[tokio::test]
async fn path_and_query_arrive_byte_for_byte() {
    let scene = scene(Script::well(), &[]).await;
    for target in [
        "/",
        "/?",
        "//",
        "//a//b/",
        "/a/../b/./c",
        "/%2F%2f%00%zz",
        "/a?b=c&b=d&&=?x=%20+%E2%82%AC",
        "/v1;p=1/@:!$'()*+,",
        "/healthz/",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = scene.gateway.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{target}: {answer}");
        assert_eq!(scene.upstream.last_call().unwrap().uri, target);
    }
}

#[tokio::test]
async fn the_upstreams_authority_comes_from_the_flag_alone() {
    let scene = scene(Script::well(), &[]).await;
    let host = |call: &buttress_testkit::upstream::Call| call.headers["host"].clone();
    scene.gateway.get("/").await;
    let ours = host(&scene.upstream.last_call().unwrap());

    for request in [
        "GET http://evil.example/a?b HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        "GET https://evil.example:444/a?b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /a?b HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil\r\nconnection: close\r\n\r\n",
    ] {
        let answer = scene.gateway.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let call = scene.upstream.last_call().unwrap();
        assert_eq!(call.uri, "/a?b");
        assert_eq!(host(&call), ours);
    }
}

#[tokio::test]
async fn no_path_climbs_out_of_a_base_path() {
    let scene = scene(Script::well(), &[]).await;
    let host = host_of(&scene.gateway, &scene.upstream).await;
    let gateway = Gateway::before(format!("http://{host}/tenant-1"), &[]).await;
    let calls = scene.upstream.counts().calls;
    for target in [
        "/../tenant-2",
        "/a/%2E%2e/..%2ftenant-2",
        "/..;/tenant-2",
        "/%252e%252e/tenant-2",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = gateway.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    assert_eq!(scene.upstream.counts().calls, calls);
}

#[tokio::test]
async fn a_base_path_stands_before_every_path() {
    let scene = scene(Script::well(), &[]).await;
    let base = format!(
        "api=http://{}/openai/v1/",
        host_of(&scene.gateway, &scene.upstream).await
    );
    let gateway = Gateway::before(base, &[]).await;
    gateway.get("//models?a=%2F").await;
    assert_eq!(
        scene.upstream.last_call().unwrap().uri,
        "/openai/v1//models?a=%2F"
    );
}

async fn host_of(gateway: &Gateway, upstream: &buttress_testkit::upstream::Upstream) -> String {
    gateway.get("/").await;
    let call = upstream.last_call().unwrap();
    call.headers["host"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn fields_of_one_connection_stay_there_and_all_others_arrive() {
    let own = Behaviour::well()
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authenticate", "Basic")
        .header("x-buttress-attempts", "99")
        .header("set-cookie", "b=2")
        .header("set-cookie", "a=1");
    let scene = scene(own, &[]).await;
    let request = "POST /echo HTTP/1.1\r\n\
        host: x\r\n\
        connection: close, X-Hop, te\r\n\
        x-hop: 1\r\n\
        keep-alive: timeout=5\r\n\
        proxy-authorization: Basic c2VjcmV0\r\n\
        te: trailers\r\n\
        upgrade: websocket\r\n\
        expect: 100-continue\r\n\
        idempotent-replayed: true\r\n\
        x-buttress-key: 1\r\n\
        authorization: Bearer key\r\n\
        a: 2\r\n\
        a: 1\r\n\
        content-length: 2\r\n\r\nhi";
    let answer = scene.gateway.raw(request).await;

    assert!(
        answer.contains("\r\nset-cookie: b=2\r\nset-cookie: a=1\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\r\nx-buttress-attempts: 1\r\n"),
        "{answer}"
    );
    for gone in ["x-hop", "keep-alive", "proxy-authenticate", "99"] {
        assert!(
            !answer
                .replace("x-echo-field", "")
                .contains(&format!("\r\n{gone}")),
            "{answer}"
        );
    }
    let call = scene.upstream.last_call().unwrap();
    let mut names: Vec<&str> = call.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["a", "authorization", "content-length", "host", "te"]
    );
    let repeated: Vec<_> = call.headers.get_all("a").iter().collect();
    assert_eq!(repeated, ["2", "1"]);
    assert_eq!(call.body, "hi");
}

#[tokio::test]
async fn head_204_and_304_are_right() {
    let script = Script::well()
        .on(
            Matcher::path("/sized"),
            Behaviour::well().body("text/plain", "twelve bytes"),
        )
        .on(
            Matcher::path("/unsized"),
            Behaviour::well().pieces("text/plain", ["some"]),
        )
        .on(
            Matcher::path("/same"),
            Behaviour::status(304).header("etag", "\"1\""),
        );
    let scene = scene(script, &[]).await;
    let raw = async |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        scene.gateway.raw(request).await
    };

    let sized = raw("HEAD", "/sized").await;
    assert!(sized.contains("\r\ncontent-length: 12\r\n"), "{sized}");
    assert!(sized.ends_with("\r\n\r\n"), "{sized}");
    for answer in [raw("HEAD", "/unsized").await, raw("GET", "/same").await] {
        assert!(!answer.contains("content-length"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    let empty = raw("GET", "/status/204").await;
    assert!(empty.starts_with("HTTP/1.1 204 No Content\r\n"), "{empty}");
    assert!(
        !empty.contains("content-length") && !empty.contains("transfer-encoding"),
        "{empty}"
    );
    assert!(empty.ends_with("\r\n\r\n"), "{empty}");
}

#[tokio::test]
async fn any_method_is_passed_on() {
    let scene = scene(Script::well(), &[]).await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "X-OWN"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request::builder().method(method.clone()).uri("/echo");
        let answer = scene.gateway.ask(request, "body").await;
        assert_eq!(answer.field("x-echo-method"), Some(method.as_str()));
        assert_eq!(answer.body, "body");
    }
}

#[tokio::test]
async fn redirects_are_the_clients_to_follow() {
    let there = Behaviour::status(307).header("location", "http://evil.example/");
    let scene = scene(there, &[]).await;
    let answer = scene.gateway.post("/", "x").await;
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.field("location"), Some("http://evil.example/"));
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn http_2_is_served_with_prior_knowledge() {
    let summed = Behaviour::well()
        .unsized_body()
        .header("trailer", "x-sum")
        .trailer("x-sum", "1");
    let script = Script::sequence([Behaviour::overloaded(), summed]);
    let scene = scene(script, &[]).await;
    let request = Request::post("/echo?q=%2F")
        .version(Version::HTTP_2)
        .header("te", "trailers")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let answer = scene.gateway.ask_http2(request, "body").await;

    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 2));
    assert_eq!(answer.body, "body");
    assert_eq!(answer.trailers.unwrap()["x-sum"], "1");
    let call = scene.upstream.last_call().unwrap();
    assert_eq!(call.uri, "/echo?q=%2F");
    assert_eq!(call.headers["cookie"], "a=1; b=2");
}
