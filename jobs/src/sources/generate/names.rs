//! Names for the cast: towns, teams, players and handles, all invented.
//!
//! A name follows from a number, so nothing is stored and a team has the same
//! name, and the same strength, on every day.

const TOWNS: [&str; 40] = [
    "Harbour City",
    "Northgate",
    "Eastmere",
    "Saltwick",
    "Fenbridge",
    "Kingsbarrow",
    "Port Lorne",
    "Ashcombe Vale",
    "Millhaven",
    "Oldfield",
    "Ravensford",
    "Stonewick",
    "Thornbury Park",
    "Westering",
    "Larkhill",
    "Marlow Bay",
    "Gullport",
    "Hartsmoor",
    "Ironbrook",
    "Juniper Bay",
    "Castlemoor",
    "Dunmarrow",
    "Elderwick",
    "Foxholme",
    "Greyhaven",
    "Highmere",
    "Lindenfall",
    "Merriton",
    "Norwold",
    "Pinehurst Vale",
    "Quayside",
    "Redwater",
    "Silverton",
    "Tidewell",
    "Underhill",
    "Vantry",
    "Wolverley",
    "Yarrowby",
    "Brackenfield",
    "Cinderford Vale",
];
const CLUBS: [&str; 6] = ["", " United", " Rovers", " Athletic", " Wanderers", " Albion"];
const CRICKET: [&str; 5] = [" Hawks", " Chargers", " Mariners", " Falcons", " Strikers"];
const FIRST: [&str; 12] = [
    "Copper", "Midnight", "Paper", "Static", "Velvet", "Lucky", "Quiet", "Amber", "Hollow", "Polar", "Rusty", "Silent",
];
const SECOND: [&str; 12] = [
    "Otters", "Badgers", "Lanterns", "Comets", "Magpies", "Anvils", "Kites", "Walrus", "Sparrows", "Pylons", "Geckos",
    "Herons",
];
const SURNAMES: [&str; 40] = [
    "Abara",
    "Belmont",
    "Castellan",
    "Dravec",
    "Ekström",
    "Ferrante",
    "Gallowey",
    "Hallström",
    "Ilves",
    "Jarosz",
    "Kestrin",
    "Lindqvar",
    "Moreau",
    "Novarra",
    "Okonde",
    "Pellier",
    "Quillan",
    "Rosvold",
    "Santoro",
    "Tavares",
    "Ueda",
    "Varga",
    "Wexley",
    "Yilmazer",
    "Zoric",
    "Adeyo",
    "Brandt",
    "Corvin",
    "Delacroix",
    "Esposti",
    "Fonseque",
    "Grimaldo",
    "Haruki",
    "Ibanez",
    "Jokinen",
    "Kovalenka",
    "Lorimer",
    "Mbeki",
    "Nakahara",
    "Osterman",
];

/// How many different names each maker below has.
pub(super) const CLUB_COUNT: u64 = (TOWNS.len() * CLUBS.len()) as u64;
pub(super) const CRICKET_COUNT: u64 = (TOWNS.len() * CRICKET.len()) as u64;
pub(super) const SQUAD_COUNT: u64 = (FIRST.len() * SECOND.len()) as u64;
pub(super) const PLAYER_COUNT: u64 = 26 * SURNAMES.len() as u64;

/// A football club: "Harbour City United".
pub(super) fn club(number: u64) -> String {
    [at(&TOWNS, number), at(&CLUBS, number / TOWNS.len() as u64)].concat()
}

/// A cricket side: "Northgate Hawks".
pub(super) fn cricket_side(number: u64) -> String {
    [at(&TOWNS, number), at(&CRICKET, number / TOWNS.len() as u64)].concat()
}

/// An esports team: "Midnight Otters".
pub(super) fn squad(number: u64) -> String {
    [at(&FIRST, number), " ", at(&SECOND, number / FIRST.len() as u64)].concat()
}

/// A person: "M. Novarra".
pub(super) fn player(number: u64) -> String {
    // Below 26.
    let initial = char::from(b'A' + (number / SURNAMES.len() as u64 % 26) as u8);
    format!("{initial}. {}", at(&SURNAMES, number))
}

/// A handle on a leaderboard or a channel: "QuietOtters17".
pub(super) fn handle(bits: u64, number: u32) -> String {
    format!("{}{}{number}", at(&FIRST, bits >> 32), at(&SECOND, bits & 0xFFFF_FFFF))
}

fn at(names: &[&'static str], number: u64) -> &'static str {
    // Below the length.
    names[(number % names.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_below_the_count_have_names_of_their_own() {
        let check = |make: fn(u64) -> String, count: u64| {
            assert_eq!((0..count).map(make).collect::<BTreeSet<_>>().len() as u64, count);
        };
        check(club, CLUB_COUNT);
        check(cricket_side, CRICKET_COUNT);
        check(squad, SQUAD_COUNT);
        check(player, PLAYER_COUNT);
    }
}
