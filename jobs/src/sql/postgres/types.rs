//! Which PostgreSQL type a column has, and what clients ask about types.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// What a value is, in PostgreSQL's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    Bool,
    Bytea,
    Int8,
    Int2,
    Int4,
    Text,
    Oid,
    Json,
    Float4,
    Float8,
    Varchar,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Numeric,
    Name,
    Uuid,
}

/// What the catalog says of a type.
#[derive(Debug)]
pub struct Facts {
    /// The type.
    pub scalar: Scalar,
    /// Its number.
    pub oid: u32,
    /// The number of its arrays' type.
    pub array: u32,
    /// Bytes of a value; -1 where they differ.
    pub length: i16,
    /// Its name in the catalog.
    pub name: &'static str,
    /// Its name in SQL.
    pub shown: &'static str,
    /// Its category: B, N, S, D, T or U.
    pub category: &'static str,
}

const fn facts(
    scalar: Scalar,
    oid: u32,
    array: u32,
    length: i16,
    name: &'static str,
    shown: &'static str,
    category: &'static str,
) -> Facts {
    Facts { scalar, oid, array, length, name, shown, category }
}

/// Every type that there is here. The numbers are PostgreSQL's, the same in all its versions.
pub const TYPES: &[Facts] = &[
    facts(Scalar::Bool, 16, 1000, 1, "bool", "boolean", "B"),
    facts(Scalar::Bytea, 17, 1001, -1, "bytea", "bytea", "U"),
    facts(Scalar::Name, 19, 1003, 64, "name", "name", "S"),
    facts(Scalar::Int8, 20, 1016, 8, "int8", "bigint", "N"),
    facts(Scalar::Int2, 21, 1005, 2, "int2", "smallint", "N"),
    facts(Scalar::Int4, 23, 1007, 4, "int4", "integer", "N"),
    facts(Scalar::Text, 25, 1009, -1, "text", "text", "S"),
    facts(Scalar::Oid, 26, 1028, 4, "oid", "oid", "N"),
    facts(Scalar::Json, 114, 199, -1, "json", "json", "U"),
    facts(Scalar::Float4, 700, 1021, 4, "float4", "real", "N"),
    facts(Scalar::Float8, 701, 1022, 8, "float8", "double precision", "N"),
    facts(Scalar::Varchar, 1043, 1015, -1, "varchar", "character varying", "S"),
    facts(Scalar::Date, 1082, 1182, 4, "date", "date", "D"),
    facts(Scalar::Time, 1083, 1183, 8, "time", "time without time zone", "D"),
    facts(Scalar::Timestamp, 1114, 1115, 8, "timestamp", "timestamp without time zone", "D"),
    facts(Scalar::TimestampTz, 1184, 1185, 8, "timestamptz", "timestamp with time zone", "D"),
    facts(Scalar::Interval, 1186, 1187, 16, "interval", "interval", "T"),
    facts(Scalar::Numeric, 1700, 1231, -1, "numeric", "numeric", "N"),
    facts(Scalar::Uuid, 2950, 2951, 16, "uuid", "uuid", "U"),
];

impl Scalar {
    /// What the catalog says of it.
    pub fn facts(self) -> &'static Facts {
        TYPES.iter().find(|facts| facts.scalar == self).unwrap_or(&TYPES[6])
    }

    /// The type with this number, if it is known and no array's.
    pub fn of_oid(oid: u32) -> Option<Scalar> {
        TYPES.iter().find(|facts| facts.oid == oid).map(|facts| facts.scalar)
    }
}

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Of its values, or of what is in its lists.
    pub scalar: Scalar,
    /// Whether its values are lists.
    pub list: bool,
    /// Precision and scale of a number, in PostgreSQL's packing; -1 for none.
    pub modifier: i32,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// What a field of the catalog's own is marked with, where its type says too little.
pub const MARK: &str = "postgres";

impl Kind {
    /// A type that is no list.
    pub const fn of(scalar: Scalar) -> Kind {
        Kind { scalar, list: false, modifier: -1 }
    }

    /// The type that a column is sent as.
    pub fn of_field(field: &Field) -> Kind {
        if field.metadata().get(MARK).is_some_and(|mark| mark == "oid") {
            return Kind::of(Scalar::Oid);
        }
        Kind::of_type(field.data_type())
    }

    /// The type that values are sent as. Whatever has no type of its own is JSON.
    pub fn of_type(data_type: &DataType) -> Kind {
        let scalar = match data_type {
            DataType::Boolean => Scalar::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Scalar::Int2,
            DataType::UInt16 | DataType::Int32 => Scalar::Int4,
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Scalar::Int8,
            DataType::Float16 | DataType::Float32 => Scalar::Float4,
            DataType::Float64 => Scalar::Float8,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => return numeric(*precision, *scale),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Scalar::Bytea
            }
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Scalar::Text,
            DataType::Date32 | DataType::Date64 => Scalar::Date,
            DataType::Time32(_) | DataType::Time64(_) => Scalar::Time,
            DataType::Timestamp(_, None) => Scalar::Timestamp,
            DataType::Timestamp(_, Some(_)) => Scalar::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Scalar::Interval,
            DataType::Dictionary(_, values) => return Kind::of_type(values),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let item = Kind::of_type(item.data_type());
                // A list of lists is no array of an array's type; as JSON it is what it is.
                return if item.list || item.scalar == Scalar::Json {
                    Kind::of(Scalar::Json)
                } else {
                    Kind { list: true, ..item }
                };
            }
            _ => Scalar::Json,
        };
        Kind::of(scalar)
    }

    /// The type's number.
    pub fn oid(self) -> u32 {
        let facts = self.scalar.facts();
        if self.list { facts.array } else { facts.oid }
    }

    /// Bytes of a value; -1 where they differ.
    pub fn length(self) -> i16 {
        if self.list { -1 } else { self.scalar.facts().length }
    }
}

fn numeric(precision: u8, scale: i8) -> Kind {
    let modifier = (i32::from(precision) << 16 | (i32::from(scale) & 0x7ff)) + 4;
    Kind { scalar: Scalar::Numeric, list: false, modifier }
}

/// The columns of rows with this schema.
pub fn columns(schema: &Schema) -> Vec<Column> {
    let column = |field: &std::sync::Arc<Field>| Column { name: field.name().clone(), kind: Kind::of_field(field) };
    schema.fields().iter().map(column).collect()
}

/// A type as people write it: `numeric(38,6)`, `text[]`.
pub fn shown(oid: u32, modifier: i32) -> Option<String> {
    let facts = TYPES.iter().find(|facts| facts.oid == oid || facts.array == oid)?;
    let mut name = facts.shown.to_owned();
    if facts.scalar == Scalar::Numeric && modifier >= 4 {
        let packed = modifier - 4;
        name = format!("numeric({},{})", packed >> 16, packed & 0x7ff);
    }
    Some(if facts.array == oid { format!("{name}[]") } else { name })
}

/// The type that a parameter of this kind has while a query is planned.
pub fn planned_type(scalar: Scalar) -> DataType {
    match scalar {
        Scalar::Bool => DataType::Boolean,
        Scalar::Bytea => DataType::Binary,
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => DataType::Int64,
        Scalar::Float4 | Scalar::Float8 => DataType::Float64,
        Scalar::Date => DataType::Date32,
        Scalar::Time => DataType::Time64(TimeUnit::Microsecond),
        Scalar::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Scalar::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Scalar::Numeric => DataType::Decimal128(38, 10),
        _ => DataType::Utf8,
    }
}
