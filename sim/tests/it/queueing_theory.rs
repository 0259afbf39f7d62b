//! What queueing theory says about systems simple enough for it, for simulations to be held against.
//!
//! Waits are from arrival to start of service, in seconds, in the steady state, first come, first served unless said
//! otherwise. Every function panics when the system is not stable (load of a server 1 or more).

#![allow(
    clippy::disallowed_methods,
    reason = "theory is compared to many digits, not to the last bit; allowed everywhere in the benches, which read this too"
)]

/// How many servers share one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) u32);

/// Mean and squared coefficient of variation (variance over squared mean) of a service time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ServiceTime {
    pub(crate) mean_s: f64,
    pub(crate) squared_variation: f64,
}

impl ServiceTime {
    pub(crate) fn exponential(mean_s: f64) -> Self {
        Self {
            mean_s,
            squared_variation: 1.0,
        }
    }

    pub(crate) fn constant(mean_s: f64) -> Self {
        Self {
            mean_s,
            squared_variation: 0.0,
        }
    }

    /// `exp(sigma * N(0, 1))` times whatever gives this mean.
    pub(crate) fn lognormal(mean_s: f64, sigma: f64) -> Self {
        Self {
            mean_s,
            squared_variation: (sigma * sigma).exp_m1(),
        }
    }

    /// E\[S²\].
    fn second_moment(self) -> f64 {
        self.mean_s * self.mean_s * (1.0 + self.squared_variation)
    }
}

/// Tasks of one priority.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Class {
    pub(crate) arrivals_per_s: f64,
    pub(crate) service: ServiceTime,
}

impl Class {
    fn load(self) -> f64 {
        self.arrivals_per_s * self.service.mean_s
    }
}

/// Share of arrivals turned away by M/M/c/c (Erlang B), by the recursion over servers that neither overflows nor cancels.
pub(crate) fn erlang_b(servers: Servers, offered_erlangs: f64) -> f64 {
    (1..=servers.0).fold(1.0, |blocked, count| {
        let inflow = offered_erlangs * blocked;
        inflow / (f64::from(count) + inflow)
    })
}

/// Share of arrivals that must wait in M/M/c (Erlang C).
pub(crate) fn erlang_c(servers: Servers, offered_erlangs: f64) -> f64 {
    let load = stable(offered_erlangs / f64::from(servers.0));
    let blocked = erlang_b(servers, offered_erlangs);
    blocked / (1.0 - load * (1.0 - blocked))
}

/// Mean wait in M/M/c, of all arrivals: also of those that do not wait.
pub(crate) fn mean_wait_mmc_s(servers: Servers, arrivals_per_s: f64, mean_service_s: f64) -> f64 {
    let offered = arrivals_per_s * mean_service_s;
    erlang_c(servers, offered) * mean_service_s / (f64::from(servers.0) - offered)
}

/// Mean wait in M/G/1 (Pollaczek and Khinchine).
pub(crate) fn mean_wait_mg1_s(arrivals_per_s: f64, service: ServiceTime) -> f64 {
    let load = stable(arrivals_per_s * service.mean_s);
    arrivals_per_s * service.second_moment() / (2.0 * (1.0 - load))
}

/// Mean wait in M/D/1.
pub(crate) fn mean_wait_md1_s(arrivals_per_s: f64, service_s: f64) -> f64 {
    mean_wait_mg1_s(arrivals_per_s, ServiceTime::constant(service_s))
}

/// Mean time until a server that has no work looks for some again, when it does so at intervals spread evenly over 0.5
/// to 1.5 of `interval_s`: E\[V²\] / 2E\[V\].
pub(crate) fn mean_time_to_next_look_s(interval_s: f64) -> f64 {
    interval_s * (1.0 + 1.0 / 12.0) / 2.0
}

/// Mean wait in M/G/1 whose server looks for work only now and then when it has none: that of M/G/1, and the time to its
/// next look (the decomposition of Fuhrmann and Cooper 1985).
pub(crate) fn mean_wait_mg1_looking_s(
    arrivals_per_s: f64,
    service: ServiceTime,
    look_interval_s: f64,
) -> f64 {
    mean_wait_mg1_s(arrivals_per_s, service) + mean_time_to_next_look_s(look_interval_s)
}

/// Mean wait of each class on one server that always takes the most urgent (first) class next and interrupts nobody
/// (Cobham 1954).
pub(crate) fn mean_waits_by_priority_s(classes: &[Class]) -> Vec<f64> {
    let residual_s = classes
        .iter()
        .map(|class| class.arrivals_per_s * class.service.second_moment() / 2.0)
        .sum();
    cobham(residual_s, classes.iter().map(|class| class.load()))
}

