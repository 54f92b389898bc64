//! Items of DynamoDB as tests write and read them.

use std::collections::HashMap;

use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::item::{Item, Value};

/// A text.
pub fn text(value: &str) -> Value {
    Value::S(value.into())
}

/// A set of texts.
pub fn texts(values: &[&str]) -> Value {
    Value::Ss(values.iter().map(|value| (*value).to_owned()).collect())
}

/// A number.
pub fn number(value: u64) -> Value {
    Value::N(value.to_string())
}

/// A number as it is written.
pub fn number_text(value: &str) -> Value {
    Value::N(value.into())
}

/// Writes an item.
pub async fn put(aws: &Aws, table: &str, item: HashMap<&str, Value>) {
    let item: Item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    aws.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.expect("an item is written");
}

/// Reads an item of the lease table.
pub async fn get(aws: &Aws, table: &str, key: &str) -> Item {
    let request = aws.dynamodb.get_item().table_name(table).key("leaseKey", text(key));
    request.send().await.expect("an item is read").item.expect("there is one")
}
