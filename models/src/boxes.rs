//! From the detector's raw heads to boxes.
//!
//! Each place tells, for its four sides, a distribution over 16 distances (Li et al. 2020, "Generalized Focal
//! Loss"): the box's side is as far from the place's centre as the distribution's mean, in strides.

use crate::detector::{BINS, BOX, Raw, STRIDES};
use crate::fit::Placed;
use crate::model::Detection;

/// Boxes of an image with at least this confidence, the best class of each place; in the network's pixels.
pub(crate) fn decode(raw: &[Raw; 3], classes: usize, size: usize, confidence: f32) -> Vec<Detection> {
    // A sigmoid's inverse, so that most places cost one comparison a class.
    let least = (confidence / (1.0 - confidence)).ln();
    let mut found = Vec::new();
    for (scale, stride) in raw.iter().zip(STRIDES) {
        let places = scale.boxes.chunks_exact(BOX).zip(scale.classes.chunks_exact(classes));
        for (at, (sides, logits)) in places.enumerate() {
            let best = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            let Some((class, logit)) = best.filter(|(_, logit)| **logit >= least) else { continue };
            let (x, y) = (at % (size / stride), at / (size / stride));
            let distance = |side: usize| mean(&sides[side * BINS..][..BINS]);
            let [left, top, right, bottom] = std::array::from_fn(distance);
            let pixel = |place: usize, distance: f32| (place as f32 + 0.5 + distance) * stride as f32;
            found.push(Detection {
                class,
                confidence: 1.0 / (1.0 + (-logit).exp()),
                left: pixel(x, -left),
                top: pixel(y, -top),
                right: pixel(x, right),
                bottom: pixel(y, bottom),
            });
        }
    }
    found
}

/// The same boxes in pixels of the frame, and within it; what lies beside it is left out.
pub(crate) fn place(found: Vec<Detection>, placed: Placed, [width, height]: [usize; 2]) -> Vec<Detection> {
    let pixel = |at: f32, edge: f32, limit: usize| ((at - edge) / placed.scale).clamp(0.0, limit as f32);
    let within = |one: Detection| Detection {
        left: pixel(one.left, placed.left, width),
        top: pixel(one.top, placed.top, height),
        right: pixel(one.right, placed.left, width),
        bottom: pixel(one.bottom, placed.top, height),
        ..one
    };
    found.into_iter().map(within).filter(|one| one.area() > 0.0).collect()
}

/// The mean of the bins, weighed by their softmax.
fn mean(bins: &[f32]) -> f32 {
    let most = bins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut mean) = (0.0, 0.0);
    for (bin, logit) in bins.iter().enumerate() {
        let weight = (logit - most).exp();
        sum += weight;
        mean += weight * bin as f32;
    }
    mean / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_where_its_distances_say() {
        let empty = |stride: usize| {
            let places = (64 / stride) * (64 / stride);
            Raw { boxes: vec![0.0; places * BOX], classes: vec![-9.0; places * 2] }
        };
        let mut raw = STRIDES.map(empty);
        // The place (1, 2) at stride 16: sides 1, 0.5, 2 and 3 strides away.
        let at = 2 * 4 + 1;
        raw[1].classes[at * 2 + 1] = 0.0;
        for (side, bins) in [(0, &[1][..]), (1, &[0, 1]), (2, &[2]), (3, &[3])] {
            bins.iter().for_each(|bin| raw[1].boxes[at * BOX + side * BINS + bin] = 50.0);
        }
        let placed = Placed { scale: 0.5, left: 4.0, top: 0.0 };
        let found = place(decode(&raw, 2, 64, 0.25), placed, [100, 1_000]);
        let [found] = &found[..] else { panic!("one box") };
        assert_eq!((found.class, found.confidence), (1, 0.5));
        // ((1.5 − 1) · 16 − 4) / 0.5 = 8, (2.5 − 0.5) · 32 = 64, ((1.5 + 2) · 16 − 4) / 0.5 = 104, (2.5 + 3) · 32 = 176.
        let sides = [found.left, found.top, found.right, found.bottom];
        for (side, expected) in sides.into_iter().zip([8.0, 64.0, 100.0, 176.0]) {
            assert!((side - expected).abs() < 1e-4, "{sides:?}");
        }
        assert!(decode(&raw, 2, 64, 0.6).is_empty());
        assert!(place(decode(&raw, 2, 64, 0.25), Placed { left: 90.0, ..placed }, [100, 1_000]).is_empty());
    }
}
