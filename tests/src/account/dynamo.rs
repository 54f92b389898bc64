//! DynamoDB: tables with indexes that lag behind, transactions, batches that come back in part.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::expression::{Condition, Given, Item, decoded, update};
use super::{Answer, refused};
use crate::random::Random;

/// A place in a table: the bytes of partition key and sort key, in the order of both.
type Key = (Vec<u8>, Vec<u8>);

/// Every table.
#[derive(Debug, Default)]
pub struct Dynamo {
    tables: BTreeMap<String, Table>,
    /// Transactions by their token: one that is asked for twice is made once.
    tokens: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Table {
    hash: String,
    range: Option<String>,
    /// By name: the attribute that an index is by.
    indexes: BTreeMap<String, String>,
    items: BTreeMap<Key, Item>,
    /// As indexes, and reads that ask for no more, see it.
    lagging: BTreeMap<Key, Item>,
    /// When they see what, in order.
    coming: VecDeque<(i64, Key, Option<Item>)>,
}

/// What a request is answered under.
pub struct Moment<'a> {
    /// Milliseconds since 1970.
    pub now: i64,
    /// How long indexes lag behind, at most.
    pub lag_ms: u64,
    /// How many of a hundred batches come back in part.
    pub partial: u64,
    /// How many of a hundred transactions meet another.
    pub conflict: u64,
    pub random: &'a mut Random,
}

fn bytes(value: &Value) -> Vec<u8> {
    match (value["S"].as_str(), value["B"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(text)) => decoded(text),
        _ => panic!("{value} is no key"),
    }
}

impl Table {
    fn key(&self, of: &Item) -> Key {
        (bytes(&of[&self.hash]), self.range.as_ref().map(|range| bytes(&of[range])).unwrap_or_default())
    }

    fn put(&mut self, key: Key, item: Option<Item>, moment: &mut Moment<'_>) {
        let lag = if moment.lag_ms == 0 { 0 } else { moment.random.below(moment.lag_ms) as i64 };
        let last = self.coming.back().map_or(0, |(at, ..)| *at);
        self.coming.push_back((last.max(moment.now + lag), key.clone(), item.clone()));
        match item {
            Some(item) => self.items.insert(key, item),
            None => self.items.remove(&key),
        };
    }

    /// What indexes see now.
    fn seen(&mut self, now: i64) -> &BTreeMap<Key, Item> {
        while let Some((_, key, item)) = self.coming.pop_front_if(|(at, ..)| *at <= now) {
            match item {
                Some(item) => self.lagging.insert(key, item),
                None => self.lagging.remove(&key),
            };
        }
        &self.lagging
    }

    fn check(&self, request: &Value, key: &Key) -> bool {
        let condition = request["ConditionExpression"].as_str();
        condition.is_none_or(|text| Condition::parse(text, Given::of(request)).holds(self.items.get(key)))
    }
}

/// Whether a request puts a row of this table.
pub fn puts(request: &Value, table: &str) -> bool {
    let alone = [&request["Item"]];
    let together = list(&request["TransactItems"]).iter().map(|write| &write["Put"]["Item"]);
    let batches = request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
    let batched = batches.filter_map(Value::as_array).flatten().map(|write| &write["PutRequest"]["Item"]);
    alone.into_iter().chain(together).chain(batched).any(|item| item["t"]["S"] == table)
}

fn no_table(name: &str) -> Answer {
    refused("ResourceNotFoundException", &format!("Requested resource not found: {name}"))
}

fn check_failed() -> Answer {
    refused("ConditionalCheckFailedException", "The conditional request failed")
}

