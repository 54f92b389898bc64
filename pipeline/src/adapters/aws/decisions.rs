//! Decisions, and the facts they led to, in DynamoDB.
//!
//! A fact is an item with an attribute a column, and its decision beside them: the fingerprint of what
//! was decided (`body`), and the position of the record that asked (`from`). Decisions about events that
//! lead to no facts are in a table of their own, and expire there once no record can come again.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use aws_sdk_dynamodb::types::AttributeValue as Value;

use super::error::explain;
use super::group::{Expect, Group};
use super::item::{self, Item, key_bytes, key_text};
use super::tables::{DynamoTables, index_name, number, text};
use crate::clock::Arrival;
use crate::error::Result;
use crate::tables::{FactTable, RowRef};

/// The table of decisions that leave no facts.
pub const DECISIONS: &str = "decisions";
/// When such a decision may be removed, in seconds since 1970.
pub const EXPIRES: &str = "expires";
/// A record may come again for as long as a stream keeps it, a year at most; and then a producer's
/// resend of it.
const KEPT_MS: i64 = 400 * 24 * 3_600_000;

/// A stored decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Hash of the body that was decided.
    pub fingerprint: u64,
    /// Whether it may be decided again.
    pub open: bool,
    /// Shard and position of the record that asked for it.
    pub from: String,
    /// Grows with every write of its item.
    pub version: u64,
    /// The fact it led to, as the only row of a batch.
    pub fact: Option<RecordBatch>,
}

/// A page of facts, each with the version of its item and the item's decision.
#[derive(Debug)]
pub struct Facts {
    /// Where each stands.
    pub at: Vec<RowRef>,
    /// The items' decisions, without facts.
    pub decisions: Vec<Decision>,
    /// The facts.
    pub rows: RecordBatch,
}

impl DynamoTables {
    /// Reads decisions by key, in the order asked for, with the facts they led to.
    pub async fn decisions(&self, table: &FactTable, keys: &[[u8; 16]]) -> Result<Vec<Option<Decision>>> {
        let name = self.decisions_of(table);
        let places: Vec<Item> = keys.iter().map(|key| decision_key(table, key)).collect();
        let mut found = HashMap::new();
        for item in self.get_items(&name, &places).await? {
            let id = text(&item, "id")?.to_owned();
            found.insert(id, Decision { fact: fact(table, &item)?, ..decision(&item)? });
        }
        let of = |key: &[u8; 16]| found.get(&decision_id(table, key)).cloned();
        Ok(keys.iter().map(of).collect())
    }

    /// Adds a decision to a group, with the fact it leads to if it leads to one. `now` is the clock's, not
    /// the event's.
    pub fn put_decision(
        &self,
        group: &mut Group,
        table: &FactTable,
        key: &[u8; 16],
        decision: &Decision,
        expect: Expect,
        now: Arrival,
    ) -> Result<()> {
        let mut item = match &decision.fact {
            Some(fact) => item::of_row(fact, 0)?,
            None => Item::new(),
        };
        item.insert("id".into(), Value::S(decision_id(table, key)));
        item.insert("body".into(), Value::N(decision.fingerprint.to_string()));
        item.insert("from".into(), Value::S(decision.from.clone()));
        if decision.open {
            item.insert("open".into(), Value::Bool(true));
        }
        // Facts are kept for good.
        if is_factless(table) {
            let expires = now.plus_ms(KEPT_MS).0 / 1_000;
            item.insert(EXPIRES.into(), Value::N(expires.to_string()));
        }
        group.put(&self.decisions_of(table), "id", item, expect)
    }

    /// At most `limit` facts with an index key that stand after a place, in the index' order.
    pub async fn page(
        &self,
        table: &FactTable,
        index: &str,
        key: &[u8],
        after: Option<RowRef>,
        limit: usize,
    ) -> Result<Facts> {
        let name = self.name(table.name);
        let (mut ids, mut from) = (Vec::new(), None);
        while ids.len() < limit {
            let request = self.aws().dynamodb.query().table_name(&name).index_name(index_name(index));
            let request = request.expression_attribute_names("#key", index);
            let request = request.expression_attribute_values(":key", Value::S(key_text(key)));
            let request = match after {
                Some(after) => request
                    .key_condition_expression("#key = :key AND id > :after")
                    .expression_attribute_values(":after", Value::S(key_text(&place_bytes(after)))),
                None => request.key_condition_expression("#key = :key"),
            };
            let rest = i32::try_from(limit - ids.len()).unwrap_or(i32::MAX);
            let page = request.limit(rest).set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| explain(format!("looking up {index} in {name}"), error))?;
            for item in page.items() {
                ids.push(text(item, "id")?.to_owned());
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        let keys: Vec<Item> = ids.iter().map(|id| Item::from([("id".into(), Value::S(id.clone()))])).collect();
        let mut items = BTreeMap::new();
        for item in self.get_items(&name, &keys).await? {
            items.insert(text(&item, "id")?.to_owned(), item);
        }
        let at = items.keys().map(|id| Ok(place_from(&key_bytes(id)?))).collect::<Result<Vec<_>>>()?;
        let decisions = items.values().map(decision).collect::<Result<Vec<_>>>()?;
        Ok(Facts { at, decisions, rows: item::to_rows(&table.schema, items.values())? })
    }

    fn decisions_of(&self, table: &FactTable) -> String {
        self.name(if is_factless(table) { DECISIONS } else { table.name })
    }
}

fn is_factless(table: &FactTable) -> bool {
    table.schema.fields().is_empty()
}

fn decision_id(table: &FactTable, key: &[u8; 16]) -> String {
    match is_factless(table) {
        true => format!("{}/{}", table.name, key_text(key)),
        false => key_text(key),
    }
}

fn decision_key(table: &FactTable, key: &[u8; 16]) -> Item {
    Item::from([("id".into(), Value::S(decision_id(table, key)))])
}

/// An item's decision, without its fact.
fn decision(item: &Item) -> Result<Decision> {
    Ok(Decision {
        fingerprint: number(item, "body")?,
        open: item.contains_key("open"),
        from: text(item, "from")?.to_owned(),
        version: number(item, "version")?,
        fact: None,
    })
}

/// An item's fact. A decision that led to none has no columns.
fn fact(table: &FactTable, item: &Item) -> Result<Option<RecordBatch>> {
    let first = table.schema.fields().first().filter(|first| item.contains_key(first.name()));
    first.map(|_| item::to_rows(&table.schema, std::iter::once(item))).transpose()
}

fn place_bytes(at: RowRef) -> [u8; 16] {
    (u128::from(at.block) << 64 | u128::from(at.row)).to_be_bytes()
}

fn place_from(key: &[u8]) -> RowRef {
    let number = key.first_chunk().map_or(0, |key| u128::from_be_bytes(*key));
    RowRef { block: (number >> 64) as u64, row: number as u64 }
}
