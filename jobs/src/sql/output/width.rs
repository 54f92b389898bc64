//! How wide the terminal is that standard output goes to.

use std::io::{self, IsTerminal};

/// What terminals have that do not say.
const USUAL: usize = 80;

/// The width of the terminal that standard output is, in columns; nothing where it is none.
pub fn terminal_width() -> Option<usize> {
    io::stdout().is_terminal().then(|| {
        let told = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        known(told, std::env::var("COLUMNS").ok().as_deref())
    })
}

/// What the terminal tells, then what the shell says, then the usual.
fn known(told: Option<usize>, columns: Option<&str>) -> usize {
    let said = || columns.and_then(|columns| columns.trim().parse().ok());
    told.filter(|width| *width > 0).or_else(said).filter(|width| *width > 0).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_knows_best() {
        for (told, columns, width) in [
            (Some(120), Some("100"), 120),
            (Some(0), Some("100"), 100),
            (None, Some(" 90 "), 90),
            (None, Some("wide"), 80),
            (None, Some("0"), 80),
            (None, None, 80),
        ] {
            assert_eq!(known(told, columns), width, "{told:?} {columns:?}");
        }
    }
}
