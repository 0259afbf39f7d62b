//! How arrivals, service times and retry delays are written.

use crate::form::{At, Means, duration, form, number, placed, positive, rate, share, span, text};
use crate::form::{count64, via, within};
use crate::plan::{Arrivals, RetryDelay, Service, Z95};
use crate::units;
use firedrill_asynq::cron::Spec;
use firedrill_detector::yaml::{Position, Problems};

form! {
    /// When tasks are enqueued.
    pub(crate) struct ArrivalsForm: "arrivals" [one of poisson, constant, burst, cron] {
        /// Independent arrivals at a mean rate.
        poisson: Option<f64> = rate(), optional;
        /// Arrivals at equal distances.
        constant: Option<f64> = rate(), optional;
        /// Many at once.
        burst: Option<BurstForm> = within::<BurstForm>(), optional;
        /// Periodic, as asynq's scheduler knows it: five fields in UTC, such as `*/5 * * * *`, or `@every 30s`.
        cron: Option<At<String>> = placed(text()), optional;
        /// No arrivals before; from the beginning where it is left out. Goes with `poisson` and `constant`.
        from: Option<At<i64>> = placed(duration()), optional;
        /// No arrivals from here on; to the end where it is left out. Goes with `poisson` and `constant`.
        until: Option<At<i64>> = placed(duration()), optional;
    }
}

form! {
    /// Many tasks at once.
    pub(crate) struct BurstForm: "burst" {
        /// How many.
        count: u64 = count64(1..=10_000_000), required;
        /// When the first comes.
        at_ms as "at": i64 = duration(), required;
        /// They are evenly spread over this long.
        over_ms as "over": i64 = duration(), default 1_000;
    }
}

impl Means<Arrivals> for ArrivalsForm {
    fn means(self, _: Position, problems: &mut Problems) -> Option<Arrivals> {
        if self.poisson.is_none() && self.constant.is_none() {
            let hint = match self.burst {
                Some(_) => "a burst has `at` and `over` of its own",
                None => "a cron entry says its times itself",
            };
            for (key, time) in [("from", &self.from), ("until", &self.until)] {
                let Some(time) = time else { continue };
                let message = format!("{key}: only `poisson` and `constant` arrivals have it");
                problems.push_with_hint(time.at, message, hint);
            }
        }
        let from_ms = self.from.map_or(0, |from| from.value);
        let until_ms = self.until.map_or(i64::MAX, |until| until.value);
        if let Some(rate_per_sec) = self.poisson {
            return Some(Arrivals::Poisson {
                rate_per_sec,
                from_ms,
                until_ms,
            });
        }
        if let Some(rate_per_sec) = self.constant {
            return Some(Arrivals::Constant {
                rate_per_sec,
                from_ms,
                until_ms,
            });
        }
        if let Some(burst) = self.burst {
            return Some(Arrivals::Burst {
                count: burst.count,
                at_ms: burst.at_ms,
                over_ms: burst.over_ms,
            });
        }
        let cron = self.cron?;
        if let Err(error) = Spec::parse(&cron.value) {
            problems.push(cron.at, format!("cron: {error}"));
        }
        Some(Arrivals::Cron { spec: cron.value })
    }

    fn of(arrivals: &Arrivals) -> Self {
        let mut form = Self {
            poisson: None,
            constant: None,
            burst: None,
            cron: None,
            from: None,
            until: None,
        };
        match arrivals {
            // A word.
            Arrivals::None => {}
            Arrivals::Poisson {
                rate_per_sec,
                from_ms,
                until_ms,
            } => {
                form.poisson = Some(*rate_per_sec);
                form.from = Some(At::nowhere(*from_ms));
                form.until = Some(At::nowhere(*until_ms));
            }
            Arrivals::Constant {
                rate_per_sec,
                from_ms,
                until_ms,
            } => {
                form.constant = Some(*rate_per_sec);
                form.from = Some(At::nowhere(*from_ms));
                form.until = Some(At::nowhere(*until_ms));
            }
            Arrivals::Cron { spec } => form.cron = Some(At::nowhere(spec.clone())),
            Arrivals::Burst {
                count,
                at_ms,
                over_ms,
            } => {
                form.burst = Some(BurstForm {
                    count: *count,
                    at_ms: *at_ms,
                    over_ms: *over_ms,
                });
            }
        }
        form
    }

