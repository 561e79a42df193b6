use buttress_idempotency::{Fingerprint, Stored};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Unreadable, decode, encode};

fn fields(fields: &[(String, Vec<u8>)]) -> HeaderMap {
    let field = |(name, value): &(String, Vec<u8>)| {
        let value = HeaderValue::from_bytes(value).unwrap();
        (name.parse::<HeaderName>().unwrap(), value)
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    map
}

fn a_field() -> impl Strategy<Value = (String, Vec<u8>)> {
    ("x-[a-z]{1,9}", vec(0x20_u8..0x7f, 0..20))
}

prop_compose! {
    fn an_answer()(
        status in 100_u16..1000,
        headers in vec(a_field(), 0..5),
        body in vec(any::<u8>(), 0..100),
        trailers in proptest::option::of(vec(a_field(), 0..3)),
        kind in 1_u8..3,
        digest in vec(any::<u8>(), 32),
    ) -> Stored {
        let fingerprint = [vec![kind], digest].concat();
        Stored::new(
            StatusCode::from_u16(status).unwrap(),
            fields(&headers),
            Bytes::from(body),
            trailers.as_deref().map(fields),
            Fingerprint::from_bytes(&fingerprint).unwrap(),
        )
    }
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(answer in an_answer()) {
        let read = decode(Bytes::from(encode(&answer))).unwrap();
        prop_assert_eq!(read.status(), answer.status());
        prop_assert_eq!(read.headers(), answer.headers());
        prop_assert_eq!(read.body(), answer.body());
        prop_assert_eq!(read.trailers(), answer.trailers());
        prop_assert!(read.fingerprint() == answer.fingerprint());
    }

    /// Of the body it is a shorter one, and its size tells: see the store.
    #[test]
    fn an_answer_that_breaks_off_in_its_head_is_unreadable(answer in an_answer(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&answer);
        let head = bytes.len() - answer.body().len();
        let cut = Bytes::copy_from_slice(&bytes[..at.index(head)]);
        prop_assert_eq!(decode(cut).err(), Some(Unreadable));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        drop(decode(Bytes::from(bytes)));
    }

    #[test]
    fn nor_does_an_answer_with_a_wrong_byte(answer in an_answer(), at in any::<prop::sample::Index>(), wrong in any::<u8>()) {
        let mut bytes = encode(&answer);
        let at = at.index(bytes.len());
        bytes[at] = wrong;
        drop(decode(Bytes::from(bytes)));
    }
}

#[test]
fn lengths_that_promise_too_much_take_no_memory() {
    let answer = Stored::new(
        StatusCode::OK,
        HeaderMap::new(),
        Bytes::new(),
        None,
        Fingerprint::UNCHECKED,
    );
    let mut bytes = encode(&answer);
    bytes.truncate(1 + Fingerprint::LEN + 2);
    bytes.extend_from_slice(&u32::MAX.to_be_bytes());
    bytes.extend_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(decode(Bytes::from(bytes)).err(), Some(Unreadable));
}

#[test]
fn more_fields_than_a_map_holds_are_unreadable() {
    let answer = Stored::new(
        StatusCode::OK,
        HeaderMap::new(),
        Bytes::new(),
        None,
        Fingerprint::UNCHECKED,
    );
    let mut bytes = encode(&answer);
    bytes.truncate(1 + Fingerprint::LEN + 2);
    bytes.extend_from_slice(&40_000_u32.to_be_bytes());
    for n in 0..40_000 {
        let name = format!("x-{n}");
        bytes.extend_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&0_u32.to_be_bytes());
    }
    bytes.push(0);
    assert_eq!(decode(Bytes::from(bytes)).err(), Some(Unreadable));
}

#[test]
fn another_version_is_unreadable() {
    let answer = Stored::new(
        StatusCode::OK,
        HeaderMap::new(),
        Bytes::new(),
        None,
        Fingerprint::UNCHECKED,
    );
    let mut bytes = encode(&answer);
    bytes[0] += 1;
    assert_eq!(decode(Bytes::from(bytes)).err(), Some(Unreadable));
}
