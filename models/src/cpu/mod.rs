//! The networks on one core, in kernels of our own: a fused direct convolution ([`conv`]), and what else there
//! is as plain loops.
//!
//! A map is one image at a time, `[height, width, channels]`: a place's channels lie side by side, so that
//! a row of a kernel's window is one run of memory, and no windows are copied out. Batches go image by image;
//! whoever has more cores runs more workers.

pub(crate) mod conv;
mod tile;

use std::rc::Rc;

use self::conv::Conv;
use crate::error::Result;
use crate::ops::Ops;
use crate::weights::Folded;

/// One core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu;

/// Feature maps of one image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Map {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub values: Vec<f32>,
}

impl Map {
    fn filled(height: usize, width: usize, channels: usize, value: f32) -> Map {
        Map { height, width, channels, values: vec![value; height * width * channels] }
    }

    fn row(&self, y: usize) -> &[f32] {
        let length = self.width * self.channels;
        &self.values[y * length..][..length]
    }
}

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
        let map = |image: &Vec<f32>| Map { height: size, width: size, channels: 3, values: image.clone() };
        Ok(Rc::new(images.iter().map(map).collect()))
    }

    fn convolve(&self, maps: &Batch, conv: &Conv) -> Batch {
        each(maps, |map| conv.run(map))
    }

    fn channels(&self, maps: &Batch, from: usize, count: usize) -> Batch {
        each(maps, |map| {
            let values = map.values.chunks_exact(map.channels).flat_map(|place| &place[from..from + count]);
            Map { channels: count, values: values.copied().collect(), ..*map }
        })
    }

    fn concat(&self, maps: &[&Batch]) -> Batch {
        let images = 0..maps.first().map_or(0, |maps| maps.len());
        Rc::new(images.map(|image| concat(&maps.iter().map(|maps| &maps[image]).collect::<Vec<_>>())).collect())
    }

    fn add(&self, one: &Batch, other: &Batch) -> Batch {
        let sum = |(one, other): (&Map, &Map)| {
            let values = one.values.iter().zip(&other.values).map(|(one, other)| one + other);
            Map { values: values.collect(), ..*one }
        };
        Rc::new(one.iter().zip(&**other).map(sum).collect())
    }

    fn max_pool(&self, maps: &Batch) -> Batch {
        each(maps, max_pool)
    }

    fn upsample(&self, maps: &Batch) -> Batch {
        each(maps, upsample)
    }

    fn mean(&self, maps: &Batch) -> Batch {
        each(maps, |map| {
            let mut mean = Map::filled(1, 1, map.channels, 0.0);
            for place in map.values.chunks_exact(map.channels) {
                mean.values.iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
            }
            mean.values.iter_mut().for_each(|sum| *sum /= (map.height * map.width) as f32);
            mean
        })
    }

    fn read(&self, maps: &Batch) -> Result<Vec<Vec<f32>>> {
        Ok(maps.iter().map(|map| map.values.clone()).collect())
    }
}

fn concat(maps: &[&Map]) -> Map {
    let Some(first) = maps.first() else { return Map::filled(0, 0, 0, 0.0) };
    let channels = maps.iter().map(|map| map.channels).sum();
    let mut out = Map::filled(first.height, first.width, channels, 0.0);
    let mut from = 0;
    for map in maps {
        let places = out.values.chunks_exact_mut(channels).zip(map.values.chunks_exact(map.channels));
        places.for_each(|(out, place)| out[from..from + map.channels].copy_from_slice(place));
        from += map.channels;
    }
    out
}

fn upsample(map: &Map) -> Map {
    let mut values = Vec::with_capacity(4 * map.values.len());
    for y in 0..map.height {
        let from = values.len();
        for place in map.row(y).chunks_exact(map.channels) {
            values.extend_from_slice(place);
            values.extend_from_slice(place);
        }
        values.extend_from_within(from..);
    }
    Map { height: 2 * map.height, width: 2 * map.width, channels: map.channels, values }
}

/// Rows first, then columns: the maximum of a square is that of its rows' maxima.
fn max_pool(map: &Map) -> Map {
    let Map { height, width, channels, .. } = *map;
    let mut rows = Map::filled(height, width, channels, f32::NEG_INFINITY);
    for (y, out) in rows.values.chunks_exact_mut(width * channels).enumerate() {
        for from in y.saturating_sub(2)..(y + 3).min(height) {
            out.iter_mut().zip(map.row(from)).for_each(|(most, value)| *most = most.max(*value));
        }
    }
    let mut out = Map::filled(height, width, channels, f32::NEG_INFINITY);
    for y in 0..height {
        let row = rows.row(y);
        let places = out.values[y * width * channels..][..width * channels].chunks_exact_mut(channels);
        for (x, out) in places.enumerate() {
            for from in x.saturating_sub(2)..(x + 3).min(width) {
                let place = &row[from * channels..][..channels];
                out.iter_mut().zip(place).for_each(|(most, value)| *most = most.max(*value));
            }
        }
    }
    out
}
