//! What drills of the model bound: a live drill that differs by its terms and by chance alone is between them.

/// 0.995 quantiles of Student's distribution with 2, 3, ... degrees of freedom.
const STUDENT: [f64; 6] = [9.925, 5.841, 4.604, 4.032, 3.707, 3.499];

/// From the lowest to the highest value that is explained: `plain` is the model's, `on_terms` are those of drills on the live
/// drill's terms that differ by chance alone.
///
/// The live drill pays its costs, but not at every moment, so all between the model that pays none and those that pay is
/// explained. And what drills on the same terms differ by, one more of them may: 99 % of all lie in the prediction
/// interval of those that there are. Of fewer than three nothing is known of that.
#[must_use]
pub(super) fn explained(plain: f64, on_terms: &[f64]) -> (f64, f64) {
    let (mut low, mut high) = on_terms.iter().fold((plain, plain), |(low, high), value| {
        (low.min(*value), high.max(*value))
    });
    let count = on_terms.len() as f64;
    if let Some(of_known) = on_terms.len().checked_sub(3) {
        let quantile = STUDENT[of_known.min(STUDENT.len() - 1)];
        let mean = on_terms.iter().sum::<f64>() / count;
        let squares = on_terms.iter().map(|value| (value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / (count - 1.0)).sqrt();
        let reach = quantile * deviation * (1.0 + 1.0 / count).sqrt();
        (low, high) = (low.min(mean - reach), high.max(mean + reach));
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_model_and_the_model_that_pays_all_is_explained() {
        assert_eq!(explained(10.0, &[]), (10.0, 10.0));
        assert_eq!(explained(10.0, &[14.0]), (10.0, 14.0));
        assert_eq!(explained(10.0, &[14.0; 5]), (10.0, 14.0));
    }

    #[test]
    fn what_chance_does_to_drills_on_the_same_terms_it_may_do_to_one_more() {
        let (low, high) = explained(10.0, &[13.0, 14.0, 15.0, 14.0, 14.0]);
        // Their standard deviation is 0.707, and 4.604 * 1.0954 of it are 3.57.
        assert!((low - 10.0).abs() < 1e-9, "{low}");
        assert!((high - 17.57).abs() < 0.01, "{high}");
        // Two say nothing of chance.
        assert_eq!(explained(10.0, &[13.0, 15.0]), (10.0, 15.0));
    }
}
