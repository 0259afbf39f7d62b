//! How arrivals, service times and retry delays are written.

use crate::form::{At, Means, duration, form, number, parsed, placed, positive, rate, share, span};
use crate::form::{count64, list, text, truth, via, within};
use crate::plan::Z95;
use crate::plan::{Arrivals, Recording, RetryDelay, Service, Stage, State, TimeOfDay, TraceFile};
use crate::units;
use firedrill_asynq::clock::Time;
use firedrill_asynq::cron::Spec;
use firedrill_detector::yaml::{Position, Problems};

form! {
    /// When tasks are enqueued.
    pub(crate) struct ArrivalsForm: "arrivals" [one of poisson, constant, stages, diurnal, mmpp, trace, burst, cron] {
        /// Independent arrivals at a mean rate.
        poisson: Option<f64> = rate(), optional;
        /// Arrivals at equal distances.
        constant: Option<f64> = rate(), optional;
        /// A rate that goes evenly from one to the next (k6's `ramping-arrival-rate`); after the last, nothing arrives.
        stages: Option<At<Vec<Stage>>> = placed(list("stage", within::<Stage>())), optional;
        /// A rate that goes up and down once a day.
        diurnal: Option<DiurnalForm> = within::<DiurnalForm>(), optional;
        /// A rate that jumps from state to state (a Markov-modulated Poisson process), beginning in the first.
        mmpp: Option<At<Vec<State>>> = placed(list("state", within::<State>())), optional;
        /// Arrivals as they were recorded.
        trace: Option<TraceForm> = within::<TraceForm>(), optional;
        /// Many at once.
        burst: Option<BurstForm> = within::<BurstForm>(), optional;
        /// Periodic, as asynq's scheduler knows it: five fields in UTC, such as `*/5 * * * *`, or `@every 30s`; with a time
        /// zone: `CRON_TZ=Europe/Berlin 0 9 * * *`.
        cron: Option<At<String>> = placed(text()), optional;
        /// The rate at which the first stage begins; `0/s` where it is left out. Goes with `stages`.
        start: Option<At<f64>> = placed(rate().or_none()), optional;
        /// At equal parts of the rate, as k6 does it, instead of independently. Goes with `stages`.
        evenly: Option<At<bool>> = placed(truth()), optional;
        /// No arrivals before; from the beginning where it is left out. Goes with `poisson`, `constant` and `stages`.
        from: Option<At<i64>> = placed(duration()), optional;
        /// No arrivals from here on; to the end where it is left out. Goes with `poisson` and `constant`.
        until: Option<At<i64>> = placed(duration()), optional;
    }
}

form! {
    /// A rate that goes up and down once a day.
    pub(crate) struct DiurnalForm: "diurnal" {
        /// The mean of a day.
        mean: f64 = rate(), required;
        /// The highest rate, as a multiple of the lowest.
        peak_to_trough: f64 = number(1.0..=1e6), required;
        /// When the rate is highest, in the time zone of `starts`.
        peak_at: TimeOfDay = parsed::<TimeOfDay>("time of day"), required;
    }
}

form! {
    /// Arrivals as they were recorded.
    pub(crate) struct TraceForm: "trace" [one of file, data] {
        /// A file in the scenario's folder or below: `.csv` with times (seconds, milliseconds since 1970, or RFC 3339) and perhaps counts, or a dump of a
        /// counter with timestamps in OpenMetrics' or Prometheus' text format.
        file: Option<String> = text(), optional;
        /// What has been read from one, as `firedrill plan` prints it.
        data: Option<Recording> = parsed::<Recording>("recording"), optional;
        /// When it begins.
        at_ms as "at": i64 = duration(), default 0;
        /// So many seconds of the file are one of the drill; 1 where it is left out. Goes with `file`.
        scale: Option<At<f64>> = placed(number(0.001..=1e6)), optional;
        /// Name of the counter, where the file has several. Goes with `file`.
        metric: Option<At<String>> = placed(text()), optional;
    }
}

