//! The recorded rounds that ship: every frame of three games that ended in three ways.
//!
//! They were held out when the models were trained. What really happened in them is in `rounds/*/truth.json`.

/// A round of a game.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// The state that it ends in, by the recording's own account.
    pub ended: &'static str,
    /// Its frames, as JPEG files.
    pub frames: &'static [&'static [u8]],
}

macro_rules! round {
    ($name:literal, $ended:literal, $($frame:literal)*) => {
        Round {
            ended: $ended,
            frames: &[$(include_bytes!(concat!("../rounds/", $name, "/", $frame, ".jpg"))),*],
        }
    };
}

/// The rounds.
#[rustfmt::skip]
pub const ROUNDS: [Round; 3] = [
    round!("round-1", "cleared",
        "000" "001" "002" "003" "004" "005" "006" "007" "008" "009" "010" "011" "012" "013" "014" "015"
        "016" "017" "018" "019" "020" "021" "022" "023" "024" "025" "026" "027" "028" "029" "030" "031"
        "032" "033" "034" "035" "036" "037" "038" "039" "040" "041" "042"),
    round!("round-2", "breached",
        "000" "001" "002" "003" "004" "005" "006" "007" "008" "009" "010" "011" "012" "013" "014" "015"
        "016" "017" "018" "019" "020" "021" "022" "023" "024" "025" "026" "027" "028" "029" "030" "031"
        "032" "033" "034" "035" "036" "037" "038" "039" "040" "041" "042" "043" "044" "045"),
    round!("round-3", "dead",
        "000" "001" "002" "003" "004" "005" "006" "007" "008" "009" "010" "011" "012" "013" "014" "015"
        "016" "017" "018" "019" "020" "021" "022" "023" "024" "025" "026" "027" "028" "029" "030" "031"
        "032" "033" "034" "035"),
];
