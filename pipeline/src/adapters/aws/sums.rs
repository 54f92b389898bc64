//! Sums that shards keep: an item for each sum and shard, with the position of the last fact in it.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue as Value, ReturnConsumedCapacity};

use super::error::{code, explain};
use super::item::{Item, key_text};
use super::tables::{DynamoTables, SUMS, number, text};
use crate::error::{Error, Result};
use crate::record::Position;

/// A shard's part of a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSum {
    /// Which sum: [`sum_id`].
    pub id: String,
    /// The row's bytes.
    pub row: Vec<u8>,
    /// The position of the last fact in it.
    pub upto: Position,
    /// Grows with every write, from 1.
    pub version: u64,
}

/// The name of a row's sum.
pub fn sum_id(table: &str, key: &[u8]) -> String {
    format!("{table}/{}", key_text(key))
}

impl DynamoTables {
    /// Reads a shard's parts of sums, those that there are.
    pub async fn shard_sums(&self, shard: &str, ids: &[String]) -> Result<Vec<StoredSum>> {
        let keys: Vec<Item> = ids.iter().map(|id| key(id, shard)).collect();
        let items = self.get_items(&self.name(SUMS), &keys).await?;
        items.iter().map(read).collect()
    }

    /// Reads every shard's part of a sum.
    pub async fn sums(&self, id: &str) -> Result<Vec<StoredSum>> {
        let name = self.name(SUMS);
        let (mut sums, mut from) = (Vec::new(), None);
        loop {
            let request = self.aws().dynamodb.query().table_name(&name).consistent_read(true);
            let request =
                request.key_condition_expression("id = :id").expression_attribute_values(":id", Value::S(id.into()));
            let page = request.set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| explain(format!("reading {id} in {name}"), error))?;
            sums.extend(page.items().iter().map(read).collect::<Result<Vec<_>>>()?);
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(sums);
            }
        }
    }

    /// Writes a shard's part of a sum over the version before it; whether that was the one stored.
    pub async fn put_sum(&self, shard: &str, sum: &StoredSum) -> Result<bool> {
        let name = self.name(SUMS);
        let mut item = key(&sum.id, shard);
        item.insert("row".into(), Value::B(Blob::new(sum.row.clone())));
        item.insert("upto".into(), Value::B(Blob::new(sum.upto.to_be_bytes())));
        item.insert("version".into(), Value::N(sum.version.to_string()));
        let request = self.aws().dynamodb.put_item().table_name(&name).set_item(Some(item));
        let request = match sum.version - 1 {
            0 => request.condition_expression("attribute_not_exists(id)"),
            seen => request
                .condition_expression("version = :seen")
                .expression_attribute_values(":seen", Value::N(seen.to_string())),
        };
        match request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await {
            Ok(answer) => {
                self.count(answer.consumed_capacity.as_slice());
                Ok(true)
            }
            Err(error) if code(&error) == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(explain(format!("writing {} in {name}", sum.id), error)),
        }
    }
}

fn key(id: &str, shard: &str) -> Item {
    Item::from([("id".into(), Value::S(id.into())), ("shard".into(), Value::S(shard.into()))])
}

fn read(item: &Item) -> Result<StoredSum> {
    let bytes = |name: &str| item.get(name).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec());
    let bad = || Error::corrupt("a sum");
    let upto = bytes("upto").and_then(|upto| upto.try_into().ok()).map(Position::from_be_bytes).ok_or_else(bad)?;
    let (id, version) = (text(item, "id")?.to_owned(), number(item, "version")?);
    Ok(StoredSum { id, row: bytes("row").ok_or_else(bad)?, upto, version })
}
