//! enqueue → dequeue → done of one task on a real Redis, alone and 64 at a time; `PING` in the same run is the limit a
//! round trip sets.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Accepted, Op, Reply};
use firedrill_benches::task;
use firedrill_sim::redis_server::{self, RedisServer, RedisServerOptions};

async fn cycle(broker: &RedisBroker, number: u64) {
    let now = Time::from_millis(1_800_000_000_000);
    let enqueue = Op::Enqueue {
        message: task(number),
        now,
    };
    assert_eq!(
        broker.call(enqueue).await,
        Ok(Reply::Enqueued(Accepted::New))
    );
    let dequeue = Op::Dequeue {
        queues: std::iter::once("default".into()).collect(),
        lease_expires_s: now.secs() + 30,
    };
    let Ok(Reply::Dequeued(Some(message))) = broker.call(dequeue).await else {
        panic!("nothing to dequeue")
    };
    assert_eq!(
        broker.call(Op::Done { message, now }).await,
        Ok(Reply::Done)
    );
}

fn live_cycle(criterion: &mut Criterion) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(program) = redis_server::find(std::env::split_paths(&path)) else {
        eprintln!("skipped: needs redis-server");
        return;
    };
    let server = RedisServer::start(RedisServerOptions::unguarded(&program))
        .expect("a private Redis starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let broker = runtime
        .block_on(RedisBroker::connect(
            &server.url(),
            RedisOptions::at_speed(1.0),
        ))
        .expect("the private Redis answers");
    let mut number = 0;
    let mut group = criterion.benchmark_group("live");
    group.sample_size(20);
    group.throughput(Throughput::Elements(1));
    group.bench_function("ping", |bencher| {
        bencher.iter(|| runtime.block_on(broker.ping()))
    });
    group.bench_function("cycle", |bencher| {
        bencher.iter(|| {
            number += 1;
            runtime.block_on(cycle(&broker, number));
        });
    });
    group.throughput(Throughput::Elements(64));
    group.bench_function("cycle_64_at_a_time", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..64 {
                    number += 1;
                    let (broker, number) = (broker.clone(), number);
                    tasks.spawn(async move { cycle(&broker, number).await });
                }
                tasks.join_all().await;
            });
        });
    });
    group.finish();
}

criterion_group!(benches, live_cycle);
criterion_main!(benches);
