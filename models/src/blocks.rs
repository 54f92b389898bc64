//! Blocks that both networks are made of: CBS, C2f and SPPF, and the backbone of the first nine layers.
//!
//! Names are those of the layers in a PyTorch state dict, `model.N` by their order. CBS is a convolution
//! without bias, BatchNorm and SiLU; C2f splits what it gets, runs bottlenecks one after the other on the
//! last part, and joins all of it; SPPF joins three chained max-pools.

use crate::ops::Ops;
use crate::weights::{Folded, Weights};

/// Makes convolutions from weights, for a device.
pub(crate) struct Loader<'a, O: Ops> {
    pub weights: &'a Weights,
    pub ops: &'a O,
}

impl<O: Ops> Loader<'_, O> {
    /// A CBS of `inputs → outputs` with a kernel of `side`.
    pub fn cbs(&self, name: &str, [inputs, outputs, side, stride]: [usize; 4]) -> Result<O::Conv, String> {
        Ok(self.make(self.weights.folded(name, [outputs, inputs, side, side], stride)?))
    }

    /// A convolution of 1 × 1 with bias and nothing else; a linear layer as well.
    pub fn plain(&self, name: &str, inputs: usize, outputs: usize, linear: bool) -> Result<O::Conv, String> {
        Ok(self.make(self.weights.plain(name, inputs, outputs, linear)?))
    }

    fn make(&self, folded: Folded) -> O::Conv {
        self.ops.conv(folded)
    }
}

/// A C2f.
pub(crate) struct C2f<O: Ops> {
    first: O::Conv,
    bottlenecks: Vec<[O::Conv; 2]>,
    last: O::Conv,
    /// Channels of a part.
    part: usize,
    shortcut: bool,
}

impl<O: Ops> C2f<O> {
    /// Of `inputs → outputs` with `count` bottlenecks.
    pub fn load(
        loader: &Loader<'_, O>,
        name: &str,
        [inputs, outputs, count]: [usize; 3],
        shortcut: bool,
    ) -> Result<Self, String> {
        let part = outputs / 2;
        let bottleneck = |at: usize| {
            let conv = |number: u32| loader.cbs(&format!("{name}.m.{at}.cv{number}"), [part, part, 3, 1]);
            Ok::<_, String>([conv(1)?, conv(2)?])
        };
        Ok(C2f {
            first: loader.cbs(&format!("{name}.cv1"), [inputs, 2 * part, 1, 1])?,
            bottlenecks: (0..count).map(bottleneck).collect::<Result<_, _>>()?,
            last: loader.cbs(&format!("{name}.cv2"), [(2 + count) * part, outputs, 1, 1])?,
            part,
            shortcut,
        })
    }

    pub fn run(&self, ops: &O, map: &O::Map) -> O::Map {
        let both = ops.convolve(map, &self.first);
        let mut parts = vec![ops.channels(&both, 0, self.part), ops.channels(&both, self.part, self.part)];
        for [one, other] in &self.bottlenecks {
            let before = &parts[parts.len() - 1];
            let after = ops.convolve(&ops.convolve(before, one), other);
            parts.push(if self.shortcut { ops.add(before, &after) } else { after });
        }
        ops.convolve(&ops.concat(&parts.iter().collect::<Vec<_>>()), &self.last)
    }
}

/// An SPPF.
pub(crate) struct Sppf<O: Ops> {
    first: O::Conv,
    last: O::Conv,
}

impl<O: Ops> Sppf<O> {
    /// Of so many channels, to as many.
    pub fn load(loader: &Loader<'_, O>, name: &str, channels: usize) -> Result<Self, String> {
        let half = channels / 2;
        Ok(Sppf {
            first: loader.cbs(&format!("{name}.cv1"), [channels, half, 1, 1])?,
            last: loader.cbs(&format!("{name}.cv2"), [4 * half, channels, 1, 1])?,
        })
    }

    pub fn run(&self, ops: &O, map: &O::Map) -> O::Map {
        let once = ops.convolve(map, &self.first);
        let twice = ops.max_pool(&once);
        let thrice = ops.max_pool(&twice);
        ops.convolve(&ops.concat(&[&once, &twice, &thrice, &ops.max_pool(&thrice)]), &self.last)
    }
}

/// The layers 0 to 8.
pub(crate) struct Backbone<O: Ops> {
    /// A halving CBS, and the C2f after it; the first CBS has none.
    stem: O::Conv,
    stages: [(O::Conv, C2f<O>); 4],
}

impl<O: Ops> Backbone<O> {
    pub fn load(loader: &Loader<'_, O>) -> Result<Self, String> {
        let stage = |at: usize, inputs: usize, count: usize| {
            let outputs = 2 * inputs;
            let halving = loader.cbs(&format!("model.{at}"), [inputs, outputs, 3, 2])?;
            let c2f = C2f::load(loader, &format!("model.{}", at + 1), [outputs, outputs, count], true)?;
            Ok::<_, String>((halving, c2f))
        };
        Ok(Backbone {
            stem: loader.cbs("model.0", [3, 16, 3, 2])?,
            stages: [stage(1, 16, 1)?, stage(3, 32, 2)?, stage(5, 64, 2)?, stage(7, 128, 1)?],
        })
    }

    /// The maps of the last three stages: at an eighth, a sixteenth and a thirty-second of the size.
    pub fn run(&self, ops: &O, images: &O::Map) -> [O::Map; 3] {
        let stage = |map: &O::Map, (halving, c2f): &(O::Conv, C2f<O>)| c2f.run(ops, &ops.convolve(map, halving));
        let [quarter, p3, p4, p5] = &self.stages;
        let map = stage(&ops.convolve(images, &self.stem), quarter);
        let p3 = stage(&map, p3);
        let p4 = stage(&p3, p4);
        let p5 = stage(&p4, p5);
        [p3, p4, p5]
    }
}
