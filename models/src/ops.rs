//! What the networks ask of a device.

use crate::error::Result;
use crate::weights::Folded;

/// A device that computes feature maps. A map is a batch of `[height, width, channels]`; how it is laid out is
/// the device's business.
pub(crate) trait Ops {
    /// Feature maps of a batch.
    type Map: Clone;
    /// A convolution as the device wants it.
    type Conv;

    /// Takes a convolution's weights up.
    fn conv(&self, folded: Folded) -> Self::Conv;
    /// A batch of images: `[height, width, 3]` each, from 0 to 1.
    fn images(&self, images: &[Vec<f32>], size: usize) -> Result<Self::Map>;
    /// Convolves, with SiLU where it belongs to it.
    fn convolve(&self, map: &Self::Map, conv: &Self::Conv) -> Self::Map;
    /// Some of the channels.
    fn channels(&self, map: &Self::Map, from: usize, count: usize) -> Self::Map;
    /// Puts channels side by side.
    fn concat(&self, maps: &[&Self::Map]) -> Self::Map;
    /// Adds up.
    fn add(&self, one: &Self::Map, other: &Self::Map) -> Self::Map;
    /// The maximum of 5 × 5 around each place.
    fn max_pool(&self, map: &Self::Map) -> Self::Map;
    /// Each place four times.
    fn upsample(&self, map: &Self::Map) -> Self::Map;
    /// The mean of all places.
    fn mean(&self, map: &Self::Map) -> Self::Map;
    /// Reads each of the batch back, as `[height, width, channels]`.
    fn read(&self, map: &Self::Map) -> Result<Vec<Vec<f32>>>;
}