    fn word() -> Option<(&'static str, Arrivals)> {
        Some(("none", Arrivals::None))
    }

    fn expected() -> &'static str {
        "`none` or a mapping, such as `{ poisson: 10/s }`"
    }
}

form! {
    /// How long a handler works.
    pub(crate) struct ServiceForm: "service" [one of lognormal, exponential, constant] {
        /// Most are short and a few are long, as of most real jobs.
        lognormal: Option<Service> = via::<LognormalForm, Service>(), optional;
        /// Exponentially distributed.
        exponential: Option<ExponentialForm> = within::<ExponentialForm>(), optional;
        /// Always the same.
        constant: Option<f64> = span(), optional;
    }
}

form! {
    /// Exponentially distributed times.
    pub(crate) struct ExponentialForm: "exponential" {
        /// The mean.
        mean_ms as "mean": f64 = span(), required;
    }
}

form! {
    /// Lognormal times: `mean` and `p95`, as people measure them, or `mu` and `sigma`.
    pub(crate) struct LognormalForm: "lognormal" {
        /// The mean.
        mean_ms as "mean": Option<f64> = span(), optional;
        /// The 95th percentile, more than the mean and less than 3.8 times it.
        p95_ms as "p95": Option<At<f64>> = placed(span()), optional;
        /// Mean of the logarithm of seconds.
        mu: Option<f64> = number(-20.0..=20.0), optional;
        /// Standard deviation of the logarithm of seconds.
        sigma: Option<f64> = number(0.0..=10.0), optional;
    }
}

impl Means<Service> for ServiceForm {
    fn means(self, _: Position, _: &mut Problems) -> Option<Service> {
        let exponential = self.exponential.map(|form| Service::Exponential {
            mean_ms: form.mean_ms,
        });
        let constant = self.constant.map(|ms| Service::Constant { ms });
        self.lognormal.or(exponential).or(constant)
    }

    fn of(service: &Service) -> Self {
        let mut form = Self {
            lognormal: None,
            exponential: None,
            constant: None,
        };
        match service {
            Service::Lognormal { .. } => form.lognormal = Some(service.clone()),
            Service::Exponential { mean_ms } => {
                form.exponential = Some(ExponentialForm { mean_ms: *mean_ms });
            }
            Service::Constant { ms } => form.constant = Some(*ms),
        }
        form
    }
}

impl Means<Service> for LognormalForm {
    fn means(self, here: Position, problems: &mut Problems) -> Option<Service> {
        match (self.mean_ms, self.p95_ms, self.mu, self.sigma) {
            (Some(mean), Some(p95), None, None) => {
                let service = Service::lognormal(mean / 1e3, p95.value / 1e3);
                if service.is_none() {
                    let found = units::micros_text(p95.value * 1e3);
                    problems.push(
                        p95.at,
                        format!("p95: expected more than the mean and less than 3.8 times it, found `{found}`"),
                    );
                }
                service
            }
            (None, None, Some(mu), Some(sigma)) => Some(Service::Lognormal { mu, sigma }),
            _ => {
                let message = "lognormal: `mean` and `p95` are needed (or `mu` and `sigma`)";
                problems.push(here, message);
                None
            }
        }
    }

