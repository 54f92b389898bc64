//! Rows and facts in DynamoDB.
//!
//! Tables that people look at have a table of their own, keyed by `id`; the rest is in one table,
//! `state`, keyed by the table's name and the row's key, which keeps the order of keys. A row is its
//! bytes (`row`) and a `version` that every write raises. Decisions and facts are in [`super::decisions`].

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue as Value, ConsumedCapacity, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity,
    WriteRequest,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::Aws;
use super::error::explain;
use super::group::{Expect, Group};
use super::item::{self, Item, key_bytes, key_text};
use super::poll::back_off;
use crate::error::{Error, Result};
use crate::tables::{FactTable, RowWrite};
use crate::window::windows::WindowRows;

/// The table of all other rows.
pub const STATE: &str = "state";
/// The table of sums: a row for each key and each shard that adds to it.
pub const SUMS: &str = "sums";

/// The key of a window's row: its window, and its group in it.
pub const WINDOW: &str = "window_key";
/// See [`WINDOW`].
pub const GROUP: &str = "group_key";
/// Grows with every write of a row; of rows that several write without groups it is their rank.
const VERSION: &str = "version";
/// Everything that arrived before it is in the row.
const WATERMARK: &str = "watermark";

/// Keys of a BatchGetItem, and writes of a BatchWriteItem, at most.
const GET_KEYS: usize = 100;
const WRITE_ITEMS: usize = 25;
/// Writes with a condition, which cannot be batched, at once.
const PUTS_AT_ONCE: usize = 32;
/// Attempts of a batch whose items come back unprocessed.
const ATTEMPTS: u32 = 8;

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Grows with every write.
    pub version: u64,
}

/// The tables whose names begin with a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoTables {
    aws: Aws,
    prefix: Arc<str>,
    own: &'static [&'static str],
    /// Write units consumed so far, in tenths.
    units: Arc<AtomicU64>,
}

