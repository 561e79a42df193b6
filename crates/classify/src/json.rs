//! A look into JSON that may be cut short, broken or hostile.
//!
//! Error bodies are read for three or four words. They come truncated, with bytes that are no UTF-8,
//! nested a thousand deep; a parser that insists on a whole document learns nothing from them. This
//! one walks over the bytes and picks: it never recurses, never allocates, never fails.

/// How much of a body is looked at, in bytes.
pub(crate) const LIMIT: usize = 16 * 1024;

/// A value somewhere in the bytes: they begin with it and go on to the end of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a>(&'a [u8]);

impl<'a> Json<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes[..bytes.len().min(LIMIT)].trim_ascii_start())
    }

    /// All of the bytes: of one event of a stream, whose length is bounded already.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self(bytes.trim_ascii_start())
    }

    /// The members of an object, as far as they can be made out.
    pub(crate) fn members(self) -> Members<'a> {
        Members(entries(self.0, b'{'))
    }

    /// The items of an array, as far as they can be made out.
    pub(crate) fn items(self) -> Items<'a> {
        Items(entries(self.0, b'['))
    }

    /// The first member of that name.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        let mut members = self.members();
        members.find(|(found, _)| *found == name).map(|(_, v)| v)
    }

    /// What stands between the quotes of a string, or the digits of a number; nothing if it was cut.
    ///
    /// Escapes are left as they are: what we compare are identifiers, and no encoder escapes those.
    pub(crate) fn text(self) -> Option<&'a str> {
        if self.is_string() {
            return Some(string(self.0)?.0);
        }
        let number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let end = self.0.iter().position(|byte| !number(byte))?;
        std::str::from_utf8(&self.0[..end])
            .ok()
            .filter(|text| !text.is_empty())
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    pub(crate) fn is_string(self) -> bool {
        self.0.first() == Some(&b'"')
    }

    /// A string that is not empty, whether or not its end is there.
    pub(crate) fn is_filled_string(self) -> bool {
        matches!(self.0, [b'"', byte, ..] if *byte != b'"')
    }

    pub(crate) fn is_array(self) -> bool {
        self.0.first() == Some(&b'[')
    }
}

/// See [`Json::members`].
pub(crate) struct Members<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = string(self.0.take()?)?;
        let value = rest.trim_ascii_start().strip_prefix(b":")?;
        let value = value.trim_ascii_start();
        self.0 = after_comma(skip(value));
        Some((name, Json(value)))
    }
}

/// See [`Json::items`].
pub(crate) struct Items<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.0.take()?;
        if matches!(value.first(), None | Some(b']')) {
            return None;
        }
        self.0 = after_comma(skip(value));
        Some(Json(value))
    }
}

fn entries(bytes: &[u8], open: u8) -> Option<&[u8]> {
    Some(bytes.strip_prefix(&[open])?.trim_ascii_start())
}

fn after_comma(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.trim_ascii_start().strip_prefix(b",")?;
    Some(rest.trim_ascii_start())
}

/// A string that ends, and what follows it.
fn string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = end_of_string(bytes)?;
    let text = std::str::from_utf8(bytes.get(1..end - 1)?).ok()?;
    Some((text, &bytes[end..]))
}

/// The place after the closing quote of a string that begins here.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.starts_with(b"\"").then_some(1)?;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What follows the value that begins here; nothing if it does not end.
fn skip(bytes: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => match end_of_string(&bytes[at..]) {
                Some(length) if depth > 0 => at += length - 1,
                Some(length) => return &bytes[at + length..],
                None => return &[],
            },
            b'{' | b'[' => depth += 1,
            // The end of what this value is in: it was a number or a word.
            b'}' | b']' | b',' if depth == 0 => return &bytes[at..],
            b'}' | b']' if depth == 1 => return &bytes[at + 1..],
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{Json, LIMIT};

    fn text(json: &str, path: &[&str]) -> Option<String> {
        let mut value = Json::new(json.as_bytes());
        for name in path {
            value = value.get(name)?;
        }
        value.text().map(str::to_owned)
    }

    #[test]
    fn a_member_is_found_behind_everything_that_can_stand_before_it() {
        let json = r#" { "s": "a\"},{\\", "o": {"code": [1, {"code": 2}]}, "n": -1.5e3, "t": true,
            "code" : "here" }"#;
        assert_eq!(text(json, &["code"]).as_deref(), Some("here"));
        assert_eq!(text(json, &["n"]).as_deref(), Some("-1.5e3"));
        assert_eq!(text(json, &["o", "code"]), None);
        assert_eq!(text(json, &["t"]), None);
        assert_eq!(text(json, &["s", "code"]), None);
    }

    #[test]
    fn what_is_cut_is_not_taken_for_whole() {
        assert_eq!(text(r#"{"code": 42"#, &["code"]), None);
        assert_eq!(text(r#"{"code": "insuff"#, &["code"]), None);
        assert_eq!(text(r#"{"code": "a", "type": "#, &["type"]), None);
        assert_eq!(
            text(r#"{"code": "a", "typ"#, &["code"]).as_deref(),
            Some("a")
        );
    }

    #[test]
    fn depth_costs_no_stack_and_length_no_more_than_the_limit() {
        let deep = format!("{{\"a\":{},\"b\":\"c\"}}", "[".repeat(LIMIT));
        assert_eq!(text(&deep, &["b"]), None);
        let long = format!("{{\"a\":\"{}\",\"b\":\"c\"}}", "x".repeat(LIMIT));
        assert_eq!(text(&long, &["b"]), None);
    }

    #[test]
    fn items_end_where_the_array_does() {
        let items = |json: &str| Json::new(json.as_bytes()).items().count();
        assert_eq!(items("[]"), 0);
        assert_eq!(items("[1, [2, 3], {\"a\": [4]}] , 5"), 3);
        assert_eq!(items("[1, 2"), 2);
        assert_eq!(items("{}"), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            look_at_everything(Json::new(&bytes), 4);
        }

        #[test]
        fn no_json_like_text_panics(text in "[\\[\\]{}\",:\\\\ a1]{0,100}") {
            look_at_everything(Json::new(text.as_bytes()), 4);
        }

        #[test]
        fn what_a_real_encoder_wrote_is_found(name in "[a-z_]{1,9}", value in "[ -~]{0,20}", n: u32) {
            let json = serde_json::json!({ "0": { name.as_str(): "no" }, "1": n, (name.as_str()): value });
            let json = json.to_string();
            let found = text(&json, &[&name]).map(|raw| serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap());
            prop_assert_eq!(found, Some(value));
            prop_assert_eq!(text(&json, &["1"]), Some(n.to_string()));
        }
    }

    fn look_at_everything(json: Json<'_>, depth: u32) {
        assert!(json.text().is_none_or(|text| text.len() <= LIMIT));
        if depth > 0 {
            json.items()
                .for_each(|item| look_at_everything(item, depth - 1));
            json.members()
                .for_each(|(_, v)| look_at_everything(v, depth - 1));
        }
    }
}
