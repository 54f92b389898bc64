//! What a statement asks for: rows, or something about the session, or what is refused.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::lex::{Word, words};
use super::refusal::{NOT_SUPPORTED, Refusal, SYNTAX};

/// A statement by what is to be done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Rows of a query.
    Rows,
    /// A setting's value.
    Show(String),
    /// A setting, and its new value or its default.
    Set(String, Option<String>),
    /// Every setting back to its default.
    ResetAll,
    /// Begins a transaction.
    Begin,
    /// Ends a transaction.
    Commit,
    /// Ends a transaction, and a failure with it.
    Rollback,
    /// Goes back to a savepoint, which ends a failure.
    RollbackTo,
    /// Nothing but its tag.
    Nothing(&'static str),
    /// Forgets a prepared statement, or all.
    Deallocate(Option<String>),
    /// A cursor over the query that starts at this byte.
    Declare(String, usize),
    /// So many rows of a cursor; 0 is all that are left.
    Fetch(String, u32),
    /// Closes a cursor, or all.
    CloseCursor(Option<String>),
}

/// Verbs that would change something.
const WRITES: [&str; 27] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "COPY",
    "GRANT",
    "REVOKE",
    "VACUUM",
    "ANALYZE",
    "REINDEX",
    "CLUSTER",
    "REFRESH",
    "COMMENT",
    "SECURITY",
    "LOCK",
    "CALL",
    "DO",
    "IMPORT",
    "NOTIFY",
    "REASSIGN",
    "CHECKPOINT",
    "LOAD",
    "UPSERT",
];

impl Command {
    /// What one statement asks for; nothing where it is empty.
    ///
    /// # Errors
    /// What this surface does not do.
    pub fn read(text: &str) -> Result<Option<Command>, Refusal> {
        let words: Vec<Word> = words(text).into_iter().take_while(|word| word.token != Token::SemiColon).collect();
        let Some(first) = words.first() else { return Ok(None) };
        let verb = first.value().to_uppercase();
        let rest = &words[1..];
        Ok(Some(match verb.as_str() {
            "BEGIN" | "START" if writes(rest) => return Err(Refusal::read_only("READ WRITE")),
            "BEGIN" | "START" => Command::Begin,
            "COMMIT" | "END" => Command::Commit,
            "ROLLBACK" | "ABORT" if rest.iter().any(|word| word.is("TO")) => Command::RollbackTo,
            "ROLLBACK" | "ABORT" => Command::Rollback,
            "SAVEPOINT" => Command::Nothing("SAVEPOINT"),
            "RELEASE" => Command::Nothing("RELEASE"),
            "UNLISTEN" => Command::Nothing("UNLISTEN"),
            "DISCARD" => Command::ResetAll,
            "SET" => set(text, rest)?,
            "RESET" if rest.first().is_some_and(|word| word.is("ALL")) => Command::ResetAll,
            "RESET" => Command::Set(joined(rest), None),
            "SHOW"
                if rest.first().is_some_and(|word| ["TABLES", "COLUMNS", "FUNCTIONS"].iter().any(|w| word.is(w))) =>
            {
                Command::Rows
            }
            "SHOW" => Command::Show(joined(rest)),
            "DEALLOCATE" => Command::Deallocate(name_or_all(rest)),
            "CLOSE" => Command::CloseCursor(name_or_all(rest)),
            "DECLARE" => declare(rest)?,
            "FETCH" => fetch(rest)?,
            "LISTEN" => return Err(unsupported(&verb, "nothing is notified")),
            "MOVE" => return Err(unsupported(&verb, "cursors only go forward, with FETCH")),
            "PREPARE" | "EXECUTE" => return Err(unsupported(&verb, "prepare statements through the driver")),
            verb if WRITES.contains(&verb) => return Err(Refusal::read_only(verb)),
            _ => Command::Rows,
        }))
    }

    /// The tag that its answer ends with.
    pub fn tag(&self) -> &'static str {
        match self {
            Command::Rows => "SELECT",
            Command::Show(_) => "SHOW",
            Command::Set(_, Some(_)) => "SET",
            Command::Set(_, None) | Command::ResetAll => "RESET",
            Command::Begin => "BEGIN",
            Command::Commit => "COMMIT",
            Command::Rollback | Command::RollbackTo => "ROLLBACK",
            Command::Nothing(tag) => tag,
            Command::Deallocate(Some(_)) => "DEALLOCATE",
            Command::Deallocate(None) => "DEALLOCATE ALL",
            Command::Declare(..) => "DECLARE CURSOR",
            Command::Fetch(..) => "FETCH",
            Command::CloseCursor(_) => "CLOSE CURSOR",
        }
    }

    /// Whether it is done in a transaction that has failed.
    pub fn ends_failure(&self) -> bool {
        matches!(self, Command::Commit | Command::Rollback | Command::RollbackTo)
    }
}

fn unsupported(what: &str, why: &str) -> Refusal {
    Refusal::new(NOT_SUPPORTED, format!("{what} is not supported here; {why}"))
}

/// Whether a transaction is to be one that writes.
fn writes(words: &[Word]) -> bool {
    words.windows(2).any(|pair| pair[0].is("READ") && pair[1].is("WRITE"))
}

fn joined(words: &[Word]) -> String {
    words.iter().map(Word::value).collect::<Vec<_>>().join(" ")
}

fn name_or_all(words: &[Word]) -> Option<String> {
    let named = words.iter().find(|word| !word.is("PREPARE"));
    named.filter(|word| !word.is("ALL")).map(Word::value)
}

