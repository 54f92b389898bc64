//! Non-maximum suppression: of boxes of one class that overlap, the most confident one stays.

use crate::model::Detection;

/// Boxes of one class that overlap by more than this are one thing.
pub const OVERLAP: f32 = 0.7;
/// Detections of a frame, at most.
pub const MOST: usize = 300;
/// Candidates that are compared, at most: the rest are the least confident ones.
const CANDIDATES: usize = 3_000;

/// Keeps the most confident of what overlaps, by class; the most confident first, [`MOST`] at most.
pub fn suppress(mut found: Vec<Detection>) -> Vec<Detection> {
    found.retain(|one| one.confidence.is_finite() && one.area() > 0.0);
    found.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    found.truncate(CANDIDATES);
    let mut kept: Vec<Detection> = Vec::new();
    for one in found {
        let same = |other: &Detection| other.class == one.class && overlap(other, &one) > OVERLAP;
        if kept.len() < MOST && !kept.iter().any(same) {
            kept.push(one);
        }
    }
    kept
}

/// The area of what two boxes share, of that which they cover together.
pub fn overlap(one: &Detection, other: &Detection) -> f32 {
    let width = one.right.min(other.right) - one.left.max(other.left);
    let height = one.bottom.min(other.bottom) - one.top.max(other.top);
    let shared = width.max(0.0) * height.max(0.0);
    shared / (one.area() + other.area() - shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(class: usize, confidence: f32, [left, top, right, bottom]: [f32; 4]) -> Detection {
        Detection { class, confidence, left, top, right, bottom }
    }

    #[test]
    fn of_what_overlaps_the_most_confident_stays() {
        let square = [0.0, 0.0, 10.0, 10.0];
        for (boxes, expected) in [
            (vec![], vec![]),
            (vec![found(0, 0.5, square), found(0, 0.9, square)], vec![0.9]),
            // Of another class it is another thing.
            (vec![found(0, 0.5, square), found(1, 0.9, square)], vec![0.9, 0.5]),
            // 80 of 100 are shared, which is more than 0.7; 70 of 100 are not.
            (vec![found(0, 0.5, [0.0, 0.0, 10.0, 8.0]), found(0, 0.9, square)], vec![0.9]),
            (vec![found(0, 0.5, [0.0, 0.0, 10.0, 7.0]), found(0, 0.9, square)], vec![0.9, 0.5]),
            // What a suppressed box covers is not suppressed by it.
            (
                vec![
                    found(0, 0.9, square),
                    found(0, 0.8, [0.0, 0.0, 12.5, 10.0]),
                    found(0, 0.7, [0.0, 0.0, 15.5, 10.0]),
                ],
                vec![0.9, 0.7],
            ),
            // Without an area, or without a number, it is nothing.
            (vec![found(0, 0.5, [3.0, 3.0, 3.0, 9.0]), found(0, f32::NAN, square)], vec![]),
        ] {
            let kept: Vec<f32> = suppress(boxes).iter().map(|kept| kept.confidence).collect();
            assert_eq!(kept, expected);
        }
        let many = (0..1_000).map(|at| found(0, 0.5, [at as f32 * 20.0, 0.0, at as f32 * 20.0 + 10.0, 10.0]));
        assert_eq!(suppress(many.collect()).len(), MOST);
    }
}