impl DynamoTables {
    /// The tables whose names begin with `prefix`; the row tables in `own` are tables of their own.
    pub fn new(aws: Aws, prefix: &str, own: &'static [&'static str]) -> DynamoTables {
        DynamoTables { aws, prefix: prefix.into(), own, units: Arc::default() }
    }

    /// The account.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// A table's name in DynamoDB.
    pub fn name(&self, table: &str) -> String {
        format!("{}{table}", self.prefix)
    }

    /// Write units that this process has consumed, as the answers say.
    pub fn write_units(&self) -> f64 {
        self.units.load(Ordering::Relaxed) as f64 / 10.0
    }

    pub(super) fn count(&self, capacities: &[ConsumedCapacity]) {
        let units: f64 = capacities.iter().filter_map(|capacity| capacity.capacity_units()).sum();
        self.units.fetch_add((units * 10.0).round() as u64, Ordering::Relaxed);
    }

    /// The DynamoDB table of a row table, and the key of a row in it.
    pub fn place(&self, table: &str, key: &[u8]) -> (String, Item) {
        if self.own.contains(&table) {
            return (self.name(table), Item::from([("id".into(), Value::S(key_text(key)))]));
        }
        let key = Item::from([("t".into(), Value::S(table.into())), ("k".into(), Value::B(Blob::new(key)))]);
        (self.name(STATE), key)
    }

    /// A row as an item that no group writes, and its table.
    fn row(&self, table: &str, key: &[u8], value: Vec<u8>, version: u64) -> (String, Item) {
        let (name, mut item) = self.place(table, key);
        item.insert("row".into(), Value::B(Blob::new(value)));
        item.insert(VERSION.into(), Value::N(version.to_string()));
        (name, item)
    }

    /// Adds a row to a group; no value removes it.
    pub fn put_row(
        &self,
        group: &mut Group,
        table: &str,
        key: &[u8],
        value: Option<Vec<u8>>,
        expect: Expect,
    ) -> Result<()> {
        let (name, mut place) = self.place(table, key);
        let Some(value) = value else { return group.remove(&name, place) };
        let named = if place.contains_key("id") { "id" } else { "k" };
        place.insert("row".into(), Value::B(Blob::new(value)));
        group.put(&name, named, place, expect)
    }

    /// Reads rows by key, in the order asked for.
    pub async fn get(&self, table: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Versioned>>> {
        let places: Vec<(String, Item)> = keys.iter().map(|key| self.place(table, key)).collect();
        let Some((name, _)) = places.first().cloned() else { return Ok(Vec::new()) };
        let places: Vec<Item> = places.into_iter().map(|(_, key)| key).collect();
        let mut found = HashMap::new();
        for item in self.get_items(&name, &places).await? {
            found.insert(place_of(&item)?, versioned(&item)?);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Reads the rows of the table `state` whose keys lie in a range, in the order of keys, as many as asked for.
    pub async fn range(&self, table: &str, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Versioned)>> {
        let name = self.name(STATE);
        let (mut rows, mut start) = (Vec::new(), None);
        while rows.len() < limit {
            let request = self.aws.dynamodb.query().table_name(&name).consistent_read(true);
            let request = request.key_condition_expression("t = :t AND k BETWEEN :from AND :to");
            let request = request
                .expression_attribute_values(":t", Value::S(table.into()))
                .expression_attribute_values(":from", Value::B(Blob::new(from)))
                .expression_attribute_values(":to", Value::B(Blob::new(to)));
            let rest = i32::try_from(limit - rows.len()).unwrap_or(i32::MAX);
            let page = request.limit(rest).set_exclusive_start_key(start).send().await;
            let page = page.map_err(|error| explain(format!("reading {table} in {name}"), error))?;
            for item in page.items() {
                rows.push((place_of(item)?, versioned(item)?));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(rows)
    }

    /// Reads items by key, in no order; repeats what comes back unprocessed.
    pub async fn get_items(&self, table: &str, keys: &[Item]) -> Result<Vec<Item>> {
        let mut distinct: Vec<&Item> = Vec::with_capacity(keys.len());
        let mut seen = std::collections::HashSet::new();
        for key in keys {
            if seen.insert(format!("{key:?}")) {
                distinct.push(key);
            }
        }
        let mut items = Vec::with_capacity(distinct.len());
        for chunk in distinct.chunks(GET_KEYS) {
            let mut wanted: Vec<Item> = chunk.iter().map(|key| (*key).clone()).collect();
            let mut attempt = 0;
            while !wanted.is_empty() {
                let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
                let keys = keys.map_err(|cause| Error::fatal("keys to read", cause))?;
                let answer = self.aws.dynamodb.batch_get_item().request_items(table, keys).send().await;
                let answer = answer.map_err(|error| explain(format!("reading table {table}"), error))?;
                items.extend(answer.responses.and_then(|mut found| found.remove(table)).unwrap_or_default());
                let rest = answer.unprocessed_keys.and_then(|mut keys| keys.remove(table));
                wanted = rest.map(|keys| keys.keys).unwrap_or_default();
                pause(&mut attempt, wanted.is_empty(), table).await?;
            }
        }
        Ok(items)
    }

    /// The same between bounds; DynamoDB takes both ends as included, so the others are left out here.
    pub async fn range_within(
        &self,
        table: &str,
        (from, to): (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let end = |bound: &Bound<Vec<u8>>, open: &[u8]| match bound {
            Bound::Included(key) | Bound::Excluded(key) if !key.is_empty() => key.clone(),
            _ => open.to_vec(),
        };
        let rows = self.range(table, &end(&from, &[0]), &end(&to, &[255; 128]), limit.saturating_add(1)).await?;
        let bounds = (from, to);
        let within = |(key, _): &(Vec<u8>, Versioned)| RangeBounds::<Vec<u8>>::contains(&bounds, key);
        Ok(rows.into_iter().filter(within).map(|(key, row)| (key, row.bytes)).take(limit).collect())
    }

    /// Writes rows, then removes others. Those with a rank are written one by one, each unless it has a higher one.
    pub async fn write_rows(&self, rows: Vec<RowWrite>) -> Result<()> {
        let mut puts = BTreeMap::<&'static str, Vec<(Vec<u8>, Vec<u8>)>>::new();
        let (mut removals, mut ranked) = (BTreeMap::<String, Vec<Item>>::new(), BTreeMap::new());
        for RowWrite { table, key, value, rank } in rows {
            match (value, rank) {
                (Some(value), Some(rank)) => _ = ranked.insert((table, key), (value, rank)),
                (Some(value), None) => puts.entry(table).or_default().push((key, value)),
                (None, _) => {
                    let (name, place) = self.place(table, &key);
                    removals.entry(name).or_default().push(place);
                }
            }
        }
        for (table, mut rows) in puts {
            // Nothing may stand twice in a request; the last one counts.
            rows.reverse();
            rows.sort_by(|(a, _), (b, _)| a.cmp(b));
            rows.dedup_by(|(a, _), (b, _)| a == b);
            self.put_rows(table, &rows).await?;
        }
        let items = ranked.into_iter().map(|((table, key), (value, rank))| self.row(table, &key, value, rank));
        let items: Vec<_> = items.collect();
        let ranked = stream::iter(items).map(|(name, item)| async move { self.put_over(&name, item, VERSION).await });
        ranked.buffer_unordered(PUTS_AT_ONCE).try_collect::<()>().await?;
        for (name, keys) in removals {
            self.remove_items(&name, keys).await?;
        }
        Ok(())
    }

    /// Reads every row of a table, in no order.
    pub async fn scan(&self, table: &str) -> Result<Vec<(Vec<u8>, Versioned)>> {
        let own = self.own.contains(&table);
        let items = self.scan_items(if own { table } else { STATE }).await?;
        let of_table = |item: &&Item| own || item.get("t").and_then(|t| t.as_s().ok()).is_some_and(|t| t == table);
        items.iter().filter(of_table).map(|item| Ok((place_of(item)?, versioned(item)?))).collect()
    }

    /// Reads every fact of a table, in no order.
    pub async fn scan_facts(&self, table: &FactTable) -> Result<RecordBatch> {
        let items = self.scan_items(table.name).await?;
        item::to_rows(&table.schema, items.iter())
    }

    /// Reads every item of a table, in no order.
    pub async fn scan_items(&self, table: &str) -> Result<Vec<Item>> {
        let name = self.name(table);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let request = self.aws.dynamodb.scan().table_name(&name).set_exclusive_start_key(from);
            let page = request.send().await.map_err(|error| explain(format!("scanning table {name}"), error))?;
            from = page.last_evaluated_key;
            items.extend(page.items.unwrap_or_default());
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    /// Writes items without conditions.
    pub async fn put_items(&self, table: &str, items: Vec<Item>) -> Result<()> {
        let put = |item| PutRequest::builder().set_item(Some(item)).build();
        let writes = items.into_iter().map(|item| Ok(WriteRequest::builder().put_request(put(item)?).build()));
        self.write_items(table, writes.collect()).await
    }

    /// Removes items by key, those that are there.
    async fn remove_items(&self, table: &str, mut keys: Vec<Item>) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(format!("{key:?}")));
        let remove = |key| DeleteRequest::builder().set_key(Some(key)).build();
        let writes = keys.into_iter().map(|key| Ok(WriteRequest::builder().delete_request(remove(key)?).build()));
        self.write_items(table, writes.collect()).await
    }

    /// Makes writes in batches; repeats what comes back unprocessed.
    async fn write_items(&self, table: &str, writes: std::result::Result<Vec<WriteRequest>, BuildError>) -> Result<()> {
        let writes = writes.map_err(|cause| Error::fatal("items to write", cause))?;
        for chunk in writes.chunks(WRITE_ITEMS) {
            let (mut batch, mut attempt) = (chunk.to_vec(), 0);
            while !batch.is_empty() {
                let request = self.aws.dynamodb.batch_write_item().request_items(table, batch);
                let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
                let answer = answer.map_err(|error| explain(format!("writing table {table}"), error))?;
                self.count(answer.consumed_capacity());
                batch = answer.unprocessed_items.and_then(|mut items| items.remove(table)).unwrap_or_default();
                pause(&mut attempt, batch.is_empty(), table).await?;
            }
        }
        Ok(())
    }

    /// Writes rows without conditions.
    pub async fn put_rows(&self, table: &str, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut by_table = BTreeMap::<String, Vec<Item>>::new();
        for (key, value) in rows {
            let (name, item) = self.row(table, key, value.clone(), 1);
            by_table.entry(name).or_default().push(item);
        }
        for (name, items) in by_table {
            self.put_items(&name, items).await?;
        }
        Ok(())
    }

    /// Writes a window's rows: one item a group, unless what is there has a later watermark.
    pub async fn put_results(&self, table: &str, window: &WindowRows, keys: &[String]) -> Result<()> {
        let (name, mut items) = (self.name(table), Vec::with_capacity(window.rows.num_rows()));
        for row in 0..window.rows.num_rows() {
            let mut item = item::of_row(&window.rows, row)?;
            let parts: Vec<String> = keys.iter().map(|key| item.get(key).map_or(String::new(), plain)).collect();
            item.insert(WINDOW.into(), Value::S(format!("{}/{}", window.window, window.start_ms)));
            item.insert(GROUP.into(), Value::S(if parts.is_empty() { "-".into() } else { parts.join("/") }));
            item.insert("window_end".into(), Value::N(window.end_ms.to_string()));
            items.push(item);
        }
        let puts = stream::iter(items).map(|item| self.put_over(&name, item, WATERMARK)).buffer_unordered(PUTS_AT_ONCE);
        puts.try_collect().await
    }

    /// Writes an item, unless what is there has a higher number in an attribute.
    async fn put_over(&self, table: &str, item: Item, attribute: &'static str) -> Result<()> {
        let number = item.get(attribute).cloned().ok_or_else(|| lacks(attribute))?;
        let request = self.aws.dynamodb.put_item().table_name(table).set_item(Some(item));
        let request = request
            .condition_expression("attribute_not_exists(#number) OR #number <= :number")
            .expression_attribute_names("#number", attribute)
            .expression_attribute_values(":number", number)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match request.send().await {
            Ok(answer) => {
                self.count(answer.consumed_capacity().map_or(&[], std::slice::from_ref));
                Ok(())
            }
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            Err(error) => Err(explain(format!("writing table {table}"), error)),
        }
    }
}

/// A key's attribute as a part of a text.
fn plain(value: &Value) -> String {
    match value {
        Value::S(text) | Value::N(text) => text.clone(),
        Value::B(bytes) => key_text(bytes.as_ref()),
        other => format!("{other:?}"),
    }
}

async fn pause(attempt: &mut u32, done: bool, table: &str) -> Result<()> {
    if done {
        return Ok(());
    }
    *attempt += 1;
    if *attempt == ATTEMPTS {
        return Err(Error::Retry(format!("table {table} leaves items unprocessed: its capacity is used up")));
    }
    back_off(*attempt - 1).await;
    Ok(())
}

/// The name of an index.
pub fn index_name(column: &str) -> String {
    format!("{column}-index")
}

fn versioned(item: &Item) -> Result<Versioned> {
    let bytes = item.get("row").and_then(|value| value.as_b().ok()).ok_or_else(|| lacks("row"))?;
    Ok(Versioned { bytes: bytes.as_ref().to_vec(), version: number(item, VERSION)? })
}

/// The key of a row, from its item.
fn place_of(item: &Item) -> Result<Vec<u8>> {
    match item.get("k").and_then(|value| value.as_b().ok()) {
        Some(key) => Ok(key.as_ref().to_vec()),
        None => key_bytes(text(item, "id")?),
    }
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| lacks(name))
}

pub(super) fn number(item: &Item, name: &str) -> Result<u64> {
    let digits = item.get(name).and_then(|value| value.as_n().ok()).ok_or_else(|| lacks(name))?;
    digits.parse().map_err(|_| lacks(name))
}

fn lacks(name: &str) -> Error {
    Error::corrupt(format!("an item lacks {name}, or it has another type"))
}
