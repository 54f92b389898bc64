//! Where statements begin and end, and the words of the short ones.
//!
//! A message may hold several statements, and what drivers say about transactions and settings is
//! more than the parser knows. Both need only the parser's tokens, each with its place.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

/// A token, and where it starts, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// A name, a keyword, a text or a sign.
    pub token: Token,
    /// Its place.
    pub start: usize,
}

impl Word {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(&self.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// What it says: names as SQL folds them, texts without their quotes.
    pub fn value(&self) -> String {
        match &self.token {
            Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
            Token::Word(word) => word.value.to_lowercase(),
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::NationalStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            sign => sign.to_string(),
        }
    }
}

/// The statements of a text, without empty ones, each with its place.
pub fn statements(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut start, mut is_empty) = (Vec::new(), 0, true);
    let mut end = |end: usize, is_empty: bool| {
        let statement = text.get(start..end).filter(|_| !is_empty);
        found.extend(statement.map(|statement| (start, statement)));
        start = end + 1;
    };
    let (words, broken) = read(text);
    for word in words {
        if word.token == Token::SemiColon {
            end(word.start, is_empty);
        }
        is_empty = word.token == Token::SemiColon;
    }
    // What has no end, such as a text without its second quote, is the parser's to explain.
    end(text.len(), is_empty && !broken);
    found
}

/// The tokens of a text, without blanks and comments; of one that breaks off, those before.
pub fn words(text: &str) -> Vec<Word> {
    read(text).0
}

/// The tokens, and whether the text breaks off within one.
fn read(text: &str) -> (Vec<Word>, bool) {
    let mut tokens = Vec::new();
    let broken = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location_into_buf(&mut tokens).is_err();
    let (mut here, mut characters) = (Location { line: 1, column: 1 }, text.char_indices());
    // Tokens are placed by line and column, and come in their order: one pass finds all bytes.
    let mut byte = |place: Location| {
        while here < place
            && let Some((_, character)) = characters.next()
        {
            here = match character {
                '\n' => Location { line: here.line + 1, column: 1 },
                _ => Location { line: here.line, column: here.column + 1 },
            };
        }
        characters.offset()
    };
    let words = tokens.into_iter().filter(|found| !matches!(found.token, Token::Whitespace(_)));
    (words.map(|found| Word { start: byte(found.span.start), token: found.token }).collect(), broken)
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
            ("a 'ü\n';\r\n\tb 'ü', c", &["a 'ü\n'", "\r\n\tb 'ü', c"]),
            ("a 'ü;", &["a 'ü;"]),
            ("a; 'ü;", &["a", " 'ü;"]),
        ] {
            let found: Vec<&str> = statements(text).into_iter().map(|(_, statement)| statement).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn words_say_what_they_stand_for() {
        let text = "SET /* no */ Time \"Zo\"\"ne\" = 'U''TC' -- x\n ü 5";
        let values: Vec<String> = words(text).iter().map(Word::value).collect();
        assert_eq!(values, ["set", "time", "Zo\"ne", "=", "U'TC", "ü", "5"]);
        let starts: Vec<char> = words(text).iter().filter_map(|word| text[word.start..].chars().next()).collect();
        assert_eq!(starts, ['S', 'T', '"', '=', '\'', 'ü', '5']);
    }
}
