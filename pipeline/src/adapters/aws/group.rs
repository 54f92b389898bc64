//! A group: writes that are made together or not at all.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue as Value, Delete, Put, ReturnConsumedCapacity, TransactWriteItem as Write,
};

use super::error::{explain, is_throttle};
use super::item::{Item, MAX_ITEM_BYTES, size};
use super::tables::DynamoTables;
use crate::error::{Error, Result};

/// Writes of a group, at most.
const MAX_WRITES: usize = 100;
/// Bytes of a group's items. DynamoDB takes 4 MB.
const MAX_BYTES: usize = 3_500_000;

/// What a write asks of the item that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// That there is none.
    Absent,
    /// That it has this version.
    Version(u64),
}

/// What of a group did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is written.
    Committed,
    /// Nothing is: these writes met another item than they expect, or one that somebody else is writing.
    Cancelled(Vec<usize>),
}

/// Writes that belong together.
#[derive(Debug, Default)]
pub struct Group {
    writes: Vec<Write>,
    bytes: usize,
}

impl Group {
    /// Writes in it.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// True without writes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Checks that DynamoDB takes it.
    ///
    /// # Errors
    /// `TooLarge` where it has too many writes, or too many bytes.
    pub fn check(&self) -> Result<()> {
        let Group { writes, bytes } = self;
        if writes.len() > MAX_WRITES || *bytes > MAX_BYTES {
            return Err(Error::TooLarge(format!(
                "a group of {} writes and {bytes} bytes: DynamoDB takes {MAX_WRITES} and {MAX_BYTES}",
                writes.len()
            )));
        }
        Ok(())
    }

    /// Writes an item. Its `version` is one more than the expected one.
    ///
    /// # Errors
    /// `TooLarge` for an item that is larger than DynamoDB takes.
    pub fn put(&mut self, table: &str, key: &str, mut item: Item, expect: Expect) -> Result<()> {
        let version = match expect {
            Expect::Version(version) => version + 1,
            Expect::Absent | Expect::Anything => 1,
        };
        item.insert("version".into(), Value::N(version.to_string()));
        let bytes = size(&item);
        if bytes > MAX_ITEM_BYTES {
            return Err(Error::TooLarge(format!(
                "an item of table {table} would have {bytes} bytes, DynamoDB takes {MAX_ITEM_BYTES}"
            )));
        }
        self.bytes += bytes;
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = match expect {
            Expect::Anything => put,
            Expect::Absent => put.condition_expression(format!("attribute_not_exists({key})")),
            Expect::Version(version) => put
                .condition_expression("version = :seen")
                .expression_attribute_values(":seen", Value::N(version.to_string())),
        };
        let put = put.build().map_err(|cause| Error::fatal("a write", cause))?;
        self.writes.push(Write::builder().put(put).build());
        Ok(())
    }

    /// Removes an item that must be there.
    pub fn remove(&mut self, table: &str, key: Item) -> Result<()> {
        let condition = key.keys().min().map(|name| format!("attribute_exists({name})"));
        let delete = Delete::builder().table_name(table).set_key(Some(key)).set_condition_expression(condition);
        let delete = delete.build().map_err(|cause| Error::fatal("a removal", cause))?;
        self.writes.push(Write::builder().delete(delete).build());
        Ok(())
    }
}

impl DynamoTables {
    /// Writes a group. An outcome that is not known is `Retry`: what is stored tells.
    pub async fn commit(&self, group: Group) -> Result<Outcome> {
        if group.is_empty() {
            return Ok(Outcome::Committed);
        }
        let request = self.aws().dynamodb.transact_write_items().set_transact_items(Some(group.writes));
        match request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await {
            Ok(answer) => {
                self.count(answer.consumed_capacity());
                Ok(Outcome::Committed)
            }
            Err(error) => cancelled(error),
        }
    }
}

fn cancelled(error: SdkError<TransactWriteItemsError>) -> Result<Outcome> {
    let reasons = match &error {
        SdkError::ServiceError(context) => match context.err() {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons(),
            _ => return Err(explain("writing a group", error)),
        },
        _ => return Err(explain("writing a group", error)),
    };
    let mut met = Vec::new();
    for (at, reason) in reasons.iter().enumerate() {
        match reason.code().unwrap_or("None") {
            "None" => {}
            "ConditionalCheckFailed" | "TransactionConflict" => met.push(at),
            code if is_throttle(Some(code)) || code == "ThrottlingError" => {
                return Err(Error::Retry(format!("writing a group: {code}")));
            }
            code => {
                let why = reason.message().unwrap_or("no details");
                return Err(Error::Reject(format!("writing a group: {code}: {why}")));
            }
        }
    }
    if met.is_empty() { Err(explain("writing a group", error)) } else { Ok(Outcome::Cancelled(met)) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    fn put(group: &mut Group, bytes: usize) -> Result<()> {
        let id = group.len().to_string();
        let row = Value::B(Blob::new(vec![0; bytes]));
        group.put("rows", "id", Item::from([("id".into(), Value::S(id)), ("row".into(), row)]), Expect::Absent)
    }

    #[test]
    fn what_dynamodb_does_not_take_is_told_before_it_is_asked() {
        for (writes, bytes, fits) in
            [(1, 399_000, true), (1, 410_000, false), (100, 10, true), (101, 10, false), (9, 390_000, false)]
        {
            let mut group = Group::default();
            let put = (0..writes).try_for_each(|_| put(&mut group, bytes)).and_then(|()| group.check());
            match put {
                Ok(()) => assert!(fits, "{writes} writes of {bytes} bytes"),
                Err(Error::TooLarge(why)) => assert!(!fits && why.contains("DynamoDB takes"), "{why}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}
