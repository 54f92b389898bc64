//! The classifier: backbone, 1280 channels, their means, a linear layer.

use crate::blocks::{Backbone, Loader};
use crate::error::Result;
use crate::ops::Ops;

/// Channels before the mean.
const WIDE: usize = 1280;

pub(crate) struct Classifier<O: Ops> {
    backbone: Backbone<O>,
    wide: O::Conv,
    linear: O::Conv,
}

impl<O: Ops> Classifier<O> {
    /// The name of the last layer.
    pub const LINEAR: &str = "model.9.linear";

    pub fn load(loader: &Loader<'_, O>, classes: usize) -> Result<Self, String> {
        Ok(Classifier {
            backbone: Backbone::load(loader)?,
            wide: loader.cbs("model.9.conv", [256, WIDE, 1, 1])?,
            linear: loader.plain(Self::LINEAR, WIDE, classes, true)?,
        })
    }

    /// The logits of each image's classes.
    pub fn run(&self, ops: &O, images: &O::Map) -> Result<Vec<Vec<f32>>> {
        let [_, _, p5] = self.backbone.run(ops, images);
        let mean = ops.mean(&ops.convolve(&p5, &self.wide));
        ops.read(&ops.convolve(&mean, &self.linear))
    }
}
