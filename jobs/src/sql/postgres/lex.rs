//! Where statements begin and end, and the words of the short ones.
//!
//! A message may hold several statements, and what drivers say about transactions and settings is
//! no SQL that the parser knows. Both need only words, texts and signs, each with its place.

/// A word, a text or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written, with its quotes.
    pub raw: &'a str,
    /// Where it starts, in bytes.
    pub start: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text in single quotes, or between dollar signs.
    Text,
    /// Any other character.
    Sign,
}

impl Token<'_> {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.raw.eq_ignore_ascii_case(keyword)
    }

    /// What it says: names as SQL folds them, texts without their quotes.
    pub fn value(&self) -> String {
        let inner = |quote: char| {
            let body = self.raw.trim_start_matches(['E', 'e', 'N', 'n']).trim_start_matches(quote);
            body.strip_suffix(quote).unwrap_or(body).replace(&format!("{quote}{quote}"), &quote.to_string())
        };
        match self.kind {
            Kind::Word => self.raw.to_lowercase(),
            Kind::Quoted => inner('"'),
            Kind::Text if self.raw.starts_with('$') => self.raw.trim_matches('$').to_owned(),
            Kind::Text => inner('\''),
            Kind::Sign => self.raw.to_owned(),
        }
    }
}

/// The statements of a text, without empty ones, each with its place.
pub fn statements(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    let ends = tokens(text).filter(|token| token.raw == ";").map(|token| token.start).chain([text.len()]);
    for end in ends {
        let statement = text.get(start..end).unwrap_or_default();
        if tokens(statement).next().is_some() {
            found.push((start, statement));
        }
        start = end + 1;
    }
    found
}

/// The tokens of a text, without comments.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += blank(text.get(at..)?);
        let rest = text.get(at..)?;
        let (kind, length) = first(rest)?;
        let token = Token { kind, raw: rest.get(..length)?, start: at };
        at += length;
        Some(token)
    })
}

/// The first token and its length.
fn first(text: &str) -> Option<(Kind, usize)> {
    let mut characters = text.chars();
    let character = characters.next()?;
    let next = characters.next();
    Some(match character {
        '\'' => (Kind::Text, quoted(text, '\'', false)),
        'e' | 'E' if next == Some('\'') => (Kind::Text, 1 + quoted(text.get(1..)?, '\'', true)),
        'n' | 'N' if next == Some('\'') => (Kind::Text, 1 + quoted(text.get(1..)?, '\'', false)),
        '"' => (Kind::Quoted, quoted(text, '"', false)),
        '$' => dollars(text),
        c if is_word(c) => (Kind::Word, text.find(|c| !is_word(c)).unwrap_or(text.len())),
        c => (Kind::Sign, c.len_utf8()),
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long a text in quotes is; one that does not end takes the rest.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if escapes && c == '\\' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// `$1`, or `$tag$ … $tag$`.
fn dollars(text: &str) -> (Kind, usize) {
    let tag = text.get(1..).and_then(|rest| rest.find(|c| !is_word(c))).map_or(text.len(), |end| end + 1);
    let is_text = text.get(tag..).is_some_and(|rest| rest.starts_with('$'));
    if !is_text || text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return (Kind::Word, tag.max(1));
    }
    let mark = &text[..=tag];
    let end = text[mark.len()..].find(mark).map_or(text.len(), |end| mark.len() + end + mark.len());
    (Kind::Text, end)
}

/// How many bytes of blanks and comments come first.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        rest = if trimmed.starts_with("--") {
            trimmed.find('\n').map_or("", |end| &trimmed[end..])
        } else if trimmed.starts_with("/*") {
            &trimmed[comment(trimmed)..]
        } else {
            return text.len() - trimmed.len();
        };
    }
}

/// How long a comment is that may hold others.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        let pair = &bytes[at..at + 2];
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_where_a_semicolon_stands_for_one() {
        for (text, expected) in [
            ("", &[][..]),
            (" ; ;-- no\n;/* ; /* ; */ */", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("a 'x;''y' ; b \"q;\"; c", &["a 'x;''y' ", " b \"q;\"", " c"]),
            ("a E'\\';' ;b $$;$$; c $t$;$$;$t$ ;d $1", &["a E'\\';' ", "b $$;$$", " c $t$;$$;$t$ ", "d $1"]),
            ("a 'ü;", &["a 'ü;"]),
        ] {
            let found: Vec<&str> = statements(text).into_iter().map(|(_, statement)| statement).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tokens_say_what_they_stand_for() {
        let values: Vec<String> =
            tokens("SET /* no */ Time \"Zo\"\"ne\" = 'U''TC' -- x\n 5").map(|token| token.value()).collect();
        assert_eq!(values, ["set", "time", "Zo\"ne", "=", "U'TC", "5"]);
    }
}
