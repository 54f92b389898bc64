//! `exact_div(numerator, denominator)`: a quotient with 6 decimals, rounded half to even.
//!
//! Averages in windows divide once, at the end, and must come out the same on every machine.
//! DataFusion's decimal `/` and `avg` truncate, so the quotient is computed here: scale both sides to
//! integers, divide, and look at the remainder. 256 bits are used where 128 do not suffice, so no
//! intermediate overflows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal128Builder};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type, i256};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Precision of the quotient: all that 128 bits hold.
pub const PRECISION: u8 = 38;
/// Decimals of the quotient.
pub const SCALE: i8 = 6;
/// Largest scale an argument may have: a product of two numbers with 6 decimals each.
pub const MAX_INPUT_SCALE: i8 = 12;

/// The scalar function `exact_div`, to be registered with a session.
///
/// Arguments are integers or `Decimal128` of scale 0 to [`MAX_INPUT_SCALE`]; the result is
/// `Decimal128(38, 6)`, rounded half to even. A null argument or a denominator of zero gives null; a
/// quotient of more than 38 digits is an error.
pub fn exact_div() -> ScalarUDF {
    ScalarUDF::from(ExactDiv { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactDiv {
    signature: Signature,
}

impl ScalarUDFImpl for ExactDiv {
    fn name(&self) -> &str {
        "exact_div"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [numerator, denominator] = types else {
            return plan_err!("exact_div takes a numerator and a denominator, {} arguments were given", types.len());
        };
        Ok(vec![accepted(numerator)?, accepted(denominator)?])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(PRECISION, SCALE))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let [numerator, denominator] = args.args.as_slice() else {
            return exec_err!("exact_div takes two arguments");
        };
        let quotients = divide_columns(&numerator.to_array(rows)?, &denominator.to_array(rows)?)?;
        Ok(ColumnarValue::Array(Arc::new(quotients)))
    }
}

/// The type in which an argument is read: integers widen to 64 bits, decimals stay as they are.
fn accepted(from: &DataType) -> Result<DataType> {
    match from {
        DataType::Null | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(DataType::Int64),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Ok(DataType::UInt64),
        DataType::Decimal128(_, scale) if (0..=MAX_INPUT_SCALE).contains(scale) => Ok(from.clone()),
        other => {
            plan_err!("exact_div takes integers and decimals of scale 0 to {MAX_INPUT_SCALE}, not {other}; cast it")
        }
    }
}

fn divide_columns(numerator: &ArrayRef, denominator: &ArrayRef) -> Result<Decimal128Array> {
    let (numerator, numerator_scale) = integers(numerator)?;
    let (denominator, denominator_scale) = integers(denominator)?;
    let shift = i32::from(SCALE) + i32::from(denominator_scale) - i32::from(numerator_scale);

    let mut quotients = Decimal128Builder::with_capacity(numerator.len()).with_precision_and_scale(PRECISION, SCALE)?;
    for (n, d) in numerator.iter().zip(denominator.iter()) {
        let (Some(n), Some(d)) = (n, d) else {
            quotients.append_null();
            continue;
        };
        match divide_half_even(n, d, shift) {
            Quotient::Exact(value) => quotients.append_value(value),
            Quotient::Undefined => quotients.append_null(),
            Quotient::Overflow => {
                return exec_err!(
                    "exact_div: {n}e-{numerator_scale} / {d}e-{denominator_scale} has more than {PRECISION} digits; \
                     bound the values, or divide by something larger"
                );
            }
        }
    }
    Ok(quotients.finish())
}

/// A column's unscaled integers and its scale.
fn integers(column: &ArrayRef) -> Result<(Decimal128Array, i8)> {
    match column.data_type() {
        DataType::Decimal128(_, scale) => Ok((column.as_primitive::<Decimal128Type>().clone(), *scale)),
        DataType::Int64 => Ok((column.as_primitive::<Int64Type>().unary(i128::from), 0)),
        DataType::UInt64 => Ok((column.as_primitive::<UInt64Type>().unary(i128::from), 0)),
        other => exec_err!("exact_div cannot read a column of type {other}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Quotient {
    /// The quotient in units of 10^-6.
    Exact(i128),
    /// The denominator is zero.
    Undefined,
    /// The quotient does not fit 38 digits.
    Overflow,
}

/// `numerator × 10^shift / denominator`, rounded half to even. `shift` lies between −6 and 18, so
/// that 256 bits always hold the scaled side (1.7e38 × 1e18 < 5.7e76).
fn divide_half_even(numerator: i128, denominator: i128, shift: i32) -> Quotient {
    if denominator == 0 {
        return Quotient::Undefined;
    }
    const POWERS: [i128; 19] = {
        let mut powers = [1; 19];
        let mut at = 1;
        while at < 19 {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    const LIMIT: u128 = 10_u128.pow(PRECISION as u32);
    let power = POWERS[shift.unsigned_abs() as usize];
    let quotient = narrow(numerator, denominator, shift, power).or_else(|| wide(numerator, denominator, shift, power));
    match quotient {
        Some(value) if value.unsigned_abs() < LIMIT => Quotient::Exact(value),
        _ => Quotient::Overflow,
    }
}

/// The division in 128 bits; none where an intermediate does not fit.
fn narrow(numerator: i128, denominator: i128, shift: i32, power: i128) -> Option<i128> {
    let (n, d) = if shift == 0 {
        (numerator, denominator)
    } else if shift > 0 {
        (numerator.checked_mul(power)?, denominator)
    } else {
        (numerator, denominator.checked_mul(power)?)
    };
    let (quotient, remainder) = match (u64::try_from(n), u64::try_from(d)) {
        // One instruction, where 128 bits take a function of many.
        (Ok(n), Ok(d)) if d > 0 => (i128::from(n / d), u128::from(n % d)),
        _ => (n.checked_div(d)?, n.checked_rem(d)?.unsigned_abs()),
    };
    let rest = d.unsigned_abs() - remainder;
    if remainder > rest || (remainder == rest && quotient % 2 != 0) {
        quotient.checked_add(if (n < 0) == (d < 0) { 1 } else { -1 })
    } else {
        Some(quotient)
    }
}

/// The division in 256 bits; none where the quotient does not fit 128.
fn wide(numerator: i128, denominator: i128, shift: i32, power: i128) -> Option<i128> {
    let (mut n, mut d) = (i256::from_i128(numerator), i256::from_i128(denominator));
    let power = i256::from_i128(power);
    if shift >= 0 {
        n = n.checked_mul(power)?;
    } else {
        d = d.checked_mul(power)?;
    }
    let quotient = n.checked_div(d)?.to_i128()?;
    let remainder = n.checked_rem(d)?.wrapping_abs();
    let rest = d.wrapping_abs().wrapping_sub(remainder);
    if remainder > rest || (remainder == rest && quotient % 2 != 0) {
        quotient.checked_add(if (numerator < 0) == (denominator < 0) { 1 } else { -1 })
    } else {
        Some(quotient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_half_to_even() {
        use Quotient::{Exact, Overflow, Undefined};
        let max = i128::MAX;
        // (numerator, its scale, denominator, its scale, quotient in millionths)
        let cases: &[(i128, i8, i128, i8, Quotient)] = &[
            (1, 0, 2, 0, Exact(500_000)),
            (1, 0, 3, 0, Exact(333_333)),
            (2, 0, 3, 0, Exact(666_667)),
            (-2, 0, 3, 0, Exact(-666_667)),
            (2, 0, -3, 0, Exact(-666_667)),
            (-2, 0, -3, 0, Exact(666_667)),
            // Ties go to the even neighbour, whatever the signs.
            (1, 6, 2, 0, Exact(0)),
            (3, 6, 2, 0, Exact(2)),
            (5, 6, 2, 0, Exact(2)),
            (7, 6, 2, 0, Exact(4)),
            (-1, 6, 2, 0, Exact(0)),
            (-3, 6, 2, 0, Exact(-2)),
            (-5, 6, 2, 0, Exact(-2)),
            (5, 6, -2, 0, Exact(-2)),
            (-7, 6, -2, 0, Exact(4)),
            // A hair beside the tie decides.
            (1_000_001, 12, 2, 0, Exact(1)),
            (999_999, 12, 2, 0, Exact(0)),
            (1_000_000, 12, 2, 0, Exact(0)),
            (3_000_000, 12, 2, 0, Exact(2)),
            // Products over sums: scale 12 by scale 6.
            (6_250_000_000_000, 12, 2_500_000, 6, Exact(2_500_000)),
            (1, 12, 1, 6, Exact(1)),
            (1, 12, 2, 6, Exact(0)),
            (3, 12, 2, 6, Exact(2)),
            // Scales the other way round.
            (1, 0, 1, 12, Exact(1_000_000_000_000_000_000)),
            (0, 0, 5, 12, Exact(0)),
            (1, 0, 0, 0, Undefined),
            (0, 12, 0, 6, Undefined),
            // 256 bits: the scaled numerator or denominator leaves 128.
            (max, 6, max, 6, Exact(1_000_000)),
            (max, 12, max, 0, Exact(0)),
            (max, 12, 1, 6, Overflow),
            (max, 0, 1_000_000_000_000, 0, Exact(170_141_183_460_469_231_731_687_303_715_884)),
            (i128::MIN, 6, -1, 0, Overflow),
            (max, 0, 1, 12, Overflow),
            (10_i128.pow(38) - 1, 6, 1, 0, Exact(10_i128.pow(38) - 1)),
            (10_i128.pow(38), 6, 1, 0, Overflow),
        ];
        for (numerator, numerator_scale, denominator, denominator_scale, expected) in cases {
            check(*numerator, *numerator_scale, *denominator, *denominator_scale, expected);
        }
    }

    fn check(n: i128, n_scale: i8, d: i128, d_scale: i8, expected: &Quotient) {
        let shift = i32::from(SCALE) + i32::from(d_scale) - i32::from(n_scale);
        let found = divide_half_even(n, d, shift);
        assert_eq!(&found, expected, "{n}e-{n_scale} / {d}e-{d_scale}");
        // Both widths agree wherever the narrow one answers.
        let power = 10_i128.pow(shift.unsigned_abs());
        if d != 0
            && let Some(quotient) = narrow(n, d, shift, power)
        {
            assert_eq!(wide(n, d, shift, power), Some(quotient));
        }
    }

    #[test]
    fn columns_carry_nulls_and_scales() {
        let odds: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(10_000_000), None, Some(5)]).with_precision_and_scale(38, 6).unwrap(),
        );
        let count: ArrayRef = Arc::new(datafusion::arrow::array::Int64Array::from(vec![3, 1, 0]));
        let quotients = divide_columns(&odds, &count).unwrap();
        assert_eq!(quotients.iter().collect::<Vec<_>>(), vec![Some(3_333_333), None, None]);
        assert_eq!(quotients.data_type(), &DataType::Decimal128(38, 6));
    }

    #[test]
    fn other_types_are_refused() {
        for refused in [DataType::Float64, DataType::Utf8, DataType::Decimal128(38, 13)] {
            let error = accepted(&refused).unwrap_err().to_string();
            assert!(error.contains("cast it"), "{error}");
        }
    }
}
