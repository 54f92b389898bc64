//! Small answers of SQL as values, for commands that say more than a table can.

use futures::StreamExt;
use serde_json::Value;

use super::exit::Failure;
use crate::control::{Access, Rows};

/// A query's rows as JSON objects. For answers of a few rows.
pub async fn objects(access: &Access, sql: &str) -> Result<Vec<Value>, Failure> {
    let mut rows = access.sql(sql).await?;
    let mut bytes = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut bytes);
    while let Some(batch) = rows.batches.next().await {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| Failure::Failed(error.to_string()))).collect()
}

/// A query's rows as texts, in the order of its columns; null is an empty text.
pub async fn cells(access: &Access, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
    texts(access.sql(sql).await?).await
}

/// Rows as texts; null is an empty text.
pub async fn texts(mut rows: Rows) -> Result<Vec<Vec<String>>, Failure> {
    let mut found = Vec::new();
    let options = arrow::util::display::FormatOptions::default();
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        let columns =
            batch.columns().iter().map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        found.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    Ok(found)
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
