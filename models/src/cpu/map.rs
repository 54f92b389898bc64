//! Feature maps of one image, without copies: what splits or joins channels only says where they lie.
//!
//! A buffer is `[1 + height + 1, 1 + width + 1, channels]` with zeros around, so that a window of 3 × 3 needs no
//! edges and a place's channels are one run of memory. Buffers are used again once nobody looks at them: to fetch
//! fresh memory for each takes as long as half of the arithmetic.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// Places of zeros on each side.
pub(super) const BORDER: usize = 1;
/// Buffers that wait to be used again, at most; one image at a time has some 40 in use.
const MOST_WAITING: usize = 256;

/// Memory for feature maps. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Vec<f32>>>>);

impl Pool {
    fn take(&self, length: usize) -> Vec<f32> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().rposition(|values| values.len() == length);
        let found = found.map(|at| waiting.swap_remove(at));
        drop(waiting);
        found.unwrap_or_else(|| vec![0.0; length])
    }

    fn give_back(&self, values: Vec<f32>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_WAITING {
            waiting.push(values);
        }
    }
}

/// Numbers of all channels at all places, and the border.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub values: Vec<f32>,
    pool: Pool,
}

impl Buffer {
    /// With zeros around, and anything inside.
    pub fn new(pool: &Pool, [height, width, channels]: [usize; 3]) -> Buffer {
        let row = (width + 2 * BORDER) * channels;
        let mut values = pool.take((height + 2 * BORDER) * row);
        let edge = BORDER * channels;
        values[..BORDER * row + edge].fill(0.0);
        for y in 1..height {
            // The end of a row and the beginning of the next.
            let end = (BORDER + y) * row;
            values[end - edge..end + edge].fill(0.0);
        }
        let last = (BORDER + height) * row - edge;
        values[last..].fill(0.0);
        Buffer { height, width, channels, values, pool: pool.clone() }
    }

    /// Of numbers without a border.
    pub fn of(pool: &Pool, [height, width, channels]: [usize; 3], values: &[f32]) -> Buffer {
        let mut buffer = Buffer::new(pool, [height, width, channels]);
        for (y, from) in values.chunks_exact(width * channels).take(height).enumerate() {
            buffer.row_mut(y).copy_from_slice(from);
        }
        buffer
    }

    /// Where a place's channels begin.
    pub fn at(&self, y: usize, x: usize) -> usize {
        ((BORDER + y) * (self.width + 2 * BORDER) + BORDER + x) * self.channels
    }

    /// A row without its border.
    pub fn row(&self, y: usize) -> &[f32] {
        &self.values[self.at(y, 0)..][..self.width * self.channels]
    }

    /// A row without its border.
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let (from, length) = (self.at(y, 0), self.width * self.channels);
        &mut self.values[from..][..length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.values));
    }
}

/// Some channels of a buffer.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub buffer: Rc<Buffer>,
    pub from: usize,
    pub channels: usize,
}

/// Feature maps of one image: channels of one or more buffers of the same size, side by side.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub height: usize,
    pub width: usize,
    pub(super) parts: Vec<Part>,
}

impl From<Buffer> for Map {
    fn from(buffer: Buffer) -> Map {
        let Buffer { height, width, channels, .. } = buffer;
        Map { height, width, parts: vec![Part { buffer: Rc::new(buffer), from: 0, channels }] }
    }
}

impl Map {
    pub fn channels(&self) -> usize {
        self.parts.iter().map(|part| part.channels).sum()
    }

    /// Some of its channels.
    pub fn narrowed(&self, from: usize, count: usize) -> Map {
        let (mut skip, mut left) = (from, count);
        let mut parts = Vec::new();
        for part in &self.parts {
            let skipped = skip.min(part.channels);
            let channels = left.min(part.channels - skipped);
            (skip, left) = (skip - skipped, left - channels);
            if channels > 0 {
                parts.push(Part { buffer: part.buffer.clone(), from: part.from + skipped, channels });
            }
        }
        Map { height: self.height, width: self.width, parts }
    }

