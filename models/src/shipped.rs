//! The weights that ship: trained by the recipe in `training`, described by the cards in `weights`.

use crate::error::Result;
use crate::model::{Device, Kind, Model, load_bytes};

/// The name and the bytes of a model's file.
pub const fn weights(kind: Kind) -> (&'static str, &'static [u8]) {
    match kind {
        Kind::Classifier => ("classifier.safetensors", include_bytes!("../weights/classifier.safetensors")),
        Kind::Detector => ("detector.safetensors", include_bytes!("../weights/detector.safetensors")),
    }
}

/// Loads one of them.
///
/// # Errors
/// `Device` for a device that was not built in.
pub fn model(kind: Kind, device: Device) -> Result<Model> {
    let (name, bytes) = weights(kind);
    load_bytes(name, bytes, device)
}
