//! The detector: backbone, SPPF, a neck that carries features up and down again, a head at three scales.

use crate::blocks::{Backbone, C2f, Loader, Sppf};
use crate::error::Result;
use crate::ops::Ops;

/// Bins of each of the four distances.
pub(crate) const BINS: usize = 16;
/// Channels of a head's boxes.
pub(crate) const BOX: usize = 4 * BINS;
/// Pixels of a place, at each scale.
pub(crate) const STRIDES: [usize; 3] = [8, 16, 32];

/// Two CBS and a plain convolution.
type Branch<O> = [<O as Ops>::Conv; 3];

pub(crate) struct Detector<O: Ops> {
    backbone: Backbone<O>,
    sppf: Sppf<O>,
    up: [C2f<O>; 2],
    down: [(O::Conv, C2f<O>); 2],
    /// Boxes and classes, at each scale.
    heads: [[Branch<O>; 2]; 3],
}

/// The raw head of an image at one scale: `[height, width, BOX]` and `[height, width, classes]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    pub boxes: Vec<f32>,
    pub classes: Vec<f32>,
}

impl<O: Ops> Detector<O> {
    /// The layer that knows how many classes there are.
    pub const CLASSES: &str = "model.22.cv3.0.2";

    pub fn load(loader: &Loader<'_, O>, classes: usize) -> Result<Self, String> {
        let c2f = |at: usize, inputs, outputs| C2f::load(loader, &format!("model.{at}"), [inputs, outputs, 1], false);
        let halving = |at: usize, channels| loader.cbs(&format!("model.{at}"), [channels, channels, 3, 2]);
        let branch = |kind: &str, scale: usize, [inputs, hidden, outputs]: [usize; 3]| {
            let name = format!("model.22.{kind}.{scale}");
            Ok::<_, String>([
                loader.cbs(&format!("{name}.0"), [inputs, hidden, 3, 1])?,
                loader.cbs(&format!("{name}.1"), [hidden, hidden, 3, 1])?,
                loader.plain(&format!("{name}.2"), hidden, outputs, false)?,
            ])
        };
        let hidden = classes.clamp(64, 100);
        let head = |scale: usize, inputs: usize| {
            Ok::<_, String>([
                branch("cv2", scale, [inputs, BOX, BOX])?,
                branch("cv3", scale, [inputs, hidden, classes])?,
            ])
        };
        Ok(Detector {
            backbone: Backbone::load(loader)?,
            sppf: Sppf::load(loader, "model.9", 256)?,
            up: [c2f(12, 384, 128)?, c2f(15, 192, 64)?],
            down: [(halving(16, 64)?, c2f(18, 192, 128)?), (halving(19, 128)?, c2f(21, 384, 256)?)],
            heads: [head(0, 64)?, head(1, 128)?, head(2, 256)?],
        })
    }

    /// The raw heads of each image, by scale.
    pub fn run(&self, ops: &O, images: &O::Map) -> Result<Vec<[Raw; 3]>> {
        let [p3, p4, p5] = self.backbone.run(ops, images);
        let p5 = self.sppf.run(ops, &p5);
        let up =
            |small: &O::Map, large: &O::Map, c2f: &C2f<O>| c2f.run(ops, &ops.concat(&[&ops.upsample(small), large]));
        let middle = up(&p5, &p4, &self.up[0]);
        let p3 = up(&middle, &p3, &self.up[1]);
        let down = |large: &O::Map, small: &O::Map, (halving, c2f): &(O::Conv, C2f<O>)| {
            c2f.run(ops, &ops.concat(&[&ops.convolve(large, halving), small]))
        };
        let p4 = down(&p3, &middle, &self.down[0]);
        let p5 = down(&p4, &p5, &self.down[1]);
        let branch = |map: &O::Map, [one, two, three]: &Branch<O>| {
            ops.read(&ops.convolve(&ops.convolve(&ops.convolve(map, one), two), three))
        };
        let mut scales = Vec::with_capacity(3);
        for (map, [boxes, classes]) in [&p3, &p4, &p5].into_iter().zip(&self.heads) {
            let read = branch(map, boxes)?.into_iter().zip(branch(map, classes)?);
            scales.push(read.map(|(boxes, classes)| Raw { boxes, classes }));
        }
        let mut scales = scales.into_iter();
        let (Some(p3), Some(p4), Some(p5)) = (scales.next(), scales.next(), scales.next()) else {
            return Ok(Vec::new());
        };
        Ok(p3.zip(p4).zip(p5).map(|((p3, p4), p5)| [p3, p4, p5]).collect())
    }
}
