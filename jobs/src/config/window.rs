//! `[[window]]`: windows that the configuration declares, each with the place it stands at.

use std::collections::BTreeMap;
use std::ops::Range;

use pipeline::window::times::Late;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration::parse_millis;
use super::settings::suggestion;
use super::{ConfigError, file};

/// Longest name: it is part of keys, file names and a table's name.
const MAX_NAME_BYTES: usize = 40;
const KEYS: [&str; 9] = ["name", "stream", "length", "hop", "sql", "disorder", "lateness", "late", "early"];
const OUTPUTS: &str = "outputs";

/// A window as declared. Times that it leaves open are the settings `windows.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowConfig {
    /// Its name; its results are the table NAME_windows.
    pub name: String,
    /// Length in milliseconds.
    pub length_ms: i64,
    /// From one window's start to the next one's, in milliseconds.
    pub hop_ms: i64,
    /// The aggregate over accepted bets.
    pub sql: String,
    /// How long after its end it closes, in milliseconds.
    pub disorder_ms: Option<i64>,
    /// How long after its end it is final, in milliseconds.
    pub lateness_ms: Option<i64>,
    /// What becomes of late bets.
    pub late: Late,
    /// How often it publishes what it has while it is open, in milliseconds.
    pub early_ms: Option<i64>,
    /// Whether final windows are written as Parquet.
    pub parquet: bool,
    /// Whether rows go to the stream `windows`.
    pub stream: bool,
    /// Where it stands.
    pub at: Place,
}

/// A place in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: String,
    /// The line of the declaration, from 1.
    pub line: usize,
    /// The line in which the SQL begins, and its column, both from 1.
    pub sql: (usize, usize),
}

/// A table's values by key, each with where it stands.
struct Fields<'a> {
    values: BTreeMap<&'a str, &'a Spanned<DeValue<'a>>>,
    path: &'a str,
    text: &'a str,
    line: usize,
}

/// Reads every `[[window]]` of a file.
pub fn windows(path: &str, text: &str) -> Result<Vec<WindowConfig>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| file::syntax(path, text, &error))?;
    let Some(value) = table.get_ref().get("window") else { return Ok(Vec::new()) };
    let wrong = |span: Range<usize>| {
        let place = format!("{path}:{}", file::line_of(text, span.start));
        ConfigError::Syntax { place, problem: "declare each window under a [[window]] of its own".into() }
    };
    let DeValue::Array(array) = value.get_ref() else { return Err(wrong(value.span())) };
    let mut found: Vec<WindowConfig> = Vec::new();
    for entry in array.iter() {
        let DeValue::Table(table) = entry.get_ref() else { return Err(wrong(entry.span())) };
        let line = file::line_of(text, entry.span().start);
        let values = table.iter().map(|(key, value)| (&**key.get_ref(), value)).collect();
        let window = Fields { values, path, text, line }.window()?;
        if let Some(twin) = found.iter().find(|other| other.name == window.name) {
            let problem =
                format!("window {:?} is declared in line {} as well; choose another name", window.name, twin.at.line);
            return Err(ConfigError::Syntax { place: format!("{path}:{line}"), problem });
        }
        found.push(window);
    }
    Ok(found)
}

