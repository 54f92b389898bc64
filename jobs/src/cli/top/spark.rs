//! Small charts out of text: a column a value, eight levels a row.
//!
//! The newest value stands at the right edge. A gap is a blank, so that the lowest value is not:
//! it is drawn at the first level.

use super::look::Look;

/// Levels of one row, lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same where the terminal knows ASCII alone: growing ink.
const INK: [char; 8] = ['_', '.', '-', '~', '=', '+', '*', '#'];
/// A series is drawn over at least this part of its middle, as a divisor: 2 %. Else a move of a
/// thousandth would look like a fall from the top.
const LEAST_SPAN: u64 = 50;

/// A chart of `width` columns and `height` rows, the top row first.
pub fn chart(values: &[Option<u64>], width: usize, height: usize, look: Look) -> Vec<String> {
    let values = &values[values.len().saturating_sub(width)..];
    let levels = scaled(values, height * BLOCKS.len());
    let glyphs = if look.unicode { BLOCKS } else { INK };
    let row = |row: usize| {
        // Levels below this row are full; those of it choose a glyph; none are a blank.
        let below = (height - 1 - row) * BLOCKS.len();
        let cell = |level: &Option<usize>| match level.map(|level| level.saturating_sub(below)) {
            None | Some(0) => ' ',
            Some(level) => glyphs[level.min(BLOCKS.len()) - 1],
        };
        let padding = std::iter::repeat_n(' ', width - values.len());
        padding.chain(levels.iter().map(cell)).collect()
    };
    (0..height).map(row).collect()
}

/// Each value's level, from 1 to `levels`.
fn scaled(values: &[Option<u64>], levels: usize) -> Vec<Option<usize>> {
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let middle = low + (high - low) / 2;
    let half = ((high - low) / 2).max(middle / LEAST_SPAN / 2).max(1);
    let bottom = middle.saturating_sub(half);
    let (top, half) = (levels.saturating_sub(1) as u128, u128::from(half));
    let level = |value: u64| {
        let nearest = (u128::from(value.saturating_sub(bottom)) * top + half) / (2 * half);
        1 + usize::try_from(nearest.min(top)).unwrap_or(0)
    };
    values.iter().map(|value| value.map(level)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNICODE: Look = Look { colour: false, unicode: true };
    const ASCII: Look = Look { colour: false, unicode: false };

    fn check(values: &[Option<u64>], width: usize, unicode: &str, ascii: &str) {
        assert_eq!(chart(values, width, 1, UNICODE), [unicode]);
        assert_eq!(chart(values, width, 1, ASCII), [ascii]);
    }

    #[test]
    fn values_become_levels() {
        let ramp: Vec<_> = (0..8).map(|n| Some(1_000_000 + n * 1_000_000)).collect();
        check(&ramp, 8, "▁▂▃▄▅▆▇█", "_.-~=+*#");
        check(&ramp, 4, "▁▃▆█", "_-+#");
        check(&[Some(2_000_000); 3], 5, "  ▅▅▅", "  ===");
        check(&[Some(1), None, Some(9)], 3, "▁ █", "_ #");
        check(&[Some(2_000_000)], 3, "  ▅", "  =");
        check(&[None, None], 3, "   ", "   ");
        check(&[], 2, "  ", "  ");
        check(&[Some(u64::MAX), Some(0)], 2, "█▁", "#_");
    }

    #[test]
    fn a_small_move_looks_small() {
        check(&[Some(2_000_000), Some(2_002_000)], 2, "▄▅", "~=");
        check(&[Some(2_000_000), Some(2_020_000)], 2, "▃▆", "-+");
    }

    #[test]
    fn a_tall_chart_stacks_rows() {
        let ramp: Vec<_> = (0..4).map(|n| Some(1_000_000 + n * 1_000_000)).collect();
        assert_eq!(chart(&ramp, 4, 2, UNICODE), ["  ▃█", "▁▆██"]);
        assert_eq!(chart(&[None, Some(5)], 2, 2, UNICODE), [" ▁", " █"]);
    }
}
