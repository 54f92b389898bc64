//! Detections drawn on their frame, for people to look at.

use font8x8::{BASIC_FONTS, UnicodeFonts};

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::model::Detection;

/// Colours of classes, in turn: light enough for black letters.
const COLOURS: [[u8; 3]; 6] =
    [[255, 213, 79], [79, 195, 247], [255, 138, 128], [174, 213, 129], [206, 147, 216], [255, 183, 77]];
/// Pixels of a letter's side.
const LETTER: usize = 8;
/// Of the written JPEG, out of 100.
const QUALITY: u8 = 90;

impl Frame {
    /// Draws each box, with its class and confidence above it.
    pub fn draw(&mut self, found: &[Detection], classes: &[String]) {
        // The least confident first, so that the others are above it.
        for one in found.iter().rev() {
            let colour = COLOURS[one.class % COLOURS.len()];
            let [left, top, right, bottom] =
                [one.left, one.top, one.right, one.bottom].map(|side| side.round() as usize);
            for thick in 0..2 {
                for x in left..=right {
                    self.dot(x, top + thick, colour);
                    self.dot(x, bottom.saturating_sub(thick), colour);
                }
                for y in top..=bottom {
                    self.dot(left + thick, y, colour);
                    self.dot(right.saturating_sub(thick), y, colour);
                }
            }
            let name = classes.get(one.class).map_or("?", String::as_str);
            let text = format!("{name} {:.0}%", one.confidence * 100.0);
            self.label(&text, left, top.saturating_sub(LETTER + 2), colour);
        }
    }

    /// Writes text on a ground of its own.
    fn label(&mut self, text: &str, left: usize, top: usize, colour: [u8; 3]) {
        for (place, letter) in text.chars().enumerate() {
            let glyph = BASIC_FONTS.get(letter).unwrap_or_default();
            for y in 0..LETTER + 2 {
                let bits = y.checked_sub(1).and_then(|y| glyph.get(y)).copied().unwrap_or_default();
                for x in 0..LETTER {
                    let ink = bits >> x & 1 == 1;
                    self.dot(left + place * LETTER + x, top + y, if ink { [0; 3] } else { colour });
                }
            }
        }
    }

    fn dot(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = (y * self.width + x) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// The frame as a JPEG file's bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let Frame { width, height, rgb } = self;
        let side = |side: usize| {
            u16::try_from(side).map_err(|_| Error::frame(format!("{side} pixels; JPEG has at most 65535 a side")))
        };
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, QUALITY)
            .encode(rgb, side(*width)?, side(*height)?, jpeg_encoder::ColorType::Rgb)
            .map_err(|cause| Error::frame(format!("JPEG: {cause}")))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Limits;

    #[test]
    fn what_is_drawn_stays_within_the_frame() {
        let mut frame = Frame { width: 40, height: 30, rgb: vec![0; 40 * 30 * 3] };
        let one = Detection { class: 7, confidence: 0.934, left: 5.0, top: 12.0, right: 90.0, bottom: 90.0 };
        frame.draw(&[one, Detection { left: 0.0, top: 0.0, ..one }], &["archer".into()]);
        let at = |x: usize, y: usize| frame.rgb[(y * 40 + x) * 3..][..3].to_vec();
        assert_eq!((at(5, 20), at(20, 20)), (COLOURS[1].to_vec(), vec![0; 3]));
        let read = Frame::decode(&frame.encode().unwrap(), &Limits::default()).unwrap();
        assert_eq!((read.width, read.height), (40, 30));
    }
}
