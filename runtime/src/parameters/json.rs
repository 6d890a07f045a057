//! A reader of the little JSON that heads a safetensors file: objects, strings, and lists of whole numbers.

/// Reads JSON from front to back.
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
}

/// Where the text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    /// Byte of the text.
    pub(super) at: usize,
    /// What should stand there.
    pub(super) expected: &'static str,
}

type Result<T> = std::result::Result<T, JsonError>;

impl<'a> Json<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// The byte of the text where the next token begins.
    pub(super) fn position(&mut self) -> usize {
        self.peek();
        self.at
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T> {
        Err(JsonError { at: self.at, expected })
    }

    /// Takes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.take(byte) { Ok(()) } else { self.fail(expected) }
    }

    /// That nothing follows but white space.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { self.fail("the end of the header") }
    }

    /// An object; `member` reads the value of each key.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, String) -> Result<()>) -> Result<()> {
        self.expect(b'{', "an object")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "`:`")?;
            member(self, key)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "`,` or `}`")?;
        }
    }

    /// A list of whole numbers.
    pub(super) fn numbers(&mut self) -> Result<Vec<usize>> {
        self.expect(b'[', "a list of whole numbers")?;
        let mut numbers = Vec::new();
        if self.take(b']') {
            return Ok(numbers);
        }
        loop {
            numbers.push(self.number()?);
            if self.take(b']') {
                return Ok(numbers);
            }
            self.expect(b',', "`,` or `]`")?;
        }
    }

    fn number(&mut self) -> Result<usize> {
        self.peek();
        let rest = &self.text[self.at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        match rest[..digits].parse() {
            Ok(number) if digits == 1 || !rest.starts_with('0') => {
                self.at += digits;
                Ok(number)
            }
            _ => self.fail("a whole number that an address can hold"),
        }
    }

    /// A string.
    pub(super) fn string(&mut self) -> Result<String> {
        self.expect(b'"', "a string")?;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            string.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                _ => return self.fail("the end of a string"),
            }
        }
    }

    /// The character of an escape sequence; a backslash comes next.
    fn escape(&mut self) -> Result<char> {
        let escaped = self.text.as_bytes().get(self.at + 1).copied();
        let character = match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail("an escape sequence"),
        };
        self.at += 2;
        Ok(character)
    }

    /// `\u` and four digits, or two of them where the first is the high half of a surrogate pair.
    fn unicode(&mut self) -> Result<char> {
        let mut units = [0; 2];
        for count in 1..=2 {
            let Some(unit) = self.unit() else { break };
            self.at += 6;
            units[count - 1] = unit;
            if let Some(Ok(character)) = char::decode_utf16(units[..count].iter().copied()).next() {
                return Ok(character);
            }
        }
        self.fail("a character as `\\u` and four hexadecimal digits")
    }

    /// The number of the `\uXXXX` that comes next.
    fn unit(&self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }
}

/// `text` as a JSON string, appended to `out`.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..'\u{20}' => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let code = character as usize;
                out.push_str("\\u00");
                out.extend([char::from(DIGITS[code >> 4]), char::from(DIGITS[code & 15])]);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Result<String> {
        let mut json = Json::new(text);
        let string = json.string()?;
        json.end().map(|()| string)
    }

    #[test]
    fn reads_strings() {
        for (text, expected) in [
            (r#"  "plain" "#, "plain"),
            (r#""""#, ""),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""größe 🦀""#, "größe 🦀"),
            (r#""\u00e9\ud83e\udd80x""#, "é🦀x"),
        ] {
            assert_eq!(string(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "x",
            "\"",
            "\"a",
            "\"\n\"",
            r#""\"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\ud83e""#,
            r#""\ud83e\u0041""#,
            r#""\udd80""#,
            r#""\u+123""#,
            r#""\u00é""#,
            r#""a" b"#,
        ] {
            assert!(string(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["", "conv1.weight", "a\"b\\c", "\0\u{1f}\n", "größe 🦀"] {
            let mut written = String::new();
            write_string(text, &mut written);
            assert_eq!(string(&written).unwrap(), text);
        }
    }

    #[test]
    fn reads_lists_of_numbers() {
        for (text, expected) in
            [("[]", &[][..]), (" [ 1 , 20,0 ] ", &[1, 20, 0]), ("[18446744073709551615]", &[usize::MAX])]
        {
            assert_eq!(Json::new(text).numbers().unwrap(), expected);
        }
        for text in
            ["", "[", "[1", "[1,", "[1,]", "[,1]", "[01]", "[-1]", "[1.0]", "[1e3]", "[18446744073709551616]", "7"]
        {
            assert!(Json::new(text).numbers().is_err(), "{text}");
        }
    }

    #[test]
    fn says_where_an_object_fails() {
        let parse = |text| {
            let mut members = Vec::new();
            Json::new(text).object(|json, key| json.numbers().map(|value| members.push((key, value))))?;
            Ok(members)
        };
        assert_eq!(parse("{}"), Ok(vec![]));
        assert_eq!(parse(r#"{"a": [1], "b": []}"#), Ok(vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![])]));
        for (text, at, expected) in [
            ("[]", 0, "an object"),
            ("{", 1, "a string"),
            (r#"{"a" [1]}"#, 5, "`:`"),
            (r#"{"a": [1]; "#, 9, "`,` or `}`"),
            (r#"{"a": [1],}"#, 10, "a string"),
        ] {
            assert_eq!(parse(text), Err(JsonError { at, expected }), "{text}");
        }
    }
}
