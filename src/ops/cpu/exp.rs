//! The exponential, as arithmetic that compilers turn into vectors: the same bits on every machine, in a browser, too.
//! Those of system libraries differ in the last digit, which is enough to turn a unit that is nought but for rounding.

/// Added to a number below 2^51, it leaves its whole part in the last digits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 x 2^52
/// Of the exponential's series: 1 / n!, from the highest.
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

/// `e^x` but for 1e-11 of it, for x up to 700; below -700 what it is there. NaN stays NaN.
///
/// `e^x = 2^k e^r` with k whole and |r| <= ln(2) / 2.
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
    fn it_is_the_exponential() {
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
