//! Tables of the interpreter, and what becomes of them: a batch as any other answer has.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int16Array, Int32Array, Int64Array, ListBuilder, RecordBatch, RecordBatchOptions,
    StringArray, StringBuilder, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::super::types::MARK;
use super::value::Value;

/// A row.
pub type Row = Vec<Value>;

/// What a column is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// Two bytes.
    Int2,
    /// Four bytes.
    Int4,
    /// Eight bytes.
    Int8,
    /// An object's number.
    Oid,
    /// Text, and whatever else.
    Text,
    /// Arrays of text.
    Texts,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// The table's name in the query.
    pub table: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it is sent as.
    pub kind: Type,
}

/// A column of no table.
pub fn column(name: &str, kind: Type) -> Column {
    Column { table: "".into(), name: name.into(), kind }
}

/// Rows and their columns.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Names of tables that may have columns which are not listed, and are NULL.
    pub open: Vec<Arc<str>>,
}

impl Table {
    /// The same under another name.
    pub fn called(&self, name: &str) -> Table {
        let table: Arc<str> = name.into();
        let columns = self.columns.iter().map(|column| Column { table: table.clone(), ..column.clone() });
        let open = self.open.iter().map(|_| table.clone()).take(1).collect();
        Table { columns: columns.collect(), rows: self.rows.clone(), open }
    }
}

/// The rows as a batch.
pub fn batch(table: Table) -> Result<RecordBatch, ArrowError> {
    let Table { columns, rows, .. } = table;
    let field = |column: &Column| {
        let field = Field::new(column.name.to_string(), data_type(column.kind), true);
        let mark = (column.kind == Type::Oid).then(|| (MARK.to_owned(), "oid".to_owned()));
        field.with_metadata(HashMap::from_iter(mark))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.iter().enumerate().map(|(place, column)| array(&rows, place, column.kind)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
}

fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Bool => DataType::Boolean,
        Type::Int2 => DataType::Int16,
        Type::Int4 => DataType::Int32,
        Type::Int8 => DataType::Int64,
        Type::Oid => DataType::UInt32,
        Type::Text => DataType::Utf8,
        Type::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
    }
}

/// A column's values; one that is not of its type is NULL.
fn array(rows: &[Row], place: usize, kind: Type) -> ArrayRef {
    let values = || rows.iter().map(move |row| row.get(place).unwrap_or(&Value::Null));
    match kind {
        Type::Bool => Arc::new(values().map(Value::truth).collect::<BooleanArray>()),
        Type::Int2 => Arc::new(values().map(|v| v.number()?.try_into().ok()).collect::<Int16Array>()),
        Type::Int4 => Arc::new(values().map(|v| v.number()?.try_into().ok()).collect::<Int32Array>()),
        Type::Int8 => Arc::new(values().map(Value::number).collect::<Int64Array>()),
        Type::Oid => Arc::new(values().map(|v| v.number()?.try_into().ok()).collect::<UInt32Array>()),
        Type::Text => Arc::new(values().map(Value::said).collect::<StringArray>()),
        Type::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for value in values() {
                let items = value.items();
                items.iter().flat_map(|items| items.iter()).for_each(|item| lists.values().append_option(item.said()));
                lists.append(items.is_some());
            }
            Arc::new(lists.finish())
        }
    }
}
