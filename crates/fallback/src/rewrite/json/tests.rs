use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use serde_json::Value;

use super::set_member;

fn set(json: &str) -> Result<String, usize> {
    set_member(json.as_bytes(), "model", "small").map(|json| String::from_utf8(json).unwrap())
}

#[test]
fn the_value_is_replaced_and_all_else_stays_byte_for_byte() {
    assert_eq!(
        set(r#" { "a" : [1, {"model":"x"}], "model" : "large" , "n":1.0e5 } "#).unwrap(),
        r#" { "a" : [1, {"model":"x"}], "model" : "small" , "n":1.0e5 } "#
    );
    assert_eq!(set(r#"{"model":null}"#).unwrap(), r#"{"model":"small"}"#);
    assert_eq!(
        set(r#"{"model":{"a":[]}}"#).unwrap(),
        r#"{"model":"small"}"#
    );
    assert_eq!(set(r#"{"model":-1e5}"#).unwrap(), r#"{"model":"small"}"#);
}

#[test]
fn every_value_of_the_name_is_replaced_however_the_name_is_written() {
    assert_eq!(
        set(r#"{"model":"a","mod\u0065l":"b","modeX":"c"}"#).unwrap(),
        r#"{"model":"small","mod\u0065l":"small","modeX":"c"}"#
    );
}

#[test]
fn a_member_that_is_missing_becomes_the_first() {
    assert_eq!(set("{}").unwrap(), r#"{"model":"small"}"#);
    assert_eq!(set("{ }").unwrap(), r#"{"model":"small" }"#);
    assert_eq!(set(r#"{"a":"}"}"#).unwrap(), r#"{"model":"small","a":"}"}"#);
}

#[test]
fn what_is_no_object_says_where() {
    for (json, at) in [
        ("", 0),
        ("[]", 0),
        ("null", 0),
        ("{", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":}"#, 5),
        (r#"{"a":1 "b"}"#, 7),
        (r#"{"a":1}x"#, 7),
        (r#"{"a":"\"#, 7),
        (r#"{"a":"b"#, 7),
        (r#"{"a":[1"#, 7),
        (r"{model:1}", 1),
        ("model=large", 0),
    ] {
        assert_eq!(set(json), Err(at), "{json}");
    }
}

#[test]
fn depth_beyond_all_measure_overflows_nothing() {
    let deep = "[".repeat(200_000);
    assert!(set(&format!(r#"{{"a":{deep}"#)).is_err());
    let whole = format!(r#"{{"a":{deep}{}}}"#, "]".repeat(200_000));
    assert!(
        set(&whole)
            .unwrap()
            .starts_with(r#"{"model":"small","a":[["#)
    );
}

fn json() -> impl prop::strategy::Strategy<Value = Value> {
    use prop::strategy::Strategy;
    let leaf = prop::strategy::Union::new([
        any::<bool>().prop_map(Value::from).boxed(),
        any::<i64>().prop_map(Value::from).boxed(),
        any::<String>().prop_map(Value::from).boxed(),
    ]);
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop::strategy::Union::new(["model".boxed(), "[a-z\"\\\\{]{0,3}".boxed()]);
        prop::strategy::Union::new([
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(Value::from)
                .boxed(),
            prop::collection::vec((keys, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
                .boxed(),
        ])
    })
}

proptest! {
    #[test]
    fn it_does_what_a_parser_would_have_done(value in json(), model in ".{0,12}") {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let changed = set_member(text.as_bytes(), "model", &model);
        if let Value::Object(mut members) = value {
            members.insert("model".into(), Value::from(model));
            let changed: Value = serde_json::from_slice(&changed.unwrap()).unwrap();
            prop_assert_eq!(changed, Value::Object(members));
        } else {
            prop_assert_eq!(changed, Err(0));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(set_member(&bytes, "model", "small"));
        drop(set_member(&[b"{\"", &bytes[..]].concat(), "model", "small"));
    }
}
