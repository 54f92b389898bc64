//! What an account must have: streams and tables, with what each is like; and how it is made.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};
use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails, StreamStatus};

use super::Aws;
use super::decisions::{DECISIONS, EXPIRES};
use super::error::{code, explain};
use super::leases::DynamoLeases;
use super::streams::describe;
use super::tables::{GROUP, STATE, SUMS, WINDOW, index_name};
use crate::error::{Error, Result};
use crate::tables::FactTable;

/// How long something may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// The type of a key's attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A table and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// The attribute of the partition key.
    pub hash: &'static str,
    /// The attribute of the sort key, if it has one.
    pub range: Option<(&'static str, KeyKind)>,
    /// Columns to find items by; each index is sorted by the partition key and holds keys alone.
    pub indexes: Vec<&'static str>,
    /// The attribute after whose time (in seconds) an item may go.
    pub ttl: Option<&'static str>,
}

/// A stream and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// Shards; none for a stream that grows by itself.
    pub shards: Option<u32>,
}

/// What an account must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Streams.
    pub streams: Vec<StreamSpec>,
    /// Tables.
    pub tables: Vec<TableSpec>,
    /// The lease table.
    pub leases: String,
}

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A stream.
    Stream(StreamSpec),
    /// A table.
    Table(TableSpec),
    /// The lease table.
    Leases(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Stream(StreamSpec { name, shards: Some(shards) }) => {
                write!(f, "stream {name} (provisioned, {shards} shards)")
            }
            Missing::Stream(StreamSpec { name, shards: None }) => write!(f, "stream {name} (on demand)"),
            Missing::Table(table) => {
                write!(f, "table {} (key {}", table.name, table.hash)?;
                if let Some((range, _)) = table.range {
                    write!(f, " and {range}")?;
                }
                table.indexes.iter().try_for_each(|column| write!(f, "; index {}", index_name(column)))?;
                if let Some(ttl) = table.ttl {
                    write!(f, "; items expire at {ttl}")?;
                }
                write!(f, "; on demand)")
            }
            Missing::Leases(name) => {
                write!(f, "table {name} (leases, as the Kinesis Client Library keeps them; on demand)")
            }
        }
    }
}

/// The tables under a prefix: row tables of their own, the table of window results, fact tables.
pub fn tables(prefix: &str, own: &[&str], results: &str, facts: &[&FactTable]) -> Vec<TableSpec> {
    let table = |name: &str, hash, range| TableSpec {
        name: format!("{prefix}{name}"),
        hash,
        range,
        indexes: Vec::new(),
        ttl: None,
    };
    let mut tables: Vec<TableSpec> = own.iter().map(|name| table(name, "id", None)).collect();
    tables.push(table(STATE, "t", Some(("k", KeyKind::Bytes))));
    tables.push(TableSpec { ttl: Some(EXPIRES), ..table(DECISIONS, "id", None) });
    tables.push(table(SUMS, "id", Some(("shard", KeyKind::Text))));
    tables.push(table(results, WINDOW, Some((GROUP, KeyKind::Text))));
    for fact in facts.iter().filter(|fact| !fact.schema.fields().is_empty()) {
        tables.push(TableSpec { indexes: fact.indexes.to_vec(), ..table(fact.name, "id", None) });
    }
    tables
}

/// What of it is missing.
pub async fn missing(aws: &Aws, needed: &Needed) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for stream in &needed.streams {
        if describe(aws, &stream.name).await?.is_none() {
            missing.push(Missing::Stream(stream.clone()));
        }
    }
    for table in &needed.tables {
        if status(aws, &table.name).await?.is_none() {
            missing.push(Missing::Table(table.clone()));
        }
    }
    if status(aws, &needed.leases).await?.is_none() {
        missing.push(Missing::Leases(needed.leases.clone()));
    }
    Ok(missing)
}

