//! Whether an account is fit: what is missing, what differs, what is not allowed, each with its fix.

use std::fmt;

use aws_sdk_dynamodb::types::{BillingMode, TableDescription};

use super::Aws;
use super::error::explain;
use super::setup::{Needed, TableSpec};
use super::streams::describe;
use super::tables::index_name;
use crate::error::{Error, Result};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Something to mend, and how.
    Problem {
        /// What.
        what: String,
        /// How.
        fix: String,
    },
}

impl Finding {
    /// Whether it is something to mend.
    pub fn is_problem(&self) -> bool {
        matches!(self, Finding::Problem { .. })
    }

    fn problem(what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding::Problem { what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Good(what) => write!(f, "good     {what}"),
            Finding::Problem { what, fix } => write!(f, "problem  {what}\n         {fix}"),
        }
    }
}

/// Checks everything that is needed.
///
/// # Errors
/// `Retry` where AWS is out of reach; what is not allowed is a finding.
pub async fn all(aws: &Aws, needed: &Needed) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for stream in &needed.streams {
        findings.push(found(stream_finding(aws, &stream.name).await, "kinesis:DescribeStreamSummary", &stream.name)?);
    }
    for table in &needed.tables {
        findings.extend(
            table_findings(aws, table)
                .await
                .or_else(|error| Ok::<_, Error>(vec![found(Err(error), "dynamodb:DescribeTable", &table.name)?]))?,
        );
    }
    let leases =
        TableSpec { name: needed.leases.clone(), hash: "leaseKey", range: None, indexes: Vec::new(), ttl: None };
    findings.extend(
        table_findings(aws, &leases)
            .await
            .or_else(|error| Ok::<_, Error>(vec![found(Err(error), "dynamodb:DescribeTable", &leases.name)?]))?,
    );
    Ok(findings)
}

/// A refusal is a finding; an account out of reach is an error.
fn found(finding: Result<Finding>, action: &str, name: &str) -> Result<Finding> {
    match finding {
        Err(Error::Reject(why)) => Ok(Finding::problem(why, format!("allow {action} on {name}"))),
        other => other,
    }
}

async fn stream_finding(aws: &Aws, name: &str) -> Result<Finding> {
    let Some(summary) = describe(aws, name).await? else {
        return Ok(Finding::problem(format!("stream {name} is missing"), "run `oddsmill aws init`"));
    };
    let hours = summary.retention_period_hours();
    let mode = summary.stream_mode_details().map_or("provisioned", |mode| mode.stream_mode().as_str());
    if hours < 24 {
        let fix =
            format!("aws kinesis increase-stream-retention-period --stream-name {name} --retention-period-hours 24");
        return Ok(Finding::problem(
            format!("stream {name} keeps records for {hours} h: a day's outage would lose some"),
            fix,
        ));
    }
    let shards = summary.open_shard_count();
    Ok(Finding::Good(format!("stream {name}: {shards} open shards, {}, keeps {hours} h", mode.to_lowercase())))
}

async fn table_findings(aws: &Aws, spec: &TableSpec) -> Result<Vec<Finding>> {
    let name = &spec.name;
    let table = match aws.dynamodb.describe_table().table_name(name).send().await {
        Ok(answer) => answer.table.ok_or_else(|| Error::Retry(format!("describing table {name}: no answer")))?,
        Err(error) if super::error::code(&error) == Some("ResourceNotFoundException") => {
            return Ok(vec![Finding::problem(format!("table {name} is missing"), "run `oddsmill aws init`")]);
        }
        Err(error) => return Err(explain(format!("describing table {name}"), error)),
    };
    let mut findings = differences(&table, spec);
    if findings.is_empty() {
        findings.push(Finding::Good(format!("table {name}: {} items", table.item_count().unwrap_or(0))));
    }
    Ok(findings)
}

/// How a table differs from what it should be.
fn differences(table: &TableDescription, spec: &TableSpec) -> Vec<Finding> {
    let name = &spec.name;
    let mut findings = Vec::new();
    let keys: Vec<&str> = table.key_schema().iter().map(|key| key.attribute_name()).collect();
    let wanted: Vec<&str> = std::iter::once(spec.hash).chain(spec.range.map(|(name, _)| name)).collect();
    if keys != wanted {
        let what = format!("table {name} has the key {}, it should be {}", keys.join(" and "), wanted.join(" and "));
        findings.push(Finding::problem(what, "choose another aws.prefix: the table is somebody else's"));
    }
    for column in &spec.indexes {
        let wanted = index_name(column);
        if !table.global_secondary_indexes().iter().any(|index| index.index_name() == Some(&wanted)) {
            let fix = format!(
                "aws dynamodb update-table --table-name {name} … creates it; or drop the table and run `oddsmill aws init`"
            );
            findings.push(Finding::problem(format!("table {name} lacks the index {wanted}"), fix));
        }
    }
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    if mode.is_some_and(|mode| *mode == BillingMode::Provisioned) {
        let fix = format!("aws dynamodb update-table --table-name {name} --billing-mode PAY_PER_REQUEST");
        findings
            .push(Finding::problem(format!("table {name} has a fixed capacity: a busy match would be throttled"), fix));
    }
    findings
}