    /// All of their channels, side by side.
    pub fn joined(maps: &[&Map]) -> Map {
        let [height, width] = maps.first().map_or([0, 0], |map| [map.height, map.width]);
        Map { height, width, parts: maps.iter().flat_map(|map| map.parts.iter().cloned()).collect() }
    }

    /// Its channels in a buffer of their own.
    pub fn copied(&self, pool: &Pool) -> Buffer {
        let channels = self.channels();
        let mut out = Buffer::new(pool, [self.height, self.width, channels]);
        let mut to = 0;
        for part in &self.parts {
            let to_end = to + part.channels;
            part.each_place(&mut out, |out, place| out[to..to_end].copy_from_slice(place));
            to = to_end;
        }
        out
    }

    /// Its channels as a whole buffer: copied where they are not one.
    pub fn whole(&self, pool: &Pool) -> Rc<Buffer> {
        match &*self.parts {
            [Part { buffer, from: 0, channels }] if *channels == buffer.channels => buffer.clone(),
            _ => Rc::new(self.copied(pool)),
        }
    }

    /// The sum of two of the same shape.
    pub fn added(&self, other: &Map, pool: &Pool) -> Buffer {
        let mut out = other.copied(pool);
        let mut to = 0;
        for part in &self.parts {
            let to_end = to + part.channels;
            part.each_place(&mut out, |out, place| {
                out[to..to_end].iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
            });
            to = to_end;
        }
        out
    }

    /// `[height, width, channels]` without a border.
    pub fn read(&self, pool: &Pool) -> Vec<f32> {
        let whole = self.whole(pool);
        let mut values = Vec::with_capacity(self.height * self.width * whole.channels);
        (0..self.height).for_each(|y| values.extend_from_slice(whole.row(y)));
        values
    }
}

impl Part {
    /// Hands each place's channels over, and the same place of `out`.
    fn each_place(&self, out: &mut Buffer, mut of: impl FnMut(&mut [f32], &[f32])) {
        let channels = out.channels;
        for y in 0..self.buffer.height {
            let places = self.buffer.row(y).chunks_exact(self.buffer.channels);
            let places = places.map(|place| &place[self.from..][..self.channels]);
            out.row_mut(y).chunks_exact_mut(channels).zip(places).for_each(|(out, place)| of(out, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_split_and_joined_where_they_lie() {
        let pool = Pool::default();
        let numbers = |from: usize| (from..from + 12).map(|n| n as f32).collect::<Vec<f32>>();
        let [low, high] = [0, 100].map(|from| Map::from(Buffer::of(&pool, [2, 2, 3], &numbers(from))));
        let joined = Map::joined(&[&low, &high]);
        assert_eq!(joined.channels(), 6);
        assert_eq!(joined.read(&pool)[..6], [0.0, 1.0, 2.0, 100.0, 101.0, 102.0]);
        let middle = joined.narrowed(2, 2);
        assert_eq!(middle.read(&pool), [2.0, 100.0, 5.0, 103.0, 8.0, 106.0, 11.0, 109.0]);
        let sum = Map::from(middle.added(&low.narrowed(0, 2), &pool));
        assert_eq!(sum.read(&pool), [2.0, 101.0, 8.0, 107.0, 14.0, 113.0, 20.0, 119.0]);
    }

    #[test]
    fn a_buffer_used_again_has_zeros_around() {
        let pool = Pool::default();
        let mut dirty = Buffer::new(&pool, [3, 2, 4]);
        dirty.values.fill(7.0);
        drop(dirty);
        let again = Buffer::of(&pool, [3, 2, 4], &[1.0; 24]);
        assert!(pool.0.lock().unwrap().is_empty(), "the same memory");
        assert_eq!(again.values.iter().sum::<f32>(), 24.0);
        assert!(again.values[..again.at(0, 0)].iter().all(|value| *value == 0.0));
    }
}
