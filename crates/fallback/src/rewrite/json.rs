//! One member of a JSON object, set without reading the rest.

use std::ops::Range;

/// The object with its member `name` set to a string: in the place of every value that it has by that name, else as
/// its first member. All else stays byte for byte as it was.
///
/// Reads no more of the syntax than it takes to tell members from what is inside of them; whoever gets the
/// object reads the rest.
///
/// # Errors
/// Where it is no object.
pub(super) fn set_member(json: &[u8], name: &str, value: &str) -> Result<Vec<u8>, usize> {
    let mut scan = Scan { json, at: 0 };
    let members = scan.members(name)?;
    let value = quoted(value);
    let mut changed = Vec::with_capacity(json.len() + name.len() + value.len() + 8);
    let mut from = 0;
    for place in &members.values {
        changed.extend_from_slice(&json[from..place.start]);
        changed.extend_from_slice(value.as_bytes());
        from = place.end;
    }
    if members.values.is_empty() {
        changed.extend_from_slice(&json[..members.open]);
        let comma = if members.empty { "" } else { "," };
        changed.extend_from_slice(format!("{}:{value}{comma}", quoted(name)).as_bytes());
        from = members.open;
    }
    changed.extend_from_slice(&json[from..]);
    Ok(changed)
}

/// The members of an object, as far as they matter.
struct Members {
    /// Behind its opening brace.
    open: usize,
    empty: bool,
    /// Of the values of that name; a name may come more than once, and readers differ in which they take.
    values: Vec<Range<usize>>,
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn members(&mut self, name: &str) -> Result<Members, usize> {
        self.expect(b'{')?;
        let mut members = Members {
            open: self.at,
            empty: true,
            values: Vec::new(),
        };
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            members.empty = false;
            loop {
                self.space();
                let key = self.string()?;
                self.expect(b':')?;
                self.space();
                let value = self.value()?;
                if is_name(&self.json[key], name) {
                    members.values.push(value);
                }
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.at),
                }
            }
            self.at += 1;
        }
        match self.peek() {
            None => Ok(members),
            Some(_) => Err(self.at),
        }
    }

    fn space(&mut self) {
        let rest = &self.json[self.at..];
        let space = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += space.count();
    }

    /// The next byte that is not space.
    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.json.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), usize> {
        if self.peek() != Some(byte) {
            return Err(self.at);
        }
        self.at += 1;
        Ok(())
    }

    /// A string, without its quotes.
    fn string(&mut self) -> Result<Range<usize>, usize> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.json.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.json.len()),
            }
        }
        self.at += 1;
        Ok(start..self.at - 1)
    }

    /// A value of any kind. Counts brackets where it could recurse.
    fn value(&mut self) -> Result<Range<usize>, usize> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.json.get(self.at) {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(_) if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                // A number or a word.
                Some(_) => {
                    let rest = &self.json[start..];
                    let word = rest
                        .iter()
                        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
                    self.at = start + word.count();
                }
                None => return Err(self.at),
            }
            if depth == 0 {
                break;
            }
        }
        if self.at == start {
            return Err(start);
        }
        Ok(start..self.at)
    }
}

/// Whether a string without its quotes says `name`, perhaps with escapes.
fn is_name(string: &[u8], name: &str) -> bool {
    if !string.contains(&b'\\') {
        return string == name.as_bytes();
    }
    let mut string = string.iter().copied();
    let mut read = Vec::new();
    while let Some(byte) = string.next() {
        let byte = match byte {
            b'\\' => match string.next() {
                Some(b'u') => {
                    let digits: Vec<u8> = string.by_ref().take(4).collect();
                    let code = std::str::from_utf8(&digits).ok();
                    match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                        Some(byte) if byte.is_ascii() => byte,
                        _ => return false, // no name that is looked for has such a character
                    }
                }
                Some(byte @ (b'"' | b'\\' | b'/')) => byte,
                _ => return false,
            },
            byte => byte,
        };
        read.push(byte);
    }
    read == name.as_bytes()
}

/// As a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
