//! The lease table in DynamoDB, in the schema of the Kinesis Client Library 3.5.
//!
//! Source: `DynamoDBLeaseSerializer` and `DynamoDBLeaseRefresher` of amazon-kinesis-client. What the
//! library does not know of us (`oddsmill*`) it leaves as it is, and so do we with what we do not know.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue as Value, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ReturnValue, ScalarAttributeType,
};

use super::Aws;
use super::error::{code, explain};
use super::streams::hash_range;
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::lease::table::fenced;
use crate::lease::{Change, Lease, LeaseKey, Progress, Reached, WorkerId};
use crate::record::Position;
use crate::shard::ShardId;

/// The index by owner, as the library names it.
pub const OWNER_INDEX: &str = "LeaseOwnerToLeaseKeyIndex";

type Item = HashMap<String, Value>;

/// A lease table in DynamoDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoLeases {
    aws: Aws,
    name: String,
}

impl DynamoLeases {
    /// The table of this name.
    pub fn new(aws: Aws, name: impl Into<String>) -> DynamoLeases {
        DynamoLeases { aws, name: name.into() }
    }

    /// Creates the table if there is none; whether it did.
    pub async fn create_table(&self) -> Result<bool> {
        let text = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let built = || -> std::result::Result<_, aws_sdk_dynamodb::error::BuildError> {
            let index = GlobalSecondaryIndex::builder()
                .index_name(OWNER_INDEX)
                .key_schema(key("leaseOwner", KeyType::Hash)?)
                .key_schema(key("leaseKey", KeyType::Range)?)
                .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
                .build()?;
            let request =
                self.aws.dynamodb.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
            let request = request.attribute_definitions(text("leaseKey")?).attribute_definitions(text("leaseOwner")?);
            Ok(request.key_schema(key("leaseKey", KeyType::Hash)?).global_secondary_indexes(index))
        };
        let request = built().map_err(|cause| Error::fatal("the lease table", cause))?;
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if code(&error) == Some("ResourceInUseException") => Ok(false),
            Err(error) => Err(explain(format!("creating the lease table {}", self.name), error)),
        }
    }

    /// See [`crate::lease::table::LeaseTable::scan`]. Rows of other kinds are passed over.
    pub async fn scan(&self) -> Result<Vec<Lease>> {
        let (mut leases, mut from) = (Vec::new(), None);
        loop {
            let request = self.aws.dynamodb.scan().table_name(&self.name).set_exclusive_start_key(from);
            let page = request.send().await.map_err(|error| explain(self.what("scanning"), error))?;
            for item in page.items() {
                leases.extend(read(item)?);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(leases);
            }
        }
    }

    /// See [`crate::lease::table::LeaseTable::get`].
    pub async fn get(&self, key: &LeaseKey) -> Result<Option<Lease>> {
        let request = self.aws.dynamodb.get_item().table_name(&self.name).consistent_read(true);
        let answer = request.key("leaseKey", Value::S(key.0.clone())).send().await;
        let answer = answer.map_err(|error| explain(self.what(&format!("reading {key} in")), error))?;
        answer.item.as_ref().map_or(Ok(None), read)
    }

    /// See [`crate::lease::table::LeaseTable::create`].
    pub async fn create(&self, lease: &Lease) -> Result<bool> {
        let request = self.aws.dynamodb.put_item().table_name(&self.name).set_item(Some(item(lease)));
        match request.condition_expression("attribute_not_exists(leaseKey)").send().await {
            Ok(_) => Ok(true),
            Err(error) if code(&error) == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(explain(self.what(&format!("creating {} in", lease.key)), error)),
        }
    }

    /// See [`crate::lease::table::LeaseTable::change`].
    pub async fn change(&self, seen: &Lease, change: &Change) -> Result<Lease> {
        let Update { condition, set, remove, values } = Update::of(seen, change);
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE {}", remove.join(", "));
        }
        let request = self.aws.dynamodb.update_item().table_name(&self.name);
        let request = request.key("leaseKey", Value::S(seen.key.0.clone())).update_expression(expression);
        let request = request.condition_expression(condition).set_expression_attribute_values(Some(values));
        match request.return_values(ReturnValue::AllNew).send().await {
            Ok(answer) => answer.attributes.as_ref().map_or(Ok(None), read)?.ok_or_else(|| fenced(&seen.key)),
            Err(error) if code(&error) == Some("ConditionalCheckFailedException") => Err(fenced(&seen.key)),
            Err(error) => Err(explain(self.what(&format!("changing {} in", seen.key)), error)),
        }
    }

    /// See [`crate::lease::table::LeaseTable::remove`].
    pub async fn remove(&self, seen: &Lease) -> Result<bool> {
        let request =
            self.aws.dynamodb.delete_item().table_name(&self.name).key("leaseKey", Value::S(seen.key.0.clone()));
        let request =
            request.condition_expression("leaseCounter = :n").expression_attribute_values(":n", number(seen.counter));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if code(&error) == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(explain(self.what(&format!("removing {} from", seen.key)), error)),
        }
    }

    fn what(&self, doing: &str) -> String {
        format!("{doing} the lease table {}", self.name)
    }
}

