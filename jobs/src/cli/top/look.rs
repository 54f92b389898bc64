//! How the view looks on this terminal: colours and characters it may use, and what they mean.

use ratatui_core::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub colour: bool,
    /// Whether characters beyond ASCII come out right.
    pub unicode: bool,
}

impl Look {
    /// From the process' variables: `NO_COLOR` (not empty) turns colours off; the first of
    /// `LC_ALL`, `LC_CTYPE` and `LANG` that is set must name UTF-8.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Look {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_uppercase();
        let plain = set("TERM").is_some_and(|term| term == "dumb");
        Look {
            colour: set("NO_COLOR").is_none() && !plain,
            unicode: locale.contains("UTF-8") || locale.contains("UTF8"),
        }
    }

    /// The name, figures, what is chosen.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is beside the point.
    pub fn faint(self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    /// Odds that rise.
    pub fn up(self) -> Style {
        self.coloured(Color::Green)
    }

    /// Odds that fall.
    pub fn down(self) -> Style {
        self.coloured(Color::Red)
    }

    /// What wants somebody's attention.
    pub fn alert(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// The charts, and the panel with the keys.
    pub fn accent(self) -> Style {
        self.coloured(Color::Cyan)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// One of two texts: the finer one where it comes out right.
    pub fn glyph(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_decide() {
        let look = |set: &[(&str, &str)]| {
            let look = Look::of(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()));
            (look.colour, look.unicode)
        };
        assert_eq!(look(&[("LANG", "en_GB.UTF-8")]), (true, true));
        assert_eq!(look(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]), (true, false));
        assert_eq!(look(&[("LANG", "C"), ("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]), (true, true));
        assert_eq!(look(&[("NO_COLOR", "1"), ("LANG", "C.UTF-8")]), (false, true));
        assert_eq!(look(&[("NO_COLOR", "")]), (true, false));
        assert_eq!(look(&[("TERM", "dumb")]), (false, false));
    }
}
