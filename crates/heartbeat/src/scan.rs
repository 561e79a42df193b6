//! A look over JSON that passes by in pieces.

use memchr::memchr2;

/// Looks for a top-level `"stream": true`, and for the end of the document.
///
/// It keeps a few bytes, whatever comes, and is no judge of JSON: it follows strings and brackets. Of
/// several such members the last one counts, as it does to most parsers. A name with escapes in it is not
/// recognised: no encoder writes it so.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    at: At,
    depth: u32,
    /// The outermost value is an object.
    object: bool,
    /// The next string is the name of a top-level member.
    names: bool,
    stream: Option<bool>,
}

/// Where in the document the next byte belongs.
///
/// ```text
/// Start --{ [--> Between <---"---> Text <---\---> Escape
///                |     ^
///                |     '--------------------------------.
///                '--"--> Name --stream"--> Colon --:--> Value
///
/// Between --the last } ]--> End --anything but space--> Broken
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Between,
    Text,
    Escape,
    /// In a name that is `stream` so far, for so many bytes.
    Name(usize),
    Colon,
    Value,
    End,
    Broken,
}

impl Scan {
    pub(crate) const fn new() -> Self {
        Self {
            at: At::Start,
            depth: 0,
            object: false,
            names: false,
            stream: None,
        }
    }

    /// What the last top-level `stream` said: whether it was `true`.
    pub(crate) const fn stream(&self) -> Option<bool> {
        self.stream
    }

    /// Whether nothing more can be learnt.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.at, At::End | At::Broken)
    }

    /// Whether it is an object that has had its end, and nothing behind it.
    pub(crate) fn is_whole_object(&self) -> bool {
        self.at == At::End && self.object
    }

    /// Looks over the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            if self.at == At::Text {
                // Most of a prompt is text, and a picture in it is one long string.
                let Some(end) = memchr2(b'"', b'\\', rest) else {
                    return;
                };
                self.at = match rest[end] {
                    b'"' => At::Between,
                    _ => At::Escape,
                };
                rest = &rest[end + 1..];
            } else {
                self.at = self.step(byte);
                rest = tail;
            }
        }
    }

    fn step(&mut self, byte: u8) -> At {
        let space = byte.is_ascii_whitespace();
        match self.at {
            At::Start | At::Colon | At::Value | At::End if space => self.at,
            At::Start => match byte {
                b'{' | b'[' => self.between(byte),
                _ => At::Broken,
            },
            At::Between => self.between(byte),
            At::Text | At::Escape => At::Text,
            At::Name(known) => match (byte, STREAM.get(known)) {
                (b'"', None) => At::Colon,
                (b'"', Some(_)) => At::Between,
                (b'\\', _) => At::Escape,
                (_, Some(next)) if *next == byte => At::Name(known + 1),
                _ => At::Text,
            },
            At::Colon if byte == b':' => At::Value,
            At::Value => {
                self.stream = Some(byte == b't');
                self.between(byte)
            }
            At::Colon | At::End | At::Broken => At::Broken,
        }
    }

    fn between(&mut self, byte: u8) -> At {
        match byte {
            b'"' if std::mem::take(&mut self.names) => return At::Name(0),
            b'"' => return At::Text,
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.object = byte == b'{';
                }
                self.names = self.depth == 0 && self.object;
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' if self.depth <= 1 => return At::End,
            b'}' | b']' => self.depth -= 1,
            b',' => self.names = self.depth == 1 && self.object,
            _ => {}
        }
        At::Between
    }
}

const STREAM: &[u8] = b"stream";

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
    use serde_json::{Value, json};

    use super::Scan;

    fn scanned<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scan {
        let mut scan = Scan::new();
        pieces.into_iter().for_each(|piece| scan.push(piece));
        scan
    }

    fn stream(json: &str) -> Option<bool> {
        let found = scanned([json.as_bytes()]).stream();
        assert_eq!(scanned(json.as_bytes().chunks(1)).stream(), found, "{json}");
        found
    }

    #[test]
    fn only_a_member_of_the_outermost_object_counts() {
        assert_eq!(stream(r#"{"stream":true}"#), Some(true));
        assert_eq!(
            stream(" { \"a\" : [1, \"x\"] , \"stream\" : true , \"b\""),
            Some(true)
        );
        assert_eq!(stream(r#"{"stream":false}"#), Some(false));
        assert_eq!(stream(r#"{"stream":"true"}"#), Some(false));
        assert_eq!(stream(r#"{"stream":null}"#), Some(false));
        for json in [
            r#"{"a":{"stream":true}}"#,
            r#"{"a":[{"stream":true}]}"#,
            r#"[{"stream":true}]"#,
            r#"["stream",true]"#,
            r#"{"stream_options":true}"#,
            r#"{"streams":true}"#,
            r#"{"strea":true}"#,
            r#"{"":true}"#,
            r#"{"a":"stream","b":true}"#,
            r#"{"a":"\"stream\":true"}"#,
            r#"{"a\"stream":true}"#,
            r#"{"\\stream":true}"#,
            r#""stream":true"#,
            "",
        ] {
            assert_eq!(stream(json), None, "{json}");
        }
    }

    #[test]
    fn the_last_of_several_counts() {
        assert_eq!(
            stream(r#"{"stream":true,"a":{"stream":1},"stream":false}"#),
            Some(false)
        );
        assert_eq!(
            stream(r#"{"stream":{"stream":false},"stream":true}"#),
            Some(true)
        );
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(|b| json!(b)),
            any::<i32>().prop_map(|n| json!(n)),
            "[a-z\"\\\\{}\\[\\],: ]{0,12}".prop_map(|s| json!(s)),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = "stream|[a-z\"\\\\]{0,7}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
                prop::collection::btree_map(name, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_real_decoder_finds_the_same(value in json_value(), cut in 1..9usize) {
            let expected = value.get("stream").map(|stream| stream == true);
            let text = value.to_string();
            let scan = scanned(text.as_bytes().chunks(cut));
            prop_assert_eq!(scan.stream(), expected, "{}", text);
        }

        #[test]
        fn an_object_is_whole_at_its_end_and_not_before(value in json_value(), cut in 1..9usize) {
            let text = value.to_string();
            let object = value.is_object();
            prop_assert_eq!(scanned(text.as_bytes().chunks(cut)).is_whole_object(), object);
            for end in 0..text.len() {
                prop_assert!(!scanned([&text.as_bytes()[..end]]).is_whole_object(), "{}", &text);
            }
            let more = [text.as_bytes(), b" \n", b"x"];
            prop_assert_eq!(scanned(more[..2].iter().copied()).is_whole_object(), object);
            prop_assert!(!scanned(more).is_whole_object());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let whole = scanned([&bytes[..]]);
            let cut = scanned(bytes.chunks(1));
            prop_assert_eq!((whole.stream(), whole.is_over()), (cut.stream(), cut.is_over()));
        }
    }
}
