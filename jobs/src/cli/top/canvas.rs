//! A piece of the screen: lines of text at places within it, cut at its edges.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use ratatui_core::text::Span;

use super::look::Look;
use super::text::fit;

/// A rectangle to write into.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    /// What the terminal can show.
    pub look: Look,
}

impl<'a> Canvas<'a> {
    /// The part of a buffer that lies in an area.
    pub fn new(buffer: &'a mut Buffer, area: Rect, look: Look) -> Canvas<'a> {
        let area = area.intersection(buffer.area);
        Canvas { buffer, area, look }
    }

    /// A part of this one, given relative to it.
    pub fn part(&mut self, x: usize, y: usize, width: usize, height: usize) -> Canvas<'_> {
        let (x, y) = (cells(x), cells(y));
        let area = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width: cells(width).min(self.area.width.saturating_sub(x)),
            height: cells(height).min(self.area.height.saturating_sub(y)),
        };
        Canvas { buffer: &mut *self.buffer, area, look: self.look }
    }

    /// Its width in columns.
    pub fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Its height in rows.
    pub fn height(&self) -> usize {
        usize::from(self.area.height)
    }

    /// Writes a text from a column on, cut to a width; gives the column after it.
    pub fn put(&mut self, row: usize, column: usize, width: usize, text: &str, style: Style) -> usize {
        let width = width.min(self.width().saturating_sub(column));
        if row >= self.height() || width == 0 {
            return column;
        }
        let text = fit(text, width, self.look);
        let (x, y) = (self.area.x.saturating_add(cells(column)), self.area.y.saturating_add(cells(row)));
        self.buffer.set_stringn(x, y, &text, width, style);
        column + Span::raw(&text).width()
    }

    /// Writes a text so that it ends before a column; gives the column it begins at.
    pub fn put_left_of(&mut self, row: usize, end: usize, text: &str, style: Style) -> usize {
        let begin = end.saturating_sub(Span::raw(text).width());
        self.put(row, begin, end - begin, text, style);
        begin
    }

    /// Writes a line with a title in it, and a remark at its end if there is room.
    pub fn rule(&mut self, title: &str, remark: &str, chosen: bool) {
        let look = self.look;
        let line = look.glyph("─", "-").repeat(self.width());
        self.put(0, 0, self.width(), &line, look.faint());
        let style = if chosen { look.accent().patch(look.strong()) } else { look.strong() };
        let end = self.put(0, 1, self.width(), &format!(" {title} "), style);
        let room = self.width().saturating_sub(end + 2);
        if !remark.is_empty() && Span::raw(remark).width() + 2 <= room {
            self.put_left_of(0, self.width() - 1, &format!(" {remark} "), look.faint());
        }
    }

    /// Writes a remark where there is nothing to show.
    pub fn nothing(&mut self, text: &str) {
        let style = self.look.faint();
        self.put(1, 1, self.width(), text, style);
    }
}

/// Terminals have fewer than 65,536 columns.
fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
