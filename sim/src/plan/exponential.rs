//! Exponential values by the ziggurat method: one multiplication for 99 of 100 of them, and the same bits on every machine.
//!
//! Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables", Journal of Statistical Software 5(8), 2000:
//! the area under `exp(-x)` is cut into 256 layers of equal area, of which a point is drawn; a layer's inside needs no
//! exponential. The tables are made with `libm`, whose results do not depend on the machine.

use firedrill_asynq::rng::unit;
use std::sync::LazyLock;

const LAYERS: usize = 256;
/// Where the tail begins.
const R: f64 = 7.697_117_470_131_05;
/// Area of each layer.
const V: f64 = 0.003_949_659_822_581_557;

struct Ziggurat {
    /// Right edge of each layer, falling; the first is that of the base with its tail laid flat.
    x: [f64; LAYERS + 1],
    /// `exp(-x)` of it.
    f: [f64; LAYERS + 1],
}

static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(|| {
    let f = |x: f64| libm::exp(-x);
    let mut x = [0.0; LAYERS + 1];
    x[0] = V / f(R);
    x[1] = R;
    for layer in 2..LAYERS {
        x[layer] = -libm::log(V / x[layer - 1] + f(x[layer - 1]));
    }
    Ziggurat { f: x.map(f), x }
});

/// Exponential with mean 1, from as many 64-bit values as it takes.
#[inline]
pub(crate) fn exponential(mut next: impl FnMut() -> u64) -> f64 {
    let table = &*ZIGGURAT;
    loop {
        let bits = next();
        let layer = (bits & 0xff) as usize;
        let x = unit(bits) * table.x[layer];
        if x < table.x[layer + 1] {
            return x;
        }
        if let Some(x) = at_the_edge(table, layer, x, &mut next) {
            return x;
        }
    }
}

/// A point beyond the next layer's edge: in the tail, under the curve, or nowhere.
#[cold]
fn at_the_edge(
    table: &Ziggurat,
    layer: usize,
    x: f64,
    next: &mut impl FnMut() -> u64,
) -> Option<f64> {
    if layer == 0 {
        // What is left beyond R is distributed as the whole.
        return Some(R - libm::log(1.0 - unit(next())));
    }
    let (low, high) = (table.f[layer], table.f[layer + 1]);
    let y = high + (low - high) * unit(next());
    (y < libm::exp(-x)).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_asynq::rng::stream;
    use rand::RngExt;

    #[test]
    fn layers_have_equal_areas_and_meet_at_the_top() {
        let table = &*ZIGGURAT;
        for layer in 1..LAYERS - 1 {
            let area = table.x[layer] * (table.f[layer + 1] - table.f[layer]);
            assert!((area - V).abs() < 1e-9, "layer {layer}: {area}");
        }
        assert!(table.x[LAYERS] == 0.0 && table.f[LAYERS] == 1.0);
        let top = table.x[LAYERS - 1] * (1.0 - table.f[LAYERS - 1]);
        assert!((top - V).abs() < 1e-9, "the top closes: {top}");
    }

    #[test]
    fn the_distribution_function_is_that_of_the_exponential() {
        let mut dice = stream(1, "ziggurat");
        let mut values: Vec<f64> = (0..200_000)
            .map(|_| exponential(|| dice.random()))
            .collect();
        values.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: 1.95 / sqrt(n) is exceeded once in a thousand.
        let n = values.len() as f64;
        let distance = values.iter().enumerate().map(|(rank, x)| {
            let expected = 1.0 - libm::exp(-x);
            (expected - rank as f64 / n)
                .abs()
                .max((expected - (rank + 1) as f64 / n).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance}");
        assert!(
            values.last().is_some_and(|max| *max > R),
            "the tail is there"
        );
    }

    #[test]
    fn values_are_pinned() {
        let mut dice = stream(42, "ziggurat");
        let bits: Vec<u64> = (0..3)
            .map(|_| exponential(|| dice.random()).to_bits())
            .collect();
        assert_eq!(
            bits,
            [
                4_603_017_546_602_812_479,
                4_604_719_532_234_834_559,
                4_606_887_385_417_755_494
            ]
        );
    }
}