fn object(value: &Value) -> &Item {
    value.as_object().expect("an object")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Dynamo {
    /// An item as it is.
    pub fn item(&self, table: &str, key: &Value) -> Option<Value> {
        let table = self.tables.get(table)?;
        table.items.get(&table.key(key.as_object()?)).cloned().map(Value::Object)
    }

    /// Answers a request.
    pub fn answer(&mut self, operation: &str, request: &Value, moment: &mut Moment<'_>) -> Answer {
        match operation {
            "CreateTable" => self.create(request),
            "DescribeTable" => self.describe(request),
            "UpdateTimeToLive" => Answer::ok(json!({})),
            "BatchGetItem" => self.batch_get(request, moment),
            "BatchWriteItem" => self.batch_write(request, moment),
            "TransactWriteItems" => self.transact(request, moment),
            _ => {
                let name = text(&request["TableName"]).to_owned();
                let Some(table) = self.tables.get_mut(&name) else { return no_table(&name) };
                table.answer(operation, request, moment)
            }
        }
    }

    fn create(&mut self, request: &Value) -> Answer {
        let name = text(&request["TableName"]).to_owned();
        if self.tables.contains_key(&name) {
            return refused("ResourceInUseException", "Table already exists");
        }
        let attribute = |schema: &Value, kind: &str| {
            let found = list(schema).iter().find(|key| key["KeyType"] == kind);
            found.map(|key| text(&key["AttributeName"]).to_owned())
        };
        let index = |index: &Value| {
            let hash = attribute(&index["KeySchema"], "HASH").expect("an index has a key");
            (text(&index["IndexName"]).to_owned(), hash)
        };
        let table = Table {
            hash: attribute(&request["KeySchema"], "HASH").expect("a table has a key"),
            range: attribute(&request["KeySchema"], "RANGE"),
            indexes: list(&request["GlobalSecondaryIndexes"]).iter().map(index).collect(),
            ..Table::default()
        };
        self.tables.insert(name.clone(), table);
        Answer::ok(json!({"TableDescription": {"TableName": name, "TableStatus": "ACTIVE"}}))
    }

    fn describe(&self, request: &Value) -> Answer {
        let name = text(&request["TableName"]);
        if !self.tables.contains_key(name) {
            return no_table(name);
        }
        Answer::ok(json!({"Table": {"TableName": name, "TableStatus": "ACTIVE"}}))
    }

    fn batch_get(&mut self, request: &Value, moment: &mut Moment<'_>) -> Answer {
        let (mut found, mut rest) = (Item::new(), Item::new());
        for (name, asked) in object(&request["RequestItems"]) {
            let Some(table) = self.tables.get_mut(name) else { return no_table(name) };
            let keys = list(&asked["Keys"]);
            let now = kept(keys.len(), moment);
            let keys_now: Vec<Key> = keys[..now].iter().map(|key| table.key(object(key))).collect();
            let stored = if asked["ConsistentRead"] == true { &table.items } else { table.seen(moment.now) };
            let items: Vec<Value> =
                keys_now.iter().filter_map(|key| stored.get(key).cloned().map(Value::Object)).collect();
            found.insert(name.clone(), items.into());
            if now < keys.len() {
                rest.insert(name.clone(), json!({"Keys": keys[now..], "ConsistentRead": true}));
            }
        }
        Answer::ok(json!({"Responses": found, "UnprocessedKeys": rest}))
    }

    fn batch_write(&mut self, request: &Value, moment: &mut Moment<'_>) -> Answer {
        let mut rest = Item::new();
        for (name, writes) in object(&request["RequestItems"]) {
            let Some(table) = self.tables.get_mut(name) else { return no_table(name) };
            let writes = list(writes);
            let now = kept(writes.len(), moment);
            for write in &writes[..now] {
                let (key, item) = match write["PutRequest"]["Item"].as_object() {
                    Some(item) => (table.key(item), Some(item.clone())),
                    None => (table.key(object(&write["DeleteRequest"]["Key"])), None),
                };
                table.put(key, item, moment);
            }
            if now < writes.len() {
                rest.insert(name.clone(), writes[now..].into());
            }
        }
        Answer::ok(json!({"UnprocessedItems": rest}))
    }

    fn transact(&mut self, request: &Value, moment: &mut Moment<'_>) -> Answer {
        let token = text(&request["ClientRequestToken"]).to_owned();
        if !token.is_empty() && self.tokens.contains(&token) {
            return Answer::ok(json!({}));
        }
        let writes = list(&request["TransactItems"]);
        let (mut reasons, mut puts) = (Vec::new(), Vec::<(&str, Key, Option<Item>)>::new());
        for write in writes {
            let (kind, write) = object(write).iter().next().expect("a write");
            let name = text(&write["TableName"]);
            let Some(table) = self.tables.get(name) else { return no_table(name) };
            let (key, item) = match kind.as_str() {
                "Put" => (table.key(object(&write["Item"])), Some(object(&write["Item"]).clone())),
                "Delete" => (table.key(object(&write["Key"])), None),
                other => panic!("{other} in a transaction"),
            };
            if puts.iter().any(|(other, at, _)| *other == name && *at == key) {
                let what = "Transaction request cannot include multiple operations on one item";
                return refused("ValidationException", what);
            }
            let holds = table.check(write, &key);
            reasons.push(json!({"Code": if holds { "None" } else { "ConditionalCheckFailed" }}));
            puts.push((name, key, item));
        }
        if moment.random.percent(moment.conflict) {
            let at = moment.random.below(reasons.len() as u64) as usize;
            reasons[at] = json!({"Code": "TransactionConflict"});
        }
        if reasons.iter().any(|reason| reason["Code"] != "None") {
            let why = "Transaction cancelled, please refer cancellation reasons for specific reasons";
            return refused("TransactionCanceledException", why).with("CancellationReasons", reasons.into());
        }
        for (name, key, item) in puts {
            if let Some(table) = self.tables.get_mut(name) {
                table.put(key, item, moment);
            }
        }
        self.tokens.insert(token);
        Answer::ok(json!({}))
    }
}

/// How many of a batch are taken: all, or in bad moments some, at least one.
fn kept(count: usize, moment: &mut Moment<'_>) -> usize {
    if count > 1 && moment.random.percent(moment.partial) {
        1 + moment.random.below(count as u64 - 1) as usize
    } else {
        count
    }
}

impl Table {
    fn answer(&mut self, operation: &str, request: &Value, moment: &mut Moment<'_>) -> Answer {
        match operation {
            "GetItem" => {
                let key = self.key(object(&request["Key"]));
                let consistent = request["ConsistentRead"] == true;
                let item = if consistent { self.items.get(&key) } else { self.seen(moment.now).get(&key) };
                Answer::ok(item.map_or(json!({}), |item| json!({"Item": item})))
            }
            "PutItem" => {
                let item = object(&request["Item"]);
                let key = self.key(item);
                if !self.check(request, &key) {
                    return check_failed();
                }
                self.put(key, Some(item.clone()), moment);
                Answer::ok(json!({}))
            }
            "DeleteItem" => {
                let key = self.key(object(&request["Key"]));
                if !self.check(request, &key) {
                    return check_failed();
                }
                self.put(key, None, moment);
                Answer::ok(json!({}))
            }
            "UpdateItem" => {
                let named = object(&request["Key"]);
                let key = self.key(named);
                if !self.check(request, &key) {
                    return check_failed();
                }
                let mut item = self.items.get(&key).unwrap_or(named).clone();
                update(&mut item, text(&request["UpdateExpression"]), Given::of(request));
                self.put(key, Some(item.clone()), moment);
                Answer::ok(json!({"Attributes": item}))
            }
            "Scan" => {
                let (hash, range) = (self.hash.clone(), self.range.clone());
                let consistent = request["ConsistentRead"] == true;
                let items = if consistent { &self.items } else { self.seen(moment.now) };
                page(items.iter(), Item::clone, [Some(&hash), range.as_ref()], request, moment)
            }
            "Query" => self.query(request, moment),
            other => panic!("DynamoDB's {other} is not modelled"),
        }
    }

    fn query(&mut self, request: &Value, moment: &mut Moment<'_>) -> Answer {
        let condition = Condition::parse(text(&request["KeyConditionExpression"]), Given::of(request));
        let (hash, range) = (self.hash.clone(), self.range.clone());
        let Some(index) = request["IndexName"].as_str() else {
            assert_eq!(request["ConsistentRead"], true, "a query of rows that may be old");
            let of = bytes(condition.equal(&hash).expect("a partition"));
            let within = self.items.range((of.clone(), Vec::new())..).take_while(|(key, _)| key.0 == of);
            let within = within.filter(|(_, item)| condition.holds(Some(item)));
            return page(within, Item::clone, [Some(&hash), range.as_ref()], request, moment);
        };
        let by = self.indexes.get(index).unwrap_or_else(|| panic!("no index {index}")).clone();
        let found = self.seen(moment.now).iter().filter(|(_, item)| condition.holds(Some(item)));
        // Keys alone are projected.
        let keys = |item: &Item| {
            let named = [&by, &hash].map(|name| (name.clone(), item[name].clone()));
            named.into_iter().collect::<Item>()
        };
        page(found, keys, [Some(&hash), None], request, moment)
    }
}

/// As much as one answer has: what was asked for, and in bad moments less. Where it goes on is said by these keys.
fn page<'a>(
    items: impl Iterator<Item = (&'a Key, &'a Item)>,
    show: impl Fn(&Item) -> Item,
    keys: [Option<&String>; 2],
    request: &Value,
    moment: &mut Moment<'_>,
) -> Answer {
    let after = request["ExclusiveStartKey"].as_object().map(|of| {
        let [hash, range] = keys.map(|name| name.map(|name| bytes(&of[name])).unwrap_or_default());
        (hash, range)
    });
    let rest: Vec<&Item> =
        items.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after)).map(|(_, item)| item).collect();
    let limit = request["Limit"].as_u64().map_or(usize::MAX, |limit| limit as usize);
    let count = kept(rest.len(), moment).min(limit);
    let page: Vec<Value> = rest[..count].iter().map(|item| show(item).into()).collect();
    let mut answer = json!({"Count": count, "ScannedCount": count});
    if let Some(last) = rest[..count].last().filter(|_| count < rest.len()) {
        let key = keys.into_iter().flatten().map(|name| (name.clone(), last[name].clone()));
        answer["LastEvaluatedKey"] = key.collect::<Item>().into();
    }
    answer["Items"] = page.into();
    Answer::ok(answer)
}
