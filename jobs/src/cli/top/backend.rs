//! The terminal, as ratatui writes to it: its cells through crossterm's commands.
//!
//! ratatui's own backend does this too, and brings a dozen crates of macros with it; what the view
//! uses of it is this much.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, Color as Ansi, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{self, Clear};
use crossterm::{execute, queue};
use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

/// A terminal behind a writer.
#[derive(Debug)]
pub struct Crossterm<W: Write> {
    out: W,
}

impl<W: Write> Crossterm<W> {
    /// Writes to `out`, which should be buffered: a frame is many small writes.
    pub fn new(out: W) -> Crossterm<W> {
        Crossterm { out }
    }
}

impl<W: Write> Backend for Crossterm<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, cells: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut style = (Color::Reset, Modifier::empty());
        let mut next = None;
        queue!(self.out, SetAttribute(Attribute::Reset), ResetColor)?;
        for (x, y, cell) in cells {
            if next != Some((x, y)) {
                queue!(self.out, MoveTo(x, y))?;
            }
            // A wide character takes two cells; the second one is not written, so the cursor is
            // placed anew after it.
            next = Some((x.saturating_add(1), y));
            if style != (cell.fg, cell.modifier) {
                style = (cell.fg, cell.modifier);
                restyle(&mut self.out, cell.fg, cell.modifier)?;
            }
            queue!(self.out, Print(cell.symbol()))?;
        }
        queue!(self.out, SetAttribute(Attribute::Reset), ResetColor)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        execute!(self.out, Hide)
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        execute!(self.out, Show)
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        crossterm::cursor::position().map(|(x, y)| Position { x, y })
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        execute!(self.out, MoveTo(x, y))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        let region = match region {
            ClearType::All => terminal::ClearType::All,
            ClearType::AfterCursor => terminal::ClearType::FromCursorDown,
            ClearType::BeforeCursor => terminal::ClearType::FromCursorUp,
            ClearType::CurrentLine => terminal::ClearType::CurrentLine,
            ClearType::UntilNewLine => terminal::ClearType::UntilNewLine,
        };
        execute!(self.out, Clear(region))
    }

    fn size(&self) -> io::Result<Size> {
        terminal::size().map(|(width, height)| Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        // Nothing here is drawn in pixels.
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size { width: 0, height: 0 } })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Sets what the view's styles use: a colour of the text, bold and faint.
fn restyle(out: &mut impl Write, colour: Color, modifier: Modifier) -> io::Result<()> {
    queue!(out, SetAttribute(Attribute::Reset))?;
    for (part, attribute) in [(Modifier::BOLD, Attribute::Bold), (Modifier::DIM, Attribute::Dim)] {
        if modifier.contains(part) {
            queue!(out, SetAttribute(attribute))?;
        }
    }
    match ansi(colour) {
        Some(colour) => queue!(out, SetForegroundColor(colour)),
        None => Ok(()),
    }
}

/// The terminal's own colours, which its owner has made readable; the view uses no others.
fn ansi(colour: Color) -> Option<Ansi> {
    match colour {
        Color::Red => Some(Ansi::DarkRed),
        Color::Green => Some(Ansi::DarkGreen),
        Color::Yellow => Some(Ansi::DarkYellow),
        Color::Cyan => Some(Ansi::DarkCyan),
        Color::DarkGray => Some(Ansi::DarkGrey),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;
    use ratatui_core::terminal::{Frame, Terminal, TerminalOptions, Viewport};

    use super::*;

    #[test]
    fn cells_become_commands() {
        let mut bytes = Vec::new();
        let area = Rect::new(0, 0, 8, 1);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(Crossterm::new(&mut bytes), options).unwrap();
        let draw = |frame: &mut Frame<'_>| {
            frame.buffer_mut().set_string(0, 0, "1.85", Style::new().fg(Color::Green).add_modifier(Modifier::BOLD));
            frame.buffer_mut().set_string(5, 0, "up", Style::new());
        };
        terminal.draw(draw).unwrap();
        drop(terminal);
        let text = String::from_utf8(bytes).unwrap().replace('\u{1b}', "^");
        assert!(text.contains("^[1;1H^[0m^[1m^[38;5;2m1.85"), "{text}");
        assert!(text.contains("^[1;6H^[0mup"), "{text}");
    }
}