    /// As people write it, where that means the same to the last bit.
    fn of(service: &Service) -> Self {
        let Service::Lognormal { mu, sigma } = *service else {
            return Self {
                mean_ms: None,
                p95_ms: None,
                mu: None,
                sigma: None,
            };
        };
        let [mean, p95] = [
            libm::exp(mu + sigma * sigma / 2.0),
            libm::exp(mu + Z95 * sigma),
        ]
        .map(|seconds| units::micros(&units::micros_text(seconds * 1e6)).map(|us| us / 1e3));
        let same = mean
            .zip(p95)
            .and_then(|(mean, p95)| Service::lognormal(mean / 1e3, p95 / 1e3));
        let as_written = same.as_ref() == Some(service);
        Self {
            mean_ms: mean.filter(|_| as_written),
            p95_ms: p95.filter(|_| as_written).map(At::nowhere),
            mu: (!as_written).then_some(mu),
            sigma: (!as_written).then_some(sigma),
        }
    }
}

form! {
    /// How long a failed task waits for its next attempt.
    pub(crate) struct RetryForm: "retry_delay" [one of constant, exponential] {
        /// Always the same.
        constant: Option<i64> = positive(), optional;
        /// The delay of the first retry.
        exponential: Option<i64> = positive(), optional;
        /// What each further delay is multiplied by; 2 where it is left out. Goes with `exponential`.
        factor: Option<At<f64>> = placed(number(1.0..=100.0)), optional;
        /// Largest share added at random; none where it is left out. Goes with `exponential`.
        jitter: Option<At<f64>> = placed(share()), optional;
    }
}

impl Means<RetryDelay> for RetryForm {
    fn means(self, _: Position, problems: &mut Problems) -> Option<RetryDelay> {
        if let Some(ms) = self.constant {
            for (key, value) in [("factor", &self.factor), ("jitter", &self.jitter)] {
                if let Some(value) = value {
                    problems.push(value.at, format!("{key}: only `exponential` has it"));
                }
            }
            return Some(RetryDelay::Constant { ms });
        }
        Some(RetryDelay::Exponential {
            base_ms: self.exponential?,
            factor: self.factor.map_or(2.0, |factor| factor.value),
            jitter: self.jitter.map_or(0.0, |jitter| jitter.value),
        })
    }

    fn of(delay: &RetryDelay) -> Self {
        let mut form = Self {
            constant: None,
            exponential: None,
            factor: None,
            jitter: None,
        };
        match *delay {
            RetryDelay::Default => {}
            RetryDelay::Constant { ms } => form.constant = Some(ms),
            RetryDelay::Exponential {
                base_ms,
                factor,
                jitter,
            } => {
                form.exponential = Some(base_ms);
                form.factor = Some(At::nowhere(factor));
                form.jitter = Some(At::nowhere(jitter));
            }
        }
        form
    }

    fn word() -> Option<(&'static str, RetryDelay)> {
        Some(("default", RetryDelay::Default))
    }

    fn expected() -> &'static str {
        "`default`, `{ constant: 5s }` or `{ exponential: 1s, factor: 2, jitter: 100% }`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Shape;

    fn service(service: &Service) -> String {
        via::<ServiceForm, Service>().write(service).flow()
    }

    #[test]
    fn service_times_are_printed_as_they_were_written() {
        for (mean, p95) in [
            ("500ms", "1.3s"),
            ("3s", "8s"),
            ("250us", "0.7ms"),
            ("1.234567s", "2m"),
        ] {
            let seconds = |text| units::micros(text).unwrap() / 1e3 / 1e3;
            let Some(written) = Service::lognormal(seconds(mean), seconds(p95)) else {
                continue;
            };
            let shown = service(&written);
            assert!(shown.contains("mean: "), "{mean} {p95}: {shown}");
        }
        assert_eq!(
            service(&Service::Constant { ms: 300.0 }),
            "{ constant: 300ms }"
        );
        assert_eq!(
            service(&Service::Exponential { mean_ms: 1_500.0 }),
            "{ exponential: { mean: 1.5s } }"
        );
        let odd = Service::Lognormal {
            mu: 0.1,
            sigma: 0.2,
        };
        assert_eq!(service(&odd), "{ lognormal: { mu: 0.1, sigma: 0.2 } }");
    }
}
