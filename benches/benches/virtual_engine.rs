//! The virtual engine on the peers' model beside the bare heap loop, and its share of that speed.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firedrill_benches::model::{Model, Run};
use firedrill_benches::{heap_loop, virtual_engine};
use std::time::Instant;

const RUN: Run = Run {
    simulated_s: 3_600.0,
    warm_up_s: 0.0,
    backlog: 0,
    seed: 1,
};

fn engines(criterion: &mut Criterion) {
    let plan = virtual_engine::plan(&Model::PEERS, &RUN).expect("the model is a scenario");
    let mut group = criterion.benchmark_group("model_1h");
    group.sample_size(10);
    group.throughput(Throughput::Elements(
        heap_loop::run(&Model::PEERS, &RUN).events(),
    ));
    group.bench_function("heap_loop", |bencher| {
        bencher.iter(|| heap_loop::run(&Model::PEERS, &RUN));
    });
    group.throughput(Throughput::Elements(
        virtual_engine::run(&plan, &RUN).events(),
    ));
    group.bench_function("virtual_engine", |bencher| {
        bencher.iter(|| virtual_engine::run(&plan, &RUN));
    });
    group.finish();
    let heap = events_per_s(|| heap_loop::run(&Model::PEERS, &RUN).events());
    let engine = events_per_s(|| virtual_engine::run(&plan, &RUN).events());
    println!(
        "virtual engine: {:.2} million events/s, {:.0} % of the heap loop's {:.2} million",
        engine / 1e6,
        engine / heap * 100.0,
        heap / 1e6,
    );
}

/// The best of five runs.
fn events_per_s(run: impl Fn() -> u64) -> f64 {
    let runs = (0..5).map(|_| {
        let start = Instant::now();
        run() as f64 / start.elapsed().as_secs_f64()
    });
    runs.fold(0.0, f64::max)
}

criterion_group!(benches, engines);
criterion_main!(benches);
