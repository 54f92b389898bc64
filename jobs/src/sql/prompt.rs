//! The interactive prompt: statements ended by `;`, a few commands, a history.
//!
//! It runs queries through a function that its caller gives, so it works on an open directory as
//! well as over the socket of a running process. An error, or Ctrl-C while a query runs, comes
//! back to the prompt; Ctrl-D or `\q` ends it.

mod editor;
mod statements;

use std::fmt::Display;
use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor};

use editor::SqlHelper;

use super::session::SHOW_TABLES;

/// Statements kept in the history file.
const HISTORY: usize = 1000;

const HELP: &str = "\
A statement may take several lines and ends with a semicolon.
  \\d           lists the tables
  \\d TABLE     lists a table's columns
  \\q           ends, as Ctrl-D does
  help         shows this
Ctrl-C clears the line, or ends the query that runs. Tab completes names.";

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Help,
    Quit,
    /// SQL, one statement each.
    Run(Vec<String>),
    /// A command that there is not.
    Unknown(String),
}

/// Reads statements from the terminal and runs each with `run`, until the reader ends it.
///
/// # Errors
/// A terminal that cannot be read. Errors of queries are printed, and do not end the prompt.
pub async fn prompt<E: Display>(run: impl AsyncFn(&str) -> Result<(), E>) -> std::io::Result<()> {
    let config = Config::builder().max_history_size(HISTORY).map_err(io_error)?.auto_add_history(true).build();
    let mut editor: Editor<SqlHelper, DefaultHistory> = Editor::with_config(config).map_err(io_error)?;
    editor.set_helper(Some(SqlHelper));
    let history = history_file();
    if let Some(file) = &history {
        // No history yet, or one that cannot be read: the prompt works without.
        let _ = editor.load_history(file);
    }
    println!("oddsmill sql: help for help, \\q to quit");
    loop {
        let (back, line) = read(editor).await?;
        editor = back;
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(io_error(error)),
        };
        match command(&line) {
            Command::Quit => break,
            Command::Help => println!("{HELP}"),
            Command::Unknown(name) => eprintln!("error: there is no command {name}; help lists them"),
            Command::Run(statements) => run_all(&run, &statements).await,
        }
    }
    save(&mut editor, history);
    Ok(())
}

/// Reads a line on a thread that may block.
async fn read(
    mut editor: Editor<SqlHelper, DefaultHistory>,
) -> std::io::Result<(Editor<SqlHelper, DefaultHistory>, Result<String, ReadlineError>)> {
    let line = tokio::task::spawn_blocking(move || {
        let line = editor.readline("sql> ");
        (editor, line)
    });
    line.await.map_err(std::io::Error::other)
}

async fn run_all<E: Display>(run: &impl AsyncFn(&str) -> Result<(), E>, statements: &[String]) {
    for statement in statements {
        tokio::select! {
            outcome = run(statement) => if let Err(error) = outcome {
                return eprintln!("error: {error}");
            },
            _ = tokio::signal::ctrl_c() => return eprintln!("cancelled"),
        }
    }
}

fn command(line: &str) -> Command {
    let line = line.trim();
    let mut words = line.trim_end_matches(';').split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    match first.to_lowercase().as_str() {
        "help" | "\\?" | "\\h" => Command::Help,
        "quit" | "exit" | "\\q" => Command::Quit,
        "\\d" | "\\dt" => Command::Run(vec![second.map_or_else(|| SHOW_TABLES.to_owned(), columns)]),
        name if name.starts_with('\\') => Command::Unknown(first.to_owned()),
        _ => Command::Run(statements::split(line).0.into_iter().map(str::to_owned).collect()),
    }
}

fn columns(table: &str) -> String {
    format!("DESCRIBE \"{}\"", table.trim_matches('"').to_lowercase().replace('"', "\"\""))
}

/// `oddsmill/sql_history` in the user's state folder, if there is one.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state =
        set("XDG_STATE_HOME").filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("oddsmill").join("sql_history"))
}

/// Saves the history; a prompt whose history cannot be saved has done its work all the same.
fn save(editor: &mut Editor<SqlHelper, DefaultHistory>, file: Option<PathBuf>) {
    let Some(file) = file else { return };
    let saved = file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::Io);
    if let Err(error) = saved.and_then(|()| editor.save_history(&file)) {
        tracing::warn!(file = %file.display(), %error, "the history of the SQL prompt is not saved");
    }
}

fn io_error(error: ReadlineError) -> std::io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => std::io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_statements() {
        let run = |statements: &[&str]| Command::Run(statements.iter().map(|s| (*s).to_owned()).collect());
        for (line, expected) in [
            ("help", Command::Help),
            (" HELP; ", Command::Help),
            ("\\q", Command::Quit),
            ("exit;", Command::Quit),
            ("\\x", Command::Unknown("\\x".into())),
            ("\\d Bets", run(&["DESCRIBE \"bets\""])),
            ("select 1; select ';' ;", run(&["select 1", "select ';'"])),
            ("", run(&[])),
        ] {
            assert_eq!(command(line), expected, "{line}");
        }
        assert!(matches!(command("\\d"), Command::Run(queries) if queries[0].contains("information_schema.tables")));
    }
}
