//! Bringing a frame to a network's size: letterboxed for the detector, cropped for the classifier.
//!
//! Both give `[size, size, 3]` numbers from 0 to 1. Scaling is bilinear with the kernel widened where the
//! picture shrinks, as Pillow's.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};
use crate::frame::Frame;

/// What is around a letterboxed picture.
const PAD: u8 = 114;

/// Where a frame lies in a letterbox.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Pixels of the network a pixel of the frame.
    pub scale: f32,
    /// The frame's left edge.
    pub left: f32,
    /// Its top edge.
    pub top: f32,
}

/// The whole frame, as large as fits, in the middle of a square.
pub fn letterbox(frame: &Frame, size: usize) -> Result<(Vec<f32>, Placed)> {
    let scale = (size as f32 / frame.width as f32).min(size as f32 / frame.height as f32);
    let scaled = |side: usize| ((side as f32 * scale).round() as usize).clamp(1, size);
    let (width, height) = (scaled(frame.width), scaled(frame.height));
    let small = resize(frame, width, height, ResizeOptions::new())?;
    let (left, top) = ((size - width) / 2, (size - height) / 2);
    let mut square = vec![f32::from(PAD) / 255.0; size * size * 3];
    for (y, row) in small.chunks_exact(width * 3).enumerate() {
        let at = ((top + y) * size + left) * 3;
        square[at..at + width * 3].iter_mut().zip(row).for_each(|(out, value)| *out = f32::from(*value) / 255.0);
    }
    Ok((square, Placed { scale, left: left as f32, top: top as f32 }))
}

/// The middle square of the frame.
pub fn crop(frame: &Frame, size: usize) -> Result<Vec<f32>> {
    let side = frame.width.min(frame.height);
    let (left, top) = ((frame.width - side) / 2, (frame.height - side) / 2);
    let options = ResizeOptions::new().crop(left as f64, top as f64, side as f64, side as f64);
    let small = resize(frame, size, size, options)?;
    Ok(small.iter().map(|value| f32::from(*value) / 255.0).collect())
}

fn resize(frame: &Frame, width: usize, height: usize, options: ResizeOptions) -> Result<Vec<u8>> {
    let bad = |cause: &dyn std::fmt::Display| Error::frame(format!("scaling to {width} × {height}: {cause}"));
    let side = |side: usize| u32::try_from(side).map_err(|cause| bad(&cause));
    let from = TypedImageRef::<U8x3>::from_buffer(side(frame.width)?, side(frame.height)?, &frame.rgb);
    let from = from.map_err(|cause| bad(&cause))?;
    let mut small = vec![0; width * height * 3];
    let to = TypedImage::<U8x3>::from_buffer(side(width)?, side(height)?, &mut small);
    let mut to = to.map_err(|cause| bad(&cause))?;
    let options = options.resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    // Typed: the other call compiles the same for thirteen kinds of pixels.
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|cause| bad(&cause))?;
    drop(to);
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, height: usize) -> Frame {
        let pixels = (0..width * height).map(|at| (at % width, at / width));
        let rgb = pixels.flat_map(|(x, y)| [(x * 255 / width) as u8, (y * 255 / height) as u8, 0]);
        Frame { width, height, rgb: rgb.collect() }
    }

    #[test]
    fn a_letterbox_has_the_whole_frame_in_its_middle() {
        for (width, height, placed) in [
            (640, 360, Placed { scale: 0.5, left: 0.0, top: 70.0 }),
            (320, 320, Placed { scale: 1.0, left: 0.0, top: 0.0 }),
            (100, 160, Placed { scale: 2.0, left: 60.0, top: 0.0 }),
        ] {
            let (square, found) = letterbox(&frame(width, height), 320).unwrap();
            assert_eq!((square.len(), found), (320 * 320 * 3, placed), "{width} × {height}");
            let padded = square.chunks_exact(3).filter(|pixel| pixel[2] > 0.4).count() as f32;
            let inside = width as f32 * height as f32 * placed.scale * placed.scale;
            assert_eq!(padded, 320.0 * 320.0 - inside);
        }
        // One pixel high at the least.
        assert!(letterbox(&frame(4_000, 1), 320).is_ok() && letterbox(&frame(1, 1), 320).is_ok());
    }

    #[test]
    fn a_crop_is_the_middle_square() {
        let middle = crop(&frame(640, 360), 128).unwrap();
        let (first, last) = (middle[0], middle[127 * 3]);
        assert!((first - 140.0 / 640.0).abs() < 0.01 && (last - 500.0 / 640.0).abs() < 0.01, "{first} {last}");
        assert!(crop(&frame(1, 9), 128).is_ok());
    }
}
