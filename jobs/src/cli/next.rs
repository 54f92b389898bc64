//! What to try next, after a demo or a replay.

use std::io::Write;
use std::path::Path;

use crate::config::settings::Setting;

/// Writes commands that can be run as they stand: with the data directory, where they would not
/// find it by themselves.
pub fn try_next(out: &mut impl Write, data_dir: &Path, commands: &[String]) -> std::io::Result<()> {
    let found = Setting::find("data_dir").is_some_and(|setting| Path::new(setting.default) == data_dir);
    let dir = if found { String::new() } else { format!(" --data-dir {}", quoted(&data_dir.display().to_string())) };
    writeln!(out, "\ntry next:")?;
    commands.iter().try_for_each(|command| writeln!(out, "  oddsmill {command}{dir}"))
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_find_their_directory() {
        for (dir, expected) in [
            ("./oddsmill-data", "\ntry next:\n  oddsmill top\n"),
            ("/tmp/a", "\ntry next:\n  oddsmill top --data-dir /tmp/a\n"),
            ("it's here", "\ntry next:\n  oddsmill top --data-dir 'it'\\''s here'\n"),
        ] {
            let mut out = Vec::new();
            try_next(&mut out, Path::new(dir), &["top".to_owned()]).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