/// A write as DynamoDB takes it.
struct Update {
    condition: String,
    set: Vec<String>,
    remove: Vec<&'static str>,
    values: Item,
}

impl Update {
    fn of(seen: &Lease, change: &Change) -> Update {
        let mut update = Update {
            condition: "leaseCounter = :seen".into(),
            set: Vec::new(),
            remove: Vec::new(),
            values: Item::new(),
        };
        // Numbers and owners that the condition compares with.
        let counted = !matches!(change, Change::HandOff { .. } | Change::NoteChildren(_));
        if counted {
            update.values.insert(":seen".into(), number(seen.counter));
            update.set("leaseCounter", number(seen.counter + 1));
        }
        match change {
            Change::Renew { throughput, progress } => {
                update.condition += " AND attribute_not_exists(checkpointOwner)";
                update.set("throughputKBps", number(*throughput));
                update.progress(progress);
            }
            Change::Checkpoint { to, progress } => {
                update.set("checkpoint", Value::S(to.text()));
                update.set("checkpointSubSequenceNumber", number(u64::from(to.sub())));
                update.set("ownerSwitchesSinceCheckpoint", number(0));
                update.progress(progress);
            }
            Change::Take { by } => {
                update.set("leaseOwner", Value::S(by.0.clone()));
                update.remove.push("checkpointOwner");
                update.set("ownerSwitchesSinceCheckpoint", number(seen.switches + 1));
            }
            Change::HandOff { to } => {
                update.condition = "leaseOwner = :old AND attribute_not_exists(checkpointOwner)".into();
                update.values.insert(":old".into(), Value::S(seen.owner.clone().unwrap_or(WorkerId(String::new())).0));
                update.set("leaseOwner", Value::S(to.0.clone()));
                update.set.push("checkpointOwner = :old".into());
            }
            Change::HandedOver => {
                update.condition += " AND checkpointOwner = :old";
                let old = seen.handing_over.clone().unwrap_or(WorkerId(String::new()));
                update.values.insert(":old".into(), Value::S(old.0));
                update.remove.push("checkpointOwner");
                update.set("ownerSwitchesSinceCheckpoint", number(seen.switches + 1));
            }
            Change::Release => update.remove.extend(["leaseOwner", "checkpointOwner"]),
            Change::NoteChildren(children) => {
                update.condition = "attribute_exists(leaseKey)".into();
                update.set("childShardIds", shards(children));
            }
        }
        update
    }

    fn set(&mut self, name: &str, value: Value) {
        self.set.push(format!("{name} = :{name}"));
        self.values.insert(format!(":{name}"), value);
    }

    fn progress(&mut self, progress: &Progress) {
        let Progress { effective, frontier, snapshot } = progress;
        self.set("oddsmillEffective", Value::N(effective.0.to_string()));
        self.set("oddsmillFrontier", Value::N(frontier.0.to_string()));
        match snapshot {
            Some(position) => self.set("oddsmillSnapshot", Value::S(position.to_string())),
            None => self.remove.push("oddsmillSnapshot"),
        }
    }
}

/// A new lease as an item.
fn item(lease: &Lease) -> Item {
    let mut item = Item::from([
        ("leaseKey".into(), Value::S(lease.key.0.clone())),
        ("leaseCounter".into(), number(lease.counter)),
        ("checkpoint".into(), Value::S(lease.reached.text())),
        ("checkpointSubSequenceNumber".into(), number(u64::from(lease.reached.sub()))),
        ("ownerSwitchesSinceCheckpoint".into(), number(lease.switches)),
    ]);
    if let Some(stream) = &lease.stream {
        item.insert("streamName".into(), Value::S(stream.clone()));
        item.insert("shardId".into(), Value::S(lease.shard.to_string()));
    }
    if let Some(range) = &lease.range {
        item.insert("startingHashKey".into(), Value::S(range.start.to_string()));
        item.insert("endingHashKey".into(), Value::S(range.end.to_string()));
    }
    for (name, list) in [("parentShardId", &lease.parents), ("childShardIds", &lease.children)] {
        // A set has at least one member.
        if !list.is_empty() {
            item.insert(name.into(), shards(list));
        }
    }
    for (name, worker) in [("leaseOwner", &lease.owner), ("checkpointOwner", &lease.handing_over)] {
        item.extend(worker.iter().map(|worker| (name.to_owned(), Value::S(worker.0.clone()))));
    }
    item
}