impl Fields<'_> {
    fn window(&self) -> Result<WindowConfig, ConfigError> {
        let known = || KEYS.iter().copied().chain([OUTPUTS]);
        if let Some(key) = self.values.keys().find(|key| !known().any(|known| known == **key)) {
            let problem = format!(
                "a window has no {key:?}{}; it has {}",
                suggestion(key, known()),
                known().collect::<Vec<_>>().join(", ")
            );
            return Err(self.wrong(key, problem));
        }
        if self.text("stream")?.is_some_and(|stream| stream != "bets") {
            return Err(self.wrong("stream", "windows are computed over the stream \"bets\"".into()));
        }
        let length_ms = self.required("length", self.millis("length")?)?;
        let name = self.required("name", self.text("name")?)?;
        self.check_name(&name)?;
        let (parquet, stream) = self.outputs()?;
        Ok(WindowConfig {
            length_ms,
            hop_ms: self.millis("hop")?.unwrap_or(length_ms),
            sql: self.required("sql", self.text("sql")?)?,
            disorder_ms: self.millis("disorder")?,
            lateness_ms: self.millis("lateness")?,
            late: self.late()?,
            early_ms: self.millis("early")?,
            parquet,
            stream,
            at: Place { path: self.path.to_owned(), line: self.line, sql: self.sql_place() },
            name,
        })
    }

    fn check_name(&self, name: &str) -> Result<(), ConfigError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.len() > MAX_NAME_BYTES {
            let problem = format!(
                "{name:?} is no name; use at most {MAX_NAME_BYTES} small letters, digits and _, a letter first"
            );
            return Err(self.wrong("name", problem));
        }
        if name == crate::bets::odds::NAME {
            return Err(self.wrong("name", format!("{name:?} is the product's own window; choose another name")));
        }
        Ok(())
    }

    fn late(&self) -> Result<Late, ConfigError> {
        Ok(match self.text("late")?.as_deref() {
            None | Some("update") => Late::Update,
            Some("side") => Late::Side,
            Some("drop") => Late::Drop,
            Some(other) => {
                let problem = format!(
                    "{other:?}: choose update (a new revision), side (the stream late-bets) or drop (counted only)"
                );
                return Err(self.wrong("late", problem));
            }
        })
    }

    /// Whether Parquet files, and whether records, are asked for. The table always is.
    fn outputs(&self) -> Result<(bool, bool), ConfigError> {
        let Some(value) = self.values.get(OUTPUTS) else { return Ok((true, false)) };
        let choose = || self.wrong(OUTPUTS, "choose some of [\"table\", \"parquet\", \"stream\"]".into());
        let DeValue::Array(array) = value.get_ref() else { return Err(choose()) };
        let (mut parquet, mut stream) = (false, false);
        for output in array.iter() {
            match output.get_ref() {
                DeValue::String(name) if name == "table" => {}
                DeValue::String(name) if name == "parquet" => parquet = true,
                DeValue::String(name) if name == "stream" => stream = true,
                _ => return Err(choose()),
            }
        }
        Ok((parquet, stream))
    }

    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.values.get(key).map(|value| value.get_ref()) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(self.wrong(key, format!("{key} is of type {}; write a text", other.type_str()))),
        }
    }

    fn millis(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        let text = self.text(key)?;
        text.map(|text| parse_millis(&text).map_err(|problem| self.wrong(key, format!("{key} is {text:?}: {problem}"))))
            .transpose()
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.wrong(key, format!("a window needs {key:?}")))
    }

    /// Where the text of the SQL begins: after its quotes, and after the line break that TOML takes
    /// off behind three of them.
    fn sql_place(&self) -> (usize, usize) {
        let Some(start) = self.values.get("sql").map(|value| value.span().start) else { return (self.line, 1) };
        let rest = self.text.get(start..).unwrap_or_default();
        let quotes = rest.len() - rest.trim_start_matches(['"', '\'']).len();
        let mut begins = start + quotes.min(3);
        if quotes >= 3
            && let Some(after) = self.text.get(begins..)
        {
            begins += after.len() - after.strip_prefix('\r').unwrap_or(after).strip_prefix('\n').unwrap_or(after).len();
        }
        let before = self.text.get(..begins).unwrap_or_default();
        (file::line_of(self.text, begins), begins - before.rfind('\n').map_or(0, |at| at + 1) + 1)
    }

    fn wrong(&self, key: &str, problem: String) -> ConfigError {
        let line = self.values.get(key).map_or(self.line, |value| file::line_of(self.text, value.span().start));
        ConfigError::Syntax { place: format!("{}:{line}", self.path), problem }
    }
}
