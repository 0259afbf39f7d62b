//! Encoding and decoding of asynq's TaskMessage (about 170 bytes).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firedrill_asynq::message::TaskMessage;
use firedrill_benches::task;
use prost::Message;
use std::hint::black_box;

fn codec(criterion: &mut Criterion) {
    let message = task(7);
    let bytes = message.encode_to_vec();
    let mut group = criterion.benchmark_group("task_message");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(&message).encode_to_vec())
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| TaskMessage::decode(black_box(&bytes[..])))
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
