//! The networks on one core, in kernels of our own: a fused direct convolution ([`conv`]), and what else there
//! is as plain loops.
//!
//! A map is one image at a time ([`map`]): a place's channels lie side by side, so that a row of a kernel's window
//! is one run of memory, and no windows are copied out. Batches go image by image; whoever has more cores runs
//! more workers.

pub(crate) mod conv;
mod map;
mod tile;

use std::rc::Rc;

use self::conv::Conv;
use self::map::{Buffer, Map, Pool};
use crate::error::Result;
use crate::ops::Ops;
use crate::weights::Folded;

/// One core, and the memory that it works in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu(Pool);

/// Maps of a batch.
type Batch = Rc<Vec<Map>>;

fn each(maps: &Batch, of: impl Fn(&Map) -> Map) -> Batch {
    Rc::new(maps.iter().map(of).collect())
}

impl Ops for Cpu {
    type Map = Batch;
    type Conv = Conv;

    fn conv(&self, folded: Folded) -> Conv {
        Conv::new(&folded, pulp::Arch::new())
    }

    fn images(&self, images: &[Vec<f32>], size: usize) -> Result<Batch> {
        let map = |image: &Vec<f32>| Buffer::of(&self.0, [size, size, 3], image).into();
        Ok(Rc::new(images.iter().map(map).collect()))
    }

    fn convolve(&self, maps: &Batch, conv: &Conv) -> Batch {
        each(maps, |map| conv.run(map, &self.0).into())
    }

    fn channels(&self, maps: &Batch, from: usize, count: usize) -> Batch {
        each(maps, |map| map.narrowed(from, count))
    }

    fn concat(&self, maps: &[&Batch]) -> Batch {
        let images = 0..maps.first().map_or(0, |maps| maps.len());
        let of = |image| Map::joined(&maps.iter().map(|maps| &maps[image]).collect::<Vec<_>>());
        Rc::new(images.map(of).collect())
    }

    fn add(&self, one: &Batch, other: &Batch) -> Batch {
        Rc::new(one.iter().zip(&**other).map(|(one, other)| one.added(other, &self.0).into()).collect())
    }

    fn max_pool(&self, maps: &Batch) -> Batch {
        each(maps, |map| max_pool(&map.whole(&self.0), &self.0).into())
    }

    fn upsample(&self, maps: &Batch) -> Batch {
        each(maps, |map| upsample(&map.whole(&self.0), &self.0).into())
    }

    fn mean(&self, maps: &Batch) -> Batch {
        each(maps, |map| mean(&map.whole(&self.0), &self.0).into())
    }

    fn read(&self, maps: &Batch) -> Result<Vec<Vec<f32>>> {
        Ok(maps.iter().map(|map| map.read(&self.0)).collect())
    }
}

fn mean(map: &Buffer, pool: &Pool) -> Buffer {
    let mut mean = vec![0.0; map.channels];
    for y in 0..map.height {
        for place in map.row(y).chunks_exact(map.channels) {
            mean.iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= (map.height * map.width) as f32);
    Buffer::of(pool, [1, 1, map.channels], &mean)
}

fn upsample(map: &Buffer, pool: &Pool) -> Buffer {
    let mut out = Buffer::new(pool, [2 * map.height, 2 * map.width, map.channels]);
    for y in 0..out.height {
        let places = map.row(y / 2).chunks_exact(map.channels);
        for (out, place) in out.row_mut(y).chunks_exact_mut(2 * map.channels).zip(places) {
            out[..map.channels].copy_from_slice(place);
            out[map.channels..].copy_from_slice(place);
        }
    }
    out
}

/// Rows first, then columns: the maximum of a square is that of its rows' maxima.
fn max_pool(map: &Buffer, pool: &Pool) -> Buffer {
    let Buffer { height, width, channels, .. } = *map;
    let mut out = Buffer::new(pool, [height, width, channels]);
    let mut most = vec![f32::NEG_INFINITY; width * channels];
    for y in 0..height {
        most.fill(f32::NEG_INFINITY);
        for from in y.saturating_sub(2)..(y + 3).min(height) {
            larger(&mut most, map.row(from));
        }
        for (x, out) in out.row_mut(y).chunks_exact_mut(channels).enumerate() {
            out.fill(f32::NEG_INFINITY);
            for from in x.saturating_sub(2)..(x + 3).min(width) {
                larger(out, &most[from * channels..][..channels]);
            }
        }
    }
    out
}

fn larger(most: &mut [f32], values: &[f32]) {
    most.iter_mut().zip(values).for_each(|(most, value)| *most = most.max(*value));
}