/// The same for a server that looks for work only now and then when it has none: an arrival finds it so for the share of
/// time without load.
pub(crate) fn mean_waits_by_priority_looking_s(
    classes: &[Class],
    look_interval_s: f64,
) -> Vec<f64> {
    let work = classes
        .iter()
        .map(|class| class.arrivals_per_s * class.service.second_moment() / 2.0);
    let load: f64 = classes.iter().map(|class| class.load()).sum();
    let residual_s = work.sum::<f64>() + (1.0 - load) * mean_time_to_next_look_s(look_interval_s);
    cobham(residual_s, classes.iter().map(|class| class.load()))
}

/// The same on many servers. Exact only when all classes have one exponential service time, hence the single mean.
pub(crate) fn mean_waits_by_priority_mmc_s(
    servers: Servers,
    arrivals_per_s: &[f64],
    mean_service_s: f64,
) -> Vec<f64> {
    let count = f64::from(servers.0);
    let offered = arrivals_per_s.iter().sum::<f64>() * mean_service_s;
    let residual_s = erlang_c(servers, offered) * mean_service_s / count;
    let loads = arrivals_per_s
        .iter()
        .map(|rate| rate * mean_service_s / count);
    cobham(residual_s, loads)
}

/// An arrival waits `residual_s` on average until a server is free for the first time, stretched by the work of all
/// classes as urgent as its own that is there or comes before it is served.
fn cobham(residual_s: f64, loads: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut above = 0.0;
    loads
        .map(|load| {
            let with_own = stable(above + load);
            let wait_s = residual_s / ((1.0 - above) * (1.0 - with_own));
            above = with_own;
            wait_s
        })
        .collect()
}