impl TraceForm {
    fn means(self, problems: &mut Problems) -> Arrivals {
        let file = self.file.map(|path| TraceFile {
            path,
            scale: self.scale.as_ref().map_or(1.0, |scale| scale.value),
            metric: self.metric.as_ref().map(|metric| metric.value.clone()),
        });
        if file.is_none() {
            let scale = self.scale.map(|scale| ("scale", scale.at));
            let metric = self.metric.map(|metric| ("metric", metric.at));
            for (key, at) in scale.into_iter().chain(metric) {
                problems.push(at, format!("{key}: goes with `file`"));
            }
        }
        Arrivals::Trace {
            at_ms: self.at_ms,
            file,
            recording: self.data.unwrap_or_default(),
        }
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
        let has_span = self.poisson.is_some() || self.constant.is_some();
        if !has_span {
            let hint = match (&self.burst, &self.cron) {
                (Some(_), _) => "a burst has `at` and `over` of its own",
                (_, Some(_)) => "a cron entry says its times itself",
                _ => "they go on to the end of the drill, or as long as they say themselves",
            };
            for (key, time) in [("from", &self.from), ("until", &self.until)] {
                let Some(time) = time else { continue };
                if key == "from" && self.stages.is_some() {
                    continue;
                }
                let message = format!("{key}: only `poisson` and `constant` arrivals have it");
                problems.push_with_hint(time.at, message, hint);
            }
        }
        if self.stages.is_none() {
            let start = self.start.as_ref().map(|start| ("start", start.at));
            let evenly = self.evenly.as_ref().map(|evenly| ("evenly", evenly.at));
            for (key, at) in start.into_iter().chain(evenly) {
                problems.push(at, format!("{key}: goes with `stages`"));
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
        if let Some(stages) = self.stages {
            if stages.value.is_empty() {
                problems.push(stages.at, "stages: at least one is needed");
            }
            return Some(Arrivals::Stages {
                start_per_sec: self.start.map_or(0.0, |start| start.value),
                stages: stages.value,
                from_ms,
                evenly: self.evenly.is_some_and(|evenly| evenly.value),
            });
        }
        if let Some(day) = self.diurnal {
            return Some(Arrivals::Diurnal {
                mean_per_sec: day.mean,
                peak_to_trough: day.peak_to_trough,
                peak_at: day.peak_at,
            });
        }
        if let Some(states) = self.mmpp {
            if states.value.len() < 2 {
                let message = "mmpp: at least two states are needed";
                problems.push_with_hint(states.at, message, "one rate is `poisson`");
            }
            let states = states.value;
            return Some(Arrivals::Mmpp { states });
        }
        if let Some(trace) = self.trace {
            return Some(trace.means(problems));
        }
        if let Some(burst) = self.burst {
            return Some(Arrivals::Burst {
                count: burst.count,
                at_ms: burst.at_ms,
                over_ms: burst.over_ms,
            });
        }
        let cron = self.cron?;
        match Spec::parse(&cron.value) {
            Ok(spec) if spec.next_after(Time(0)).is_none() => {
                let message = format!("cron: `{}` never comes", cron.value);
                let hint = "minute, hour, day of the month, month, day of the week: no such day is in the calendar";
                problems.push_with_hint(cron.at, message, hint);
            }
            Ok(_) => {}
            Err(error) => problems.push(cron.at, format!("cron: {error}")),
        }
        Some(Arrivals::Cron { spec: cron.value })
    }

    fn of(arrivals: &Arrivals) -> Self {
        let mut form = Self {
            poisson: None,
            constant: None,
            burst: None,
            cron: None,
            stages: None,
            diurnal: None,
            mmpp: None,
            trace: None,
            start: None,
            evenly: None,
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
            Arrivals::Stages {
                start_per_sec,
                stages,
                from_ms,
                evenly,
            } => {
                form.stages = Some(At::nowhere(stages.clone()));
                form.start = Some(At::nowhere(*start_per_sec));
                form.evenly = Some(At::nowhere(*evenly));
                form.from = Some(At::nowhere(*from_ms));
            }
            Arrivals::Diurnal {
                mean_per_sec,
                peak_to_trough,
                peak_at,
            } => {
                form.diurnal = Some(DiurnalForm {
                    mean: *mean_per_sec,
                    peak_to_trough: *peak_to_trough,
                    peak_at: *peak_at,
                });
            }
            Arrivals::Mmpp { states } => form.mmpp = Some(At::nowhere(states.clone())),
            Arrivals::Trace {
                at_ms,
                file,
                recording,
            } => {
                form.trace = Some(TraceForm {
                    file: file.as_ref().map(|file| file.path.clone()),
                    data: file.is_none().then(|| recording.clone()),
                    at_ms: *at_ms,
                    scale: file.as_ref().map(|file| At::nowhere(file.scale)),
                    metric: file
                        .as_ref()
                        .and_then(|file| file.metric.clone().map(At::nowhere)),
                });
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