/// `SET [SESSION | LOCAL] name { TO | = } value`, and the forms that have no such sign.
fn set(text: &str, words: &[Word]) -> Result<Command, Refusal> {
    let scoped = words.first().is_some_and(|word| word.is("SESSION") || word.is("LOCAL"));
    let words = if scoped && words.len() > 2 { &words[1..] } else { words };
    let set = |name: &str, value: &str| Command::Set(name.to_owned(), Some(value.to_owned()));
    if words.iter().any(|word| word.is("TRANSACTION") || word.is("CHARACTERISTICS")) {
        return Ok(set("transaction_read_only", if writes(words) { "off" } else { "on" }));
    }
    if words.first().is_some_and(|word| word.is("ROLE") || word.is("AUTHORIZATION")) {
        return Ok(Command::Nothing("SET"));
    }
    if let [time, zone, value, ..] = words
        && time.is("TIME")
        && zone.is("ZONE")
    {
        return Ok(set("timezone", &value.value()));
    }
    if let [names, value, ..] = words
        && names.is("NAMES")
    {
        return Ok(set("client_encoding", &value.value()));
    }
    let sign = words.iter().position(|word| word.token == Token::Eq || word.is("TO"));
    let Some((sign, value)) = sign.and_then(|at| Some((at, words.get(at + 1)?))) else {
        return Err(Refusal::new(SYNTAX, "SET needs a name and a value: SET name = value"));
    };
    let name: String = words[..sign].iter().map(Word::value).collect();
    if value.is("DEFAULT") {
        return Ok(Command::Set(name, None));
    }
    let one = words.len() == sign + 2;
    let value = if one { value.value() } else { text[value.start..].trim().trim_end_matches(';').trim().to_owned() };
    Ok(Command::Set(name, Some(value)))
}

fn declare(words: &[Word]) -> Result<Command, Refusal> {
    let query = words.iter().find(|word| word.is("FOR")).map(|word| word.start + "FOR".len());
    match (words.first(), query) {
        (Some(name), Some(query)) => Ok(Command::Declare(name.value(), query)),
        _ => Err(Refusal::new(SYNTAX, "DECLARE needs a name and a query: DECLARE name CURSOR FOR SELECT …")),
    }
}

fn fetch(words: &[Word]) -> Result<Command, Refusal> {
    let Some((name, before)) = words.split_last() else {
        return Err(Refusal::new(SYNTAX, "FETCH needs a cursor: FETCH 100 FROM name"));
    };
    let mut rows = 1;
    for word in before.iter().filter(|word| !["FORWARD", "FROM", "IN", "NEXT"].iter().any(|w| word.is(w))) {
        rows = match word.value().parse() {
            Ok(count) if count > 0 => count,
            _ if word.is("ALL") => 0,
            _ => {
                return Err(unsupported(&format!("FETCH {}", word.token), "cursors only go forward"));
            }
        };
    }
    Ok(Command::Fetch(name.value(), rows))
}

#[cfg(test)]
mod tests {
    use super::super::refusal::READ_ONLY;
    use super::*;

    #[test]
    fn what_drivers_say_is_understood() {
        let set = |name: &str, value: &str| Command::Set(name.into(), Some(value.into()));
        for (text, expected) in [
            ("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", Command::Begin),
            ("start transaction", Command::Begin),
            ("/* x */ COMMIT;", Command::Commit),
            ("ROLLBACK", Command::Rollback),
            ("ROLLBACK TO SAVEPOINT a", Command::RollbackTo),
            ("SET DateStyle TO 'ISO'", set("datestyle", "ISO")),
            ("set session statement_timeout = 5000", set("statement_timeout", "5000")),
            ("SET search_path = public, other", set("search_path", "public, other")),
            ("SET TIME ZONE 'UTC'", set("timezone", "UTC")),
            ("SET NAMES 'utf8'", set("client_encoding", "utf8")),
            ("SET TRANSACTION READ WRITE", set("transaction_read_only", "off")),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", set("transaction_read_only", "on")),
            ("SET x TO DEFAULT", Command::Set("x".into(), None)),
            ("SHOW transaction isolation level", Command::Show("transaction isolation level".into())),
            ("show tables", Command::Rows),
            ("RESET ALL", Command::ResetAll),
            ("DEALLOCATE PREPARE \"S_1\"", Command::Deallocate(Some("S_1".into()))),
            ("DECLARE \"c\" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1", Command::Declare("c".into(), 45)),
            ("FETCH FORWARD 2000 FROM \"c\"", Command::Fetch("c".into(), 2000)),
            ("fetch all in c", Command::Fetch("c".into(), 0)),
            ("FETCH c", Command::Fetch("c".into(), 1)),
            ("CLOSE ALL", Command::CloseCursor(None)),
            ("(SELECT 1)", Command::Rows),
            ("SELEC 1", Command::Rows),
        ] {
            assert_eq!(Command::read(text).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(Command::read(" -- nothing").unwrap(), None);
    }

    #[test]
    fn what_writes_is_refused_by_name() {
        for verb in WRITES {
            let refusal = Command::read(&format!("{} x", verb.to_lowercase())).unwrap_err();
            assert_eq!(refusal.code, READ_ONLY);
            assert!(refusal.message.starts_with(&format!("{verb} is not possible: this surface is read-only")));
        }
        assert_eq!(Command::read("FETCH BACKWARD 1 FROM c").unwrap_err().code, NOT_SUPPORTED);
        assert_eq!(Command::read("SET x").unwrap_err().code, SYNTAX);
        assert_eq!(Command::read("BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE").unwrap_err().code, READ_ONLY);
    }
}
