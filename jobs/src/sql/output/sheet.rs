//! Texts laid out for people: under a header, or where that is too wide for the terminal, row by
//! row with a line a column.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Out;

/// A column cut below this says too little to be shown beside others.
const MIN_WIDTH: usize = 12;
/// Between columns.
const GAP: usize = 2;

/// Lays rows out as the first of them need it.
pub struct Sheet {
    names: Vec<String>,
    /// Columns of numbers.
    right: Vec<bool>,
    out: Out,
    /// The terminal's, if it is one.
    width: Option<usize>,
    shape: Option<Shape>,
    rows: u64,
}

/// How rows are laid out, once that is known.
enum Shape {
    /// Columns of these widths.
    Columns(Vec<usize>),
    /// Each row by itself, names this wide.
    Records(usize),
}

impl Sheet {
    /// Columns by name, numbers to the right; as wide as their cells, or cut to `width`.
    pub fn new(columns: impl Iterator<Item = (String, bool)>, out: Out, width: Option<usize>) -> Sheet {
        let (names, right) = columns.unzip();
        Sheet { names, right, out, width, shape: None, rows: 0 }
    }

    /// Writes rows, the header before the first.
    pub fn write(&mut self, rows: &mut Vec<Vec<String>>) -> io::Result<()> {
        let shape = match self.shape.take() {
            Some(shape) => shape,
            None => self.begin(rows)?,
        };
        for row in rows.drain(..) {
            self.rows += 1;
            match &shape {
                Shape::Columns(widths) => self.line(&row, widths, self.width.is_some())?,
                Shape::Records(wide) => self.record(&row, *wide)?,
            }
        }
        self.shape = Some(shape);
        Ok(())
    }

    /// Writes a last line.
    pub fn finish(mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn begin(&mut self, rows: &[Vec<String>]) -> io::Result<Shape> {
        let mut widths = widths_of(&self.names, rows);
        if self.width.is_some_and(|width| !fit(&mut widths, width)) {
            return Ok(Shape::Records(self.names.iter().map(|name| length(name)).max().unwrap_or(0)));
        }
        let (names, rule) = (self.names.clone(), widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
        self.line(&names, &widths, self.width.is_some())?;
        self.line(&rule, &widths, false)?;
        Ok(Shape::Columns(widths))
    }

    fn line(&mut self, cells: &[String], widths: &[usize], cut: bool) -> io::Result<()> {
        let height = cells.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1);
        for line in 0..height {
            let mut text = String::new();
            for (place, cell) in cells.iter().enumerate() {
                let (width, right) = (widths.get(place).copied().unwrap_or(0), self.right.get(place) == Some(&true));
                let part = cell.lines().nth(line).unwrap_or_default();
                let part = if cut { shortened(part, width) } else { part.into() };
                let space = " ".repeat(width.saturating_sub(length(&part)));
                if place > 0 {
                    text.push_str(&" ".repeat(GAP));
                }
                let (before, after) = if right { (space.as_str(), "") } else { ("", space.as_str()) };
                text.push_str(before);
                text.push_str(&part);
                text.push_str(after);
            }
            writeln!(self.out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    fn record(&mut self, cells: &[String], wide: usize) -> io::Result<()> {
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(wide + GAP).max(MIN_WIDTH));
        writeln!(self.out, "-- row {} --", self.rows)?;
        for (name, cell) in self.names.iter().zip(cells) {
            let space = " ".repeat(wide.saturating_sub(length(name)) + GAP);
            let line = format!("{name}{space}{}", shortened(&cell.replace('\n', " "), room));
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn widths_of(names: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = names.iter().map(|name| length(name)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.lines().map(length).fold(*width, usize::max);
        }
    }
    widths
}

/// Cuts the widest columns until a row has at most `most` characters; says whether that was to be
/// had.
fn fit(widths: &mut [usize], most: usize) -> bool {
    let gaps = widths.len().saturating_sub(1) * GAP;
    let over = |widths: &[usize]| (widths.iter().sum::<usize>() + gaps).saturating_sub(most);
    while over(widths) > 0 {
        let Some(widest) = widths.iter().copied().max().filter(|widest| *widest > MIN_WIDTH) else { return false };
        let second = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(0).max(MIN_WIDTH);
        let same = widths.iter().filter(|width| **width == widest).count();
        // Each of the widest gives what is over, but none falls below the next one.
        let each = over(widths).div_ceil(same).min(widest - second).max(1);
        widths.iter_mut().filter(|width| **width == widest).for_each(|width| *width -= each);
    }
    true
}

fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    if length(text) <= width {
        return text.into();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short.into()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way() {
        for (widths, most, expected) in [
            (vec![3, 4], 80, Some(vec![3, 4])),
            (vec![50, 20, 10], 60, Some(vec![26, 20, 10])),
            (vec![50, 50, 10], 60, Some(vec![23, 23, 10])),
            (vec![40, 40, 40], 40, Some(vec![12, 12, 12])),
            (vec![40, 40, 40], 39, None),
        ] {
            let mut fitted = widths.clone();
            let fits = fit(&mut fitted, most);
            assert_eq!(fits.then_some(fitted), expected, "{widths:?} in {most}");
        }
    }
}