/// Reads an item; nothing where it is of another kind.
fn read(item: &Item) -> Result<Option<Lease>> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    if text("entityType").is_some_and(|kind| kind != "LEASE") {
        return Ok(None);
    }
    let key =
        text("leaseKey").ok_or_else(|| Error::Reject("a row of the lease table has no leaseKey of type S".into()))?;
    let bad = |name: &str| {
        Error::Reject(format!(
            "lease {key}: {name} is missing, or has another type; is this the lease table of a Kinesis Client Library?"
        ))
    };
    let count = |name: &str| -> Result<Option<u64>> {
        let Some(value) = item.get(name) else { return Ok(None) };
        let digits = value.as_n().map_err(|_| bad(name))?;
        // The library writes rates as decimals.
        digits.split('.').next().and_then(|whole| whole.parse().ok()).map(Some).ok_or_else(|| bad(name))
    };
    let list = |name: &str| -> Result<Vec<ShardId>> {
        let Some(value) = item.get(name) else { return Ok(Vec::new()) };
        let mut shards: Vec<ShardId> =
            value.as_ss().map_err(|_| bad(name))?.iter().map(|shard| shard.parse()).collect::<Result<_>>()?;
        shards.sort();
        Ok(shards)
    };
    let time = |name: &str| -> Result<Arrival> {
        let digits = item.get(name).map(|value| value.as_n().map_err(|_| bad(name))).transpose()?;
        digits.map_or(Ok(Arrival::MIN), |digits| digits.parse().map(Arrival).map_err(|_| bad(name)))
    };
    let shard = text("shardId").or_else(|| key.rsplit(':').next().map(str::to_owned)).unwrap_or_default();
    let mut reached: Reached = text("checkpoint").ok_or_else(|| bad("checkpoint"))?.parse()?;
    if let (Reached::At(position), Some(sub)) = (reached, count("checkpointSubSequenceNumber")?) {
        reached = Reached::At(position.with_sub(u32::try_from(sub).unwrap_or(u32::MAX)));
    }
    let range =
        text("startingHashKey").zip(text("endingHashKey")).map(|(start, end)| hash_range(&start, &end)).transpose()?;
    let snapshot = text("oddsmillSnapshot").map(|position| position.parse::<Position>()).transpose()?;
    let progress = Progress { effective: time("oddsmillEffective")?, frontier: time("oddsmillFrontier")?, snapshot };
    Ok(Some(Lease {
        stream: text("streamName"),
        shard: shard.parse()?,
        range,
        parents: list("parentShardId")?,
        children: list("childShardIds")?,
        owner: text("leaseOwner").map(WorkerId),
        handing_over: text("checkpointOwner").map(WorkerId),
        counter: count("leaseCounter")?.ok_or_else(|| bad("leaseCounter"))?,
        reached,
        switches: count("ownerSwitchesSinceCheckpoint")?.unwrap_or(0),
        throughput: count("throughputKBps")?.unwrap_or(0),
        progress,
        key: LeaseKey(key),
    }))
}

fn number(n: u64) -> Value {
    Value::N(n.to_string())
}

fn shards(list: &[ShardId]) -> Value {
    Value::Ss(list.iter().map(ShardId::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::HashRange;

    #[test]
    fn a_row_of_the_library_is_read_and_ours_has_its_names() {
        let mut lease = Lease::new(
            LeaseKey("123456789012:bets:1717000000:shardId-000000000003".into()),
            Some("bets".into()),
            ShardId(3),
            "49545115243490985018280067714973144582180062593244200961".parse().unwrap(),
        );
        lease.range = Some(HashRange { start: 0, end: u128::MAX });
        (lease.parents, lease.children) = (vec![ShardId(0), ShardId(1)], vec![ShardId(5)]);
        (lease.owner, lease.handing_over) = (Some(WorkerId("w1".into())), Some(WorkerId("w0".into())));
        (lease.counter, lease.switches) = (17, 2);
        assert_eq!(read(&item(&lease)).unwrap(), Some(lease.clone()));

        let mut row = item(&lease);
        row.insert("checkpointSubSequenceNumber".into(), number(4));
        row.insert("throughputKBps".into(), Value::N("12.75".into()));
        row.insert("pendingCheckpointSubSequenceNumber".into(), number(0));
        row.insert("entityType".into(), Value::S("LEASE".into()));
        let read_back = read(&row).unwrap().unwrap();
        assert_eq!((read_back.reached.sub(), read_back.throughput), (4, 12));
        row.insert("entityType".into(), Value::S("WORKER_METRIC_STATS".into()));
        assert_eq!(read(&row).unwrap(), None);
    }

    #[test]
    fn a_row_that_cannot_be_read_says_which_field() {
        let lease = Lease::new(LeaseKey("shardId-000000000003".into()), None, ShardId(3), Reached::TrimHorizon);
        for (name, value) in [
            ("leaseCounter", Value::S("x".into())),
            ("leaseCounter", Value::Bool(true)),
            ("checkpoint", number(1)),
            ("throughputKBps", Value::S("fast".into())),
            ("parentShardId", Value::S("shardId-000000000001".into())),
            ("oddsmillFrontier", Value::S("soon".into())),
        ] {
            let mut row = item(&lease);
            row.insert(name.into(), value);
            let error = read(&row).unwrap_err().to_string();
            assert!(error.contains("shardId-000000000003") && error.contains(name), "{error}");
        }
    }
}
