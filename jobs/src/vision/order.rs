//! Which frames first: the newest of each broadcast, then the one before it, and so on.
//!
//! Where there is time for all of them the order does not matter. Where there is not, no broadcast waits for
//! another's past, and what is passed over is the oldest.

use std::collections::BTreeMap;

/// The places of frames, given by broadcast and sequence number, in the order in which to look at them.
pub fn newest_first<S: Ord + Copy>(frames: &[(S, u64)]) -> Vec<usize> {
    let mut by_stream: BTreeMap<S, Vec<usize>> = BTreeMap::new();
    for (place, (stream, _)) in frames.iter().enumerate() {
        by_stream.entry(*stream).or_default().push(place);
    }
    let mut ranked = Vec::with_capacity(frames.len());
    for mut places in by_stream.into_values() {
        places.sort_by_key(|place| std::cmp::Reverse(frames[*place].1));
        ranked.extend(places.into_iter().enumerate());
    }
    // Stable: broadcasts keep their order among frames of one rank.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broadcasts_newest_comes_before_anyones_past() {
        for (frames, expected) in [
            (&[][..], &[][..]),
            (&[('a', 1), ('a', 2), ('a', 3)], &[2, 1, 0]),
            (&[('a', 1), ('a', 2), ('a', 3), ('b', 9), ('b', 7)], &[2, 3, 1, 4, 0]),
            // Whoever repeats a number gains nothing by it.
            (&[('b', 5), ('a', 1), ('b', 5)], &[1, 0, 2]),
        ] {
            assert_eq!(newest_first(frames), expected, "{frames:?}");
        }
    }
}
