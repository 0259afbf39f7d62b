//! How long handlers take, from the buckets of a histogram: the distribution of the project's that lies nearest to them.

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_626_951_472_2;
/// A distribution this near is as good as another: the largest distance of the shares below a bound.
const NEAR: f64 = 0.01;
/// Handlers that always take the same are all on one side of each bound.
const ALL: f64 = 0.02;

/// A distribution of service times, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fitted {
    Constant { s: f64 },
    Exponential { mean_s: f64 },
    Lognormal { mean_s: f64, p95_s: f64 },
}

impl Fitted {
    /// The mean, seconds.
    pub(super) fn mean_s(self) -> f64 {
        match self {
            Self::Constant { s } => s,
            Self::Exponential { mean_s } | Self::Lognormal { mean_s, .. } => mean_s,
        }
    }
}

/// Finds the distribution with this mean (seconds) whose shares below the bounds (seconds) are nearest. `None`: nothing was counted.
pub(super) fn fitted(below: &[(f64, f64)], count: f64, sum_s: f64) -> Option<Fitted> {
    let mean_s = sum_s / count;
    if count < 1.0 || !mean_s.is_finite() || mean_s <= 0.0 {
        return None;
    }
    let distance = |share: &dyn Fn(f64) -> f64| {
        let each = below
            .iter()
            .map(|(bound, seen)| (share(*bound) - seen / count).abs());
        each.fold(0.0, f64::max)
    };
    let constant = distance(&|bound| f64::from(u8::from(bound >= mean_s)));
    if below.is_empty() || constant <= ALL {
        return Some(Fitted::Constant { s: mean_s });
    }
    let exponential = distance(&|bound| 1.0 - libm::exp(-bound / mean_s));
    // Beyond this spread, a larger one has a lower 95th percentile again.
    let spreads = (2..=160).map(|hundredths| f64::from(hundredths) / 100.0);
    let lognormal = spreads.map(|sigma| {
        let mu = libm::log(mean_s) - sigma * sigma / 2.0;
        let share = |bound: f64| {
            let z = (libm::log(bound) - mu) / (sigma * std::f64::consts::SQRT_2);
            f64::midpoint(1.0, libm::erf(z))
        };
        (distance(&share), sigma, libm::exp(mu + Z95 * sigma))
    });
    let (nearest, _, p95_s) = lognormal.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(match exponential <= nearest + NEAR {
        true => Fitted::Exponential { mean_s },
        false => Fitted::Lognormal { mean_s, p95_s },
    })
}
