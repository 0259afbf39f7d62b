//! The bare heap loop on the peers' model: events per second, and whether tasks that wait cost anything.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firedrill_benches::heap_loop;
use firedrill_benches::model::{Model, Run};

fn heap_loop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heap_loop_1h");
    group.sample_size(10);
    for backlog in [0, 1_000, 100_000, 1_000_000] {
        let run = Run {
            simulated_s: 3_600.0,
            warm_up_s: 0.0,
            backlog,
            seed: 1,
        };
        let events = heap_loop::run(&Model::PEERS, &run).events();
        group.throughput(Throughput::Elements(events));
        group.bench_with_input(
            BenchmarkId::new("backlog", backlog),
            &run,
            |bencher, run| {
                bencher.iter(|| heap_loop::run(&Model::PEERS, run));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, heap_loop);
criterion_main!(benches);
