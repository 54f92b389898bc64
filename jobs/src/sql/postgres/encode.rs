//! Values as PostgreSQL writes them, in text and in binary.

use std::fmt::Write;

use arrow::array::ListArray;
use bytes::{BufMut, BytesMut};

use super::cells::{Cells, EncodeError};
use super::types::Scalar;
use super::{numeric, times};

/// The code of the binary format; every other value is text.
pub const BINARY: i16 = 1;

impl Cells {
    /// Writes a row's value, with its length before it.
    pub fn write(&self, row: usize, format: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let at = out.len();
        out.put_u32(0);
        if format == BINARY {
            self.binary(row, out)?;
        } else {
            self.text(row, out)?;
        }
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn binary(&self, row: usize, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Cells::Bool(values) => out.put_u8(values.value(row).into()),
            Cells::Int(values, scalar) => return put_int(values.value(row), *scalar, out),
            Cells::Float(values, Scalar::Float4) => out.put_f32(values.value(row) as f32),
            Cells::Float(values, _) => out.put_f64(values.value(row)),
            Cells::Decimal(values) => numeric::write(&values.value_as_string(row), out),
            Cells::Wide(values) => numeric::write(&values.value_as_string(row), out),
            Cells::Text(values) => out.put_slice(values.value(row).as_bytes()),
            Cells::Bytes(values) => out.put_slice(values.value(row)),
            Cells::Day(values) => out.put_i32(values.value(row).saturating_sub(times::EPOCH_DAYS)),
            Cells::Time(values) => out.put_i64(values.value(row)),
            Cells::Moment(values, _) => out.put_i64(values.value(row).saturating_sub(times::EPOCH_MICROS)),
            Cells::Interval(values) => {
                let length = values.value(row);
                out.put_i64(length.nanoseconds / 1_000);
                out.put_i32(length.days);
                out.put_i32(length.months);
            }
            Cells::List(lists, kind, items) => {
                let range = range(lists, row);
                let nulls = range.clone().any(|item| items.is_null(item));
                out.put_i32(i32::from(!range.is_empty()));
                out.put_i32(nulls.into());
                out.put_u32(kind.oid());
                if !range.is_empty() {
                    out.put_u32(range.len() as u32);
                    out.put_u32(1);
                }
                for item in range {
                    items.write(item, BINARY, out)?;
                }
            }
        }
        Ok(())
    }

    fn text(&self, row: usize, out: &mut BytesMut) -> Result<(), EncodeError> {
        let range = |text: Option<String>, name, value: i64| {
            text.ok_or_else(|| EncodeError::Range { value: value.to_string(), name })
        };
        match self {
            Cells::Bool(values) => out.put_u8(if values.value(row) { b't' } else { b'f' }),
            Cells::Int(values, _) => say(out, format_args!("{}", values.value(row))),
            Cells::Float(values, _) => float(values.value(row), out),
            Cells::Decimal(values) => out.put_slice(values.value_as_string(row).as_bytes()),
            Cells::Wide(values) => out.put_slice(values.value_as_string(row).as_bytes()),
            Cells::Text(values) => out.put_slice(values.value(row).as_bytes()),
            Cells::Bytes(values) => {
                out.put_slice(b"\\x");
                values.value(row).iter().for_each(|byte| say(out, format_args!("{byte:02x}")));
            }
            Cells::Day(values) => {
                let days = values.value(row);
                out.put_slice(range(times::day(days), "date", days.into())?.as_bytes());
            }
            Cells::Time(values) => out.put_slice(times::time_of_day(values.value(row)).as_bytes()),
            Cells::Moment(values, zoned) => {
                let micros = values.value(row);
                out.put_slice(range(times::moment(micros, *zoned), "timestamp", micros)?.as_bytes());
            }
            Cells::Interval(values) => out.put_slice(times::interval(values.value(row)).as_bytes()),
            Cells::List(lists, _, items) => items.braced(self::range(lists, row), out)?,
        }
        Ok(())
    }

    /// A list in text: `{a,NULL,"b c"}`.
    fn braced(&self, items: std::ops::Range<usize>, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u8(b'{');
        let mut item = BytesMut::new();
        for (place, row) in items.enumerate() {
            if place > 0 {
                out.put_u8(b',');
            }
            if self.is_null(row) {
                out.put_slice(b"NULL");
                continue;
            }
            item.clear();
            self.text(row, &mut item)?;
            let plain = |byte: &u8| !b"{}\",\\".contains(byte) && !byte.is_ascii_whitespace();
            if !item.is_empty() && item.iter().all(plain) && !item.eq_ignore_ascii_case(b"NULL") {
                out.put_slice(&item);
                continue;
            }
            out.put_u8(b'"');
            for byte in &item {
                if b"\"\\".contains(byte) {
                    out.put_u8(b'\\');
                }
                out.put_u8(*byte);
            }
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        Ok(())
    }
}

fn range(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = lists.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn put_int(value: i64, scalar: Scalar, out: &mut BytesMut) -> Result<(), EncodeError> {
    let beyond = || EncodeError::Range { value: value.to_string(), name: scalar.facts().shown };
    match scalar {
        Scalar::Int2 => out.put_i16(value.try_into().map_err(|_| beyond())?),
        Scalar::Int4 => out.put_i32(value.try_into().map_err(|_| beyond())?),
        Scalar::Oid => out.put_u32(value.try_into().map_err(|_| beyond())?),
        _ => out.put_i64(value),
    }
    Ok(())
}

fn float(value: f64, out: &mut BytesMut) {
    if value.is_nan() {
        out.put_slice(b"NaN");
    } else if value.is_infinite() {
        out.put_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if value == 0.0 || (1e-5..1e15).contains(&value.abs()) {
        say(out, format_args!("{value}"));
    } else {
        say(out, format_args!("{value:e}"));
    }
}

fn say(out: &mut BytesMut, text: std::fmt::Arguments) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
