//! What many values come to.

/// The middle value, or the mean of the two in the middle; not a number of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.get(half) {
        None => f64::NAN,
        Some(&upper) if sorted.len() % 2 == 1 => upper,
        Some(&upper) => sorted[half - 1].midpoint(upper),
    }
}

/// The mean; not a number of none.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The median distance from what is true.
pub(crate) fn median_error(values: &[f64], truth: f64) -> f64 {
    let errors: Vec<f64> = values.iter().map(|value| (value - truth).abs()).collect();
    median(&errors)
}

/// What is added from one value to the next, by the straight line that fits them best; not a number of less than two.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
pub(crate) fn slope(values: &[f64]) -> f64 {
    let (middle, height) = ((values.len() as f64 - 1.0) / 2.0, mean(values));
    let (mut both, mut along) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let from_middle = at as f64 - middle;
        both += from_middle * (value - height);
        along += from_middle * from_middle;
    }
    both / along
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan() && mean(&[]).is_nan());
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(median_error(&[4.0, 5.5, 8.0], 5.0), 1.0);
    }
    #[test]
    fn the_slope_of_a_line_is_found() {
        assert_eq!(slope(&[1.0, 3.0, 5.0, 7.0]), 2.0);
        assert_eq!(slope(&[4.0, 4.0, 4.0]), 0.0);
        // One step at the end: less than a step a value.
        assert_eq!(slope(&[0.0, 0.0, 4.0]), 2.0);
        assert!(slope(&[1.0]).is_nan() && slope(&[]).is_nan());
    }
}
