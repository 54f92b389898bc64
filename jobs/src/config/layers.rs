//! The layers of texts, and which one wins for each setting.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::settings::{ENV_PREFIX, OTHER_VARIABLES, SETTINGS, Setting, suggestion};
use super::window::{self, WindowConfig};
use super::{ConfigError, FILE_NAME, file};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody says otherwise.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Env(name) => write!(f, "env {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A setting's winning text.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The setting.
    pub setting: &'static Setting,
    /// The text that wins.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the layers are made of. Gathered by the caller, so that tests need no process-wide state.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file that `--config` names; where it names none, [`FILE_NAME`] if it is there.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Flags: the flag as shown, the setting's key, the value.
    pub flags: Vec<(String, String, String)>,
}

impl Layers {
    /// The winning text of every setting, in the order of [`SETTINGS`].
    pub fn resolve(&self) -> Result<Vec<Resolved>, ConfigError> {
        let mut winners: BTreeMap<&'static str, (String, Origin)> = BTreeMap::new();
        for (key, text, origin) in self.file_values()? {
            winners.insert(key, (text, origin));
        }
        for (name, text) in &self.env {
            if let Some(key) = key_of_variable(name)? {
                winners.insert(key, (text.clone(), Origin::Env(name.clone())));
            }
        }
        for (flag, key, text) in &self.flags {
            let setting = Setting::find(key).ok_or_else(|| unknown(&Origin::Flag(flag.clone()), key))?;
            winners.insert(setting.key, (text.clone(), Origin::Flag(flag.clone())));
        }
        let resolved = SETTINGS.iter().map(|setting| {
            let (text, origin) =
                winners.remove(setting.key).unwrap_or_else(|| (setting.default.to_owned(), Origin::Default));
            Resolved { setting, text, origin }
        });
        Ok(resolved.collect())
    }

    /// The windows that the file declares.
    pub fn windows(&self) -> Result<Vec<WindowConfig>, ConfigError> {
        self.file()?.map_or(Ok(Vec::new()), |(path, text)| window::windows(&path, &text))
    }

    /// The file's name and text, if there is one.
    fn file(&self) -> Result<Option<(String, String)>, ConfigError> {
        let path = match &self.file {
            Some(path) => path.clone(),
            None if std::path::Path::new(FILE_NAME).exists() => FILE_NAME.into(),
            None => return Ok(None),
        };
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((shown, text))),
            Err(cause) => Err(ConfigError::Unreadable { path: shown, cause }),
        }
    }

    fn file_values(&self) -> Result<Vec<(&'static str, String, Origin)>, ConfigError> {
        let Some((path_text, text)) = self.file()? else { return Ok(Vec::new()) };
        let entries = file::entries(&path_text, &text)?;
        let entry = |entry: file::Entry| {
            let origin = Origin::File { path: path_text.clone(), line: entry.line };
            let setting = Setting::find(&entry.key).ok_or_else(|| unknown(&origin, &entry.key))?;
            Ok((setting.key, entry.text, origin))
        };
        entries.into_iter().map(entry).collect()
    }
}

/// The setting that a variable sets; nothing for variables that are not meant for us.
fn key_of_variable(name: &str) -> Result<Option<&'static str>, ConfigError> {
    let Some(rest) = name.strip_prefix(ENV_PREFIX) else { return Ok(None) };
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) {
        return Ok(Some(setting.key));
    }
    // Kubernetes sets these for a service that is called oddsmill.
    let of_service =
        rest.contains("SERVICE_HOST") || rest.contains("SERVICE_PORT") || rest == "PORT" || rest.starts_with("PORT_");
    if of_service || OTHER_VARIABLES.contains(&name) {
        return Ok(None);
    }
    let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let suggestion = suggestion(name, variables.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied()));
    Err(ConfigError::UnknownKey { place: "environment".into(), key: name.to_owned(), suggestion })
}

fn unknown(origin: &Origin, key: &str) -> ConfigError {
    let suggestion = suggestion(key, SETTINGS.iter().map(|setting| setting.key));
    ConfigError::UnknownKey { place: origin.to_string(), key: key.to_owned(), suggestion }
}
