//! What the services take of one request at most: what is over it they refuse, and so does the model.
//!
//! Sources: "Quotas" of DynamoDB's and Kinesis' developer guides, and the pages of the operations in their references.

use serde_json::Value;

use super::{Answer, Service, refused};

/// Bytes of an item of DynamoDB.
const ITEM_BYTES: usize = 400 << 10;
/// Bytes of a transaction.
const GROUP_BYTES: usize = 4 << 20;
/// Bytes of a record of Kinesis with its key.
const RECORD_BYTES: usize = 10 << 20;
/// Bytes of a request that puts records.
const PUT_BYTES: usize = 10 << 20;

/// Why a request is refused, if it is.
pub fn exceeded(service: Service, operation: &str, request: &Value) -> Option<Answer> {
    let why = match (service, operation) {
        (Service::Dynamo, "BatchGetItem") => {
            let keys = tables(request).map(|asked| asked["Keys"].as_array().map_or(0, Vec::len)).sum();
            over("keys", keys, 100)
        }
        (Service::Dynamo, "BatchWriteItem") => {
            let writes = || tables(request).filter_map(Value::as_array).flatten();
            over("writes", writes().count(), 25).or_else(|| items(writes().map(|write| &write["PutRequest"]["Item"])))
        }
        (Service::Dynamo, "TransactWriteItems") => {
            let writes = request["TransactItems"].as_array().map_or(&[][..], Vec::as_slice);
            let puts = || writes.iter().map(|write| &write["Put"]["Item"]);
            over("writes", writes.len(), 100)
                .or_else(|| items(puts()))
                .or_else(|| over("bytes", puts().map(bytes).sum(), GROUP_BYTES))
        }
        (Service::Dynamo, "PutItem") => items([&request["Item"]].into_iter()),
        (Service::Kinesis, "PutRecords") => {
            let records = request["Records"].as_array().map_or(&[][..], Vec::as_slice);
            let sizes = || records.iter().map(bytes);
            over("records", records.len(), 500)
                .or_else(|| over("bytes of a record", sizes().max().unwrap_or(0), RECORD_BYTES))
                .or_else(|| over("bytes", sizes().sum(), PUT_BYTES))
        }
        _ => None,
    };
    why.map(|why| refused("ValidationException", &format!("{operation} has {why}")))
}

fn over(what: &str, count: usize, most: usize) -> Option<String> {
    (count > most).then(|| format!("{count} {what}, more than {most}"))
}

fn items<'a>(items: impl Iterator<Item = &'a Value>) -> Option<String> {
    over("bytes of an item", items.map(bytes).max().unwrap_or(0), ITEM_BYTES)
}

fn tables(request: &Value) -> impl Iterator<Item = &Value> {
    request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values())
}

/// Bytes as the services count them, about: names and values, and of base64 what it stands for.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("B" | "Data", Value::String(text)) => text.len() / 4 * 3,
                ("S" | "N" | "BOOL" | "M" | "L", value) => bytes(value),
                (name, value) => name.len() + bytes(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(bytes).sum(),
        Value::String(text) => text.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_over_a_limit_is_refused() {
        let put = |size: usize| json!({"Put": {"Item": {"id": {"S": "x".repeat(size)}}}});
        let record = |size: usize| json!({"PartitionKey": "k", "Data": "A".repeat(size)});
        for (service, operation, request, refused) in [
            (Service::Dynamo, "TransactWriteItems", json!({"TransactItems": vec![put(1); 100]}), false),
            (Service::Dynamo, "TransactWriteItems", json!({"TransactItems": vec![put(1); 101]}), true),
            (Service::Dynamo, "TransactWriteItems", json!({"TransactItems": [put(410_000)]}), true),
            (Service::Dynamo, "TransactWriteItems", json!({"TransactItems": vec![put(390_000); 11]}), true),
            (Service::Dynamo, "BatchGetItem", json!({"RequestItems": {"t": {"Keys": vec![1; 101]}}}), true),
            (Service::Dynamo, "BatchWriteItem", json!({"RequestItems": {"t": vec![json!({}); 26]}}), true),
            (Service::Kinesis, "PutRecords", json!({"Records": vec![record(4); 500]}), false),
            (Service::Kinesis, "PutRecords", json!({"Records": vec![record(4); 501]}), true),
            (Service::Kinesis, "PutRecords", json!({"Records": vec![record(7 << 20); 2]}), true),
        ] {
            let found = exceeded(service, operation, &request);
            assert_eq!(found.is_some(), refused, "{operation}: {found:?}");
        }
    }
}
