//! Ids as people give them: whole, or the start of one.
//!
//! A whole id is taken as it is, and looking its row up costs one read. The start of one is searched
//! for among all ids.

use schemas::ids::BetId;

use super::answers::{cells, literal};
use super::exit::Failure;
use crate::control::Access;

/// Ids named where several begin alike.
const NAMED: usize = 3;

/// Which ids are meant, and where they stand.
pub struct Ids {
    /// What they name: `bet`.
    pub of: &'static str,
    /// Tables, and the columns in them.
    pub places: &'static [(&'static str, &'static str)],
    /// Where to look for them.
    pub hint: &'static str,
}

impl Ids {
    /// The whole id that is meant, as text.
    pub async fn find(&self, access: &Access, given: &str) -> Result<String, Failure> {
        if let Ok(whole) = BetId::parse(given) {
            return Ok(whole.to_string());
        }
        let start = self.start(given)?;
        let of = |(table, column): &(&str, &str)| {
            format!("SELECT {column} AS id FROM {table} WHERE starts_with({column}, {})", literal(&start))
        };
        let all = self.places.iter().map(of).collect::<Vec<_>>().join(" UNION ");
        let sql = format!("SELECT DISTINCT id FROM ({all}) ORDER BY id LIMIT {}", NAMED + 1);
        self.only(&start, cells(access, &sql).await?.into_iter().flatten().collect())
    }

    /// What ids can begin with, in their case.
    fn start(&self, given: &str) -> Result<String, Failure> {
        let (start, of) = (given.trim().to_lowercase(), self.of);
        if start.is_empty() || !start.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(Failure::Usage(format!(
                "{given:?} is no id of a {of}, nor the start of one: they look like 6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9; {}",
                self.hint
            )));
        }
        Ok(start)
    }

    fn only(&self, start: &str, mut found: Vec<String>) -> Result<String, Failure> {
        let (of, hint) = (self.of, self.hint);
        match (found.pop(), found.len()) {
            (None, _) => Err(Failure::Failed(format!("no id of a {of} begins with {start:?}; {hint}"))),
            (Some(id), 0) => Ok(id),
            (Some(last), others) => {
                let more = if others < NAMED { last } else { "others".to_owned() };
                let named = found.join(", ");
                Err(Failure::Failed(format!(
                    "more than one {of} begins with {start:?}: {named} and {more}; give more of it"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids = Ids { of: "bet", places: &[], hint: "`oddsmill sql` finds them" };

    fn said(outcome: Result<String, Failure>) -> String {
        match outcome {
            Ok(id) => id,
            Err(Failure::Usage(text)) => format!("usage: {text}"),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn one_id_must_be_meant() {
        for (found, expected) in [
            (&["ab1"][..], "ab1"),
            (&[], "no id of a bet begins with \\\"ab\\\"; `oddsmill sql` finds them"),
            (&["ab1", "ab2"], "begins with \\\"ab\\\": ab1 and ab2; give more of it"),
            (&["ab1", "ab2", "ab3", "ab4"], ": ab1, ab2, ab3 and others; give more of it"),
        ] {
            let said = said(IDS.only("ab", found.iter().map(|id| (*id).to_owned()).collect()));
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn what_begins_no_id_is_refused() {
        for (given, expected) in [("0B0a-", "0b0a-"), ("", "usage: \"\" is no id"), ("x'y", "usage: \"x'y\" is no id")]
        {
            let said = said(IDS.start(given));
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ids_are_searched_for_where_they_stand() {
        const FIRST: &str = "00000000-0000-4000-8000-000000000001";
        let access = Access::Local(Box::new(crate::sql::tests::node().await));
        let ids = |places| Ids { places, ..IDS };
        let (bets, both) = (&[("bets", "bet_uuid")][..], &[("bets", "bet_uuid"), ("streams", "stream_uuid")][..]);
        for (places, given, expected) in [
            (bets, FIRST, FIRST),
            (bets, &FIRST[..35], "more than one bet begins with"),
            (both, "00000000-0000-4000-8000-00000000005", "00000000-0000-4000-8000-000000000057"),
            (bets, "00000000-0000-4000-8000-00000000005", "no id of a bet begins with"),
        ] {
            let said = said(ids(places).find(&access, given).await);
            assert!(said.contains(expected), "{given}: {said}");
        }
    }
}
