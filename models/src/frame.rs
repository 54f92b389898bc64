//! Frames: JPEG or PNG, decoded under limits.
//!
//! Who sends frames is not trusted: what is too large is refused by its header, before memory is taken for
//! it, and what is damaged is refused rather than shown in part.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use crate::error::{Error, Result};

/// Bounds of what is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file.
    pub bytes: usize,
    /// Pixels of a side.
    pub side: usize,
    /// Pixels of a picture: three bytes each.
    pub pixels: usize,
}

impl Default for Limits {
    /// A mebibyte, up to 4096 pixels a side, and 4K in all: 25 MB once decoded.
    fn default() -> Limits {
        Limits { bytes: 1 << 20, side: 4_096, pixels: 3_840 * 2_160 }
    }
}

/// A picture, three bytes (red, green, blue) a pixel, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height · width · 3` bytes.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// Decodes a JPEG or PNG file; which of them its first bytes say.
    ///
    /// # Errors
    /// `Frame` for what is neither, is beyond the limits, damaged, cut short, animated, or in a colour space
    /// that is not grey or RGB.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame> {
        if bytes.len() > limits.bytes {
            return Err(Error::frame(format!("{} bytes; a frame has at most {}", bytes.len(), limits.bytes)));
        }
        let options = DecoderOptions::new_safe()
            .set_max_width(limits.side)
            .set_max_height(limits.side)
            .set_strict_mode(true)
            .jpeg_set_max_scans(16)
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .png_set_strip_to_8bit(true)
            .png_set_confirm_crc(true);
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => guarded("JPEG", || jpeg(bytes, options, limits)),
            [0x89, b'P', b'N', b'G', ..] => guarded("PNG", || png(bytes, options, limits)),
            [] => Err(Error::frame("no bytes; a frame is a JPEG or PNG file")),
            other => {
                let beginning = &other[..other.len().min(8)];
                Err(Error::frame(format!("begins with {beginning:02x?}; a frame is a JPEG or PNG file")))
            }
        }
    }
}

/// Runs a decoder. Whoever sends frames is not to bring the process down by one that a decoder stumbles over.
fn guarded(kind: &str, decode: impl FnOnce() -> Result<Frame>) -> Result<Frame> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Error::frame(format!("{kind}: the decoder cannot go on"))))
}

fn jpeg(bytes: &[u8], options: DecoderOptions, limits: &Limits) -> Result<Frame> {
    let bad = |cause| Error::frame(format!("JPEG: {cause}"));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(bad)?;
    let info = decoder.info().ok_or_else(|| Error::frame("JPEG: no picture in it"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    sized("JPEG", width, height, limits)?;
    match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::RGB | ColorSpace::Luma) => {}
        other => {
            let other = other.map_or("unknown".to_owned(), |space| format!("{space:?}"));
            return Err(Error::frame(format!("JPEG: its colours are {other}; a frame is grey, YCbCr or RGB")));
        }
    }
    if !bytes.ends_with(&[0xFF, 0xD9]) && !bytes.windows(2).rev().take(64).any(|pair| pair == [0xFF, 0xD9]) {
        return Err(Error::frame("JPEG: cut short, without an end"));
    }
    let rgb = decoder.decode().map_err(bad)?;
    whole("JPEG", Frame { width, height, rgb })
}

fn png(bytes: &[u8], options: DecoderOptions, limits: &Limits) -> Result<Frame> {
    let bad = |cause| {
        // zune-png shows its errors as Rust does, over several lines.
        let text = format!("{cause:?}");
        Error::frame(format!("PNG: {}", text.trim_matches(|c: char| c == '"' || c.is_whitespace())))
    };
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(bad)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::frame("PNG: no picture in it"))?;
    sized("PNG", width, height, limits)?;
    if decoder.is_animated() {
        return Err(Error::frame("PNG: animated; a frame is one picture"));
    }
    let raw = decoder.decode_raw().map_err(bad)?;
    let colours = decoder.colorspace().map_or(0, |space| space.num_components());
    let rgb = match colours {
        1 | 2 => raw.chunks_exact(colours).flat_map(|pixel| [pixel[0]; 3]).collect(),
        3 => raw,
        4 => raw.as_chunks::<4>().0.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect(),
        other => return Err(Error::frame(format!("PNG: {other} numbers a pixel; a frame is grey or RGB"))),
    };
    whole("PNG", Frame { width, height, rgb })
}

fn sized(kind: &str, width: usize, height: usize, limits: &Limits) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Error::frame(format!("{kind}: {width} × {height} pixels, which is no picture")));
    }
    if width > limits.side || height > limits.side || width.saturating_mul(height) > limits.pixels {
        let Limits { side, pixels, .. } = limits;
        return Err(Error::frame(format!(
            "{kind}: {width} × {height} pixels; a frame has at most {side} a side and {pixels} in all"
        )));
    }
    Ok(())
}

fn whole(kind: &str, frame: Frame) -> Result<Frame> {
    if frame.rgb.len() == frame.width * frame.height * 3 {
        return Ok(frame);
    }
    let Frame { width, height, rgb } = &frame;
    Err(Error::frame(format!("{kind}: {} bytes for {width} × {height} pixels", rgb.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_is_refused_with_the_reason() {
        let limits = Limits::default();
        for (bytes, expected) in [
            (&b""[..], "no bytes"),
            (b"GIF89a..", "begins with [47, 49, 46"),
            (b"\xFF\xD8\xFF\xE0", "JPEG"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
        ] {
            let error = Frame::decode(bytes, &limits).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let small = Limits { bytes: 3, ..limits };
        assert_eq!(Frame::decode(b"abcd", &small).unwrap_err().to_string(), "4 bytes; a frame has at most 3");
    }
}
