//! Where a statement ends: at a semicolon outside of quotes and comments.

/// The statements that end in a text, and what follows the last of them.
pub fn split(text: &str) -> (Vec<&str>, &str) {
    let (mut statements, mut start) = (Vec::new(), 0);
    let mut rest = text;
    while let Some(step) = step(rest) {
        let end = text.len() - rest.len();
        if rest.starts_with(';') {
            let statement = text[start..end].trim();
            if !statement.is_empty() {
                statements.push(statement);
            }
            start = end + 1;
        }
        rest = rest.get(step..).unwrap_or_default();
    }
    (statements, text[start..].trim())
}

/// The length of the quote, comment or character at the start of a text; nothing at its end.
fn step(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let to = |skip: usize, end: &str| text[skip..].find(end).map_or(text.len(), |found| skip + found + end.len());
    Some(match first {
        '\'' => to(1, "'"),
        '"' => to(1, "\""),
        '-' if text.starts_with("--") => to(2, "\n"),
        '/' if text.starts_with("/*") => to(2, "*/"),
        other => other.len_utf8(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_outside_of_quotes_and_comments() {
        let cases: [(&str, &[&str], &str); 9] = [
            ("select 1", &[], "select 1"),
            ("select 1;", &["select 1"], ""),
            ("select 1; select 2 ;x", &["select 1", "select 2"], "x"),
            ("select ';'", &[], "select ';'"),
            ("select 'it''s;' ;", &["select 'it''s;'"], ""),
            ("select \";\" ;", &["select \";\""], ""),
            ("select 1 -- ;\n;", &["select 1 -- ;"], ""),
            ("/* ; */ select 'ü;", &[], "/* ; */ select 'ü;"),
            (" ; ;", &[], ""),
        ];
        for (text, statements, rest) in cases {
            assert_eq!(split(text), (statements.to_vec(), rest), "{text}");
        }
    }
}
