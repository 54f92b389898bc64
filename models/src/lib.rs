//! The vision models: a classifier and a detector, their weights, and what goes before and after them.
//!
//! ```text
//! bytes ─► frame (decoded under limits) ─► letterbox or crop ─► network ─► classes
//!                                                                     └──► boxes ─► NMS ─► detections
//! ```
//!
//! A [`model::Model`] is loaded from a file and infers; tensors never leave this crate. The networks
//! ([`classifier`], [`detector`]) are made of shared [`blocks`] and written once over what a device can do
//! ([`ops`]): [`graph`] runs them as burn's plain graph on any of its devices, [`cpu`] in kernels of our
//! own that are several times as fast on a CPU, with the former as their reference.

mod blocks;
mod boxes;
mod classifier;
mod cpu;
mod detector;
mod draw;
mod error;
pub mod fit;
pub mod frame;
mod graph;
pub mod model;
pub mod nms;
mod ops;
pub mod rounds;
pub mod shipped;
mod weights;

pub use error::{Error, Result};
pub use frame::{Frame, Limits};
pub use model::{Class, Classes, Detection, Device, Info, Kind, Model, Output, load, load_bytes};