fn stable(load: f64) -> f64 {
    assert!(
        (0.0..1.0).contains(&load),
        "no steady state at a load of {load}"
    );
    load
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::Interval;
    use firedrill_asynq::rng;
    use rand::RngExt;

    fn close(value: f64, expected: f64, relative: f64) {
        assert!(
            (value / expected - 1.0).abs() < relative,
            "{value}, not {expected}"
        );
    }

    #[test]
    fn erlang_b_of_the_tables() {
        // Offered traffic that loses 1 % of calls, as every traffic table gives it.
        for (servers, offered) in [
            (1, 0.010_1),
            (2, 0.152_6),
            (5, 1.360_8),
            (10, 4.461_2),
            (20, 12.031),
            (50, 37.901),
            (100, 84.064),
        ] {
            close(erlang_b(Servers(servers), offered), 0.01, 2e-3);
        }
        close(erlang_b(Servers(10), 10.0), 0.2146, 1e-3);
    }

    /// Erlang C as the textbooks define it: terms of the steady state summed, by their ratios.
    fn erlang_c_summed(servers: u32, offered: f64) -> f64 {
        let count = f64::from(servers);
        let (mut term, mut sum) = (1.0, 0.0);
        for below in 0..servers {
            sum += term;
            term *= offered / f64::from(below + 1);
        }
        let waiting = term * count / (count - offered);
        waiting / (sum + waiting)
    }

    #[test]
    fn erlang_c_in_other_words() {
        for servers in [1, 2, 3, 10, 100] {
            for load in [0.05, 0.5, 0.9, 0.99] {
                let offered = load * f64::from(servers);
                let summed = erlang_c_summed(servers, offered);
                close(erlang_c(Servers(servers), offered), summed, 1e-9);
            }
        }
        // One server: the load itself. Two: 2 load² / (1 + load).
        close(erlang_c(Servers(1), 0.7), 0.7, 1e-12);
        close(erlang_c(Servers(2), 1.5), 1.125 / 1.75, 1e-12);
        // M/M/1 waits load / (1 - load) services; the peers' model without failures.
        close(mean_wait_mmc_s(Servers(1), 0.5, 1.0), 1.0, 1e-12);
        close(mean_wait_mmc_s(Servers(100), 90.0, 1.0), 0.021_69, 1e-3);
    }

    #[test]
    fn one_server_of_the_textbook() {
        let exponential = mean_wait_mg1_s(0.8, ServiceTime::exponential(1.0));
        close(exponential, mean_wait_mmc_s(Servers(1), 0.8, 1.0), 1e-12);
        // A constant service halves the wait.
        close(mean_wait_md1_s(0.8, 1.0), exponential / 2.0, 1e-12);
        let narrow = mean_wait_mg1_s(0.8, ServiceTime::lognormal(1.0, 1e-6));
        close(narrow, mean_wait_md1_s(0.8, 1.0), 1e-9);
    }

    /// Mean wait of one server by Lindley's recursion over customers, for each of some seeds.
    fn lindley(arrivals_per_s: f64, service_s: impl Fn(f64) -> f64) -> Interval {
        const CUSTOMERS: u32 = 40_000;
        const WARM_UP: u32 = 2_000;
        let means: Vec<f64> = (0..30)
            .map(|seed| {
                let mut dice = rng::stream(seed, "lindley");
                let mut exponential = || -(1.0 - dice.random::<f64>()).ln();
                let (mut wait_s, mut waited_s) = (0.0_f64, 0.0);
                for customer in 0..CUSTOMERS {
                    if customer >= WARM_UP {
                        waited_s += wait_s;
                    }
                    let gap_s = exponential() / arrivals_per_s;
                    wait_s = (wait_s + service_s(exponential()) - gap_s).max(0.0);
                }
                waited_s / f64::from(CUSTOMERS - WARM_UP)
            })
            .collect();
        Interval::of_replications(&means, 0.999)
    }

    #[test]
    fn one_server_simulated() {
        let exponential = lindley(0.7, |draw| draw);
        let constant = lindley(0.7, |_| 1.0);
        for (interval, theory_s) in [
            (exponential, mean_wait_mmc_s(Servers(1), 0.7, 1.0)),
            (constant, mean_wait_md1_s(0.7, 1.0)),
        ] {
            assert!(
                interval.contains(theory_s),
                "{theory_s} s, not {interval:?}"
            );
            assert!(interval.half_width < 0.1 * theory_s, "{interval:?}");
        }
    }

    #[test]
    fn priorities_share_the_same_wait_out() {
        let classes = [
            (0.2, ServiceTime::exponential(1.0)),
            (0.1, ServiceTime::constant(2.0)),
            (0.3, ServiceTime::lognormal(1.0, 0.5)),
        ]
        .map(|(arrivals_per_s, service)| Class {
            arrivals_per_s,
            service,
        });
        let waits = mean_waits_by_priority_s(&classes);
        assert!(waits.is_sorted());
        // Kleinrock's conservation law: whoever goes first, the work that waits is the same as without priorities.
        let load: f64 = classes.iter().map(|class| class.load()).sum();
        let residual_s: f64 = classes
            .iter()
            .map(|class| class.arrivals_per_s * class.service.second_moment() / 2.0)
            .sum();
        let work: f64 = classes
            .iter()
            .zip(&waits)
            .map(|(class, wait_s)| class.load() * wait_s)
            .sum();
        close(work, load * residual_s / (1.0 - load), 1e-12);
        // By hand: loads 0.2, 0.2, 0.3; residual 0.2 + 0.2 + 0.15 e^0.25 seconds.
        let by_hand_s = 0.4 + 0.15 * 0.25_f64.exp();
        close(waits[0], by_hand_s / 0.8, 1e-12);
        close(waits[1], by_hand_s / (0.8 * 0.6), 1e-12);
        close(waits[2], by_hand_s / (0.6 * 0.3), 1e-12);
    }

    #[test]
    fn looking_now_and_then_adds_the_time_to_the_next_look() {
        // An interval that is always the same would add half of it, one spread from 0 to its double two thirds.
        close(mean_time_to_next_look_s(24.0), 13.0, 1e-12);
        let service = ServiceTime::lognormal(2.0, 1.0);
        let alone = Class {
            arrivals_per_s: 0.3,
            service,
        };
        let waits = mean_waits_by_priority_looking_s(&[alone], 5.0);
        close(waits[0], mean_wait_mg1_looking_s(0.3, service, 5.0), 1e-12);
        let two = [alone, alone].map(|class| Class {
            arrivals_per_s: 0.15,
            ..class
        });
        let waits = mean_waits_by_priority_looking_s(&two, 0.0);
        close(waits[1], mean_waits_by_priority_s(&two)[1], 1e-12);
    }

    #[test]
    fn priorities_on_many_servers() {
        let alone = mean_waits_by_priority_mmc_s(Servers(100), &[90.0], 1.0);
        close(alone[0], mean_wait_mmc_s(Servers(100), 90.0, 1.0), 1e-12);
        let rates = [30.0, 60.0];
        let waits = mean_waits_by_priority_mmc_s(Servers(100), &rates, 1.0);
        // Equal services: the mean over all tasks does not depend on the order.
        let mean_s = (rates[0] * waits[0] + rates[1] * waits[1]) / 90.0;
        close(mean_s, alone[0], 1e-12);
        let one_server = mean_waits_by_priority_mmc_s(Servers(1), &[0.3, 0.6], 1.0);
        let classes = [0.3, 0.6].map(|arrivals_per_s| Class {
            arrivals_per_s,
            service: ServiceTime::exponential(1.0),
        });
        for (many, one) in one_server.iter().zip(mean_waits_by_priority_s(&classes)) {
            close(*many, one, 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "no steady state")]
    fn a_full_server_has_no_mean_wait() {
        let _ = mean_wait_mmc_s(Servers(2), 2.0, 1.0);
    }
}