/// Makes what is missing, and waits until it is ready. What somebody else made meanwhile is as good.
pub async fn create(aws: &Aws, missing: &Missing) -> Result<()> {
    match missing {
        Missing::Stream(stream) => create_stream(aws, stream).await,
        Missing::Table(table) => create_table(aws, table).await,
        Missing::Leases(name) => {
            DynamoLeases::new(aws.clone(), name).create_table().await?;
            table_ready(aws, name).await
        }
    }
}

async fn create_stream(aws: &Aws, stream: &StreamSpec) -> Result<()> {
    let mode = if stream.shards.is_some() { StreamMode::Provisioned } else { StreamMode::OnDemand };
    let mode = StreamModeDetails::builder().stream_mode(mode).build();
    let mode = mode.map_err(|cause| Error::fatal("a stream's mode", cause))?;
    let shards = stream.shards.map(|shards| i32::try_from(shards).unwrap_or(i32::MAX));
    let request = aws.kinesis.create_stream().stream_name(&stream.name).set_shard_count(shards);
    match request.stream_mode_details(mode).send().await {
        Ok(_) => {}
        Err(error) if code(&error) == Some("ResourceInUseException") => {}
        Err(error) => return Err(explain(format!("creating stream {}", stream.name), error)),
    }
    let ready = async || {
        let summary = describe(aws, &stream.name).await?;
        Ok(summary.is_some_and(|summary| *summary.stream_status() == StreamStatus::Active))
    };
    until_ready(&format!("stream {}", stream.name), ready).await
}

async fn create_table(aws: &Aws, table: &TableSpec) -> Result<()> {
    let request = aws.dynamodb.create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
    let request = definition(table, request).map_err(|cause| Error::fatal("a table's definition", cause))?;
    match request.send().await {
        Ok(_) => {}
        Err(error) if code(&error) == Some("ResourceInUseException") => {}
        Err(error) => return Err(explain(format!("creating table {}", table.name), error)),
    }
    table_ready(aws, &table.name).await?;
    let Some(ttl) = table.ttl else { return Ok(()) };
    let spec = TimeToLiveSpecification::builder().enabled(true).attribute_name(ttl).build();
    let spec = spec.map_err(|cause| Error::fatal("a time to live", cause))?;
    let request = aws.dynamodb.update_time_to_live().table_name(&table.name).time_to_live_specification(spec);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(format!("setting the time to live of table {}", table.name), error)),
    }
}

type CreateTable = aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;

fn definition(
    table: &TableSpec,
    request: CreateTable,
) -> std::result::Result<CreateTable, aws_sdk_dynamodb::error::BuildError> {
    let attribute = |name: &str, kind| {
        let kind = if kind == KeyKind::Text { ScalarAttributeType::S } else { ScalarAttributeType::B };
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let mut request = request
        .attribute_definitions(attribute(table.hash, KeyKind::Text)?)
        .key_schema(key(table.hash, KeyType::Hash)?);
    if let Some((range, kind)) = table.range {
        request = request.attribute_definitions(attribute(range, kind)?).key_schema(key(range, KeyType::Range)?);
    }
    for column in &table.indexes {
        let index = GlobalSecondaryIndex::builder()
            .index_name(index_name(column))
            .key_schema(key(column, KeyType::Hash)?)
            .key_schema(key(table.hash, KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()?;
        request = request.attribute_definitions(attribute(column, KeyKind::Text)?).global_secondary_indexes(index);
    }
    Ok(request)
}

async fn table_ready(aws: &Aws, name: &str) -> Result<()> {
    let ready = async || Ok(status(aws, name).await? == Some(TableStatus::Active));
    until_ready(&format!("table {name}"), ready).await
}

/// A table's status, if there is one of this name.
pub async fn status(aws: &Aws, name: &str) -> Result<Option<TableStatus>> {
    match aws.dynamodb.describe_table().table_name(name).send().await {
        Ok(answer) => Ok(answer.table.and_then(|table| table.table_status)),
        Err(error) if code(&error) == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(explain(format!("describing table {name}"), error)),
    }
}

async fn until_ready(what: &str, mut ready: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let waiting = async {
        while !ready().await? {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(READY_WITHIN, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Retry(format!("{what} is not ready after {} s", READY_WITHIN.as_secs()))),
    }
}
