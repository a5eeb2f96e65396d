//! The exponential in plain arithmetic, which compilers vectorise, with the same bits on every machine and in every browser. System
//! libraries differ in the last digit, which is enough to change the sign of a ReLU's input that is zero but for rounding.

/// Added to a number below 2^51, it leaves the integer part in the last bits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 x 2^52
/// Coefficients 1 / n! of the exponential's Taylor series, from n = 9 down to 0.
const SERIES: [f64; 10] = [
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// Returns `e^x` with a relative error below 1e-11, for x up to 700. Below -700 it returns `e^-700`; NaN stays NaN.
///
/// `e^x = 2^k e^r` with an integer k and `|r| <= ln(2) / 2`.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x < -700.0 { -700.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let r = x - (shifted - ROUND) * std::f64::consts::LN_2;
    let series = SERIES[1..]
        .iter()
        .fold(SERIES[0], |sum, more| sum * r + more);
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_equals_the_standard_library_s() {
        for i in -700_000..=700_000 {
            let x = 1e-3 * f64::from(i);
            let off = (exp(x) / x.exp() - 1.0).abs();
            assert!(off < 1e-11, "off by {off:e} at {x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NEG_INFINITY) < 1e-300);
        assert!(exp(f64::NAN).is_nan());
    }
}
