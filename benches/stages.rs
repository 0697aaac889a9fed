//! Times of the stages and of a whole pass: `cargo bench --bench stages`.
//!
//! With the environment variable `TAGBOAT_BENCH_TREE` it also scans a folder of real manifests.

mod workloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tagboat::manifest::Limits;
use tagboat::observe::checkout::Checkout;

fn scan(criterion: &mut Criterion) {
    let text = workloads::large_file(5 << 20);
    assert!(workloads::scan(&text) > 1000);
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    group.bench_function("5 MiB, many documents", |bencher| bencher.iter(|| workloads::scan(black_box(&text))));
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "the folder of a measurement is no input of the program")]
fn scan_tree(criterion: &mut Criterion) {
    let Some(folder) = std::env::var_os("TAGBOAT_BENCH_TREE") else { return };
    let files = Checkout::new(folder);
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(20);
    group.bench_function("a folder of real manifests", |bencher| {
        bencher.iter(|| tagboat::observe::scan::scan(black_box(&files), &[], &limits).expect("the folder can be read"));
    });
    group.finish();
}

fn decide(criterion: &mut Criterion) {
    let input = workloads::decision_over(&workloads::tag_list(20_000));
    assert!(workloads::decide(&input) > 19_000);
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("20,000 tags", |bencher| bencher.iter(|| workloads::decide(black_box(&input))));
    group.finish();
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass in memory");
    for manifests in [3, 200, 2_000] {
        let (remote, tags) = workloads::repository(manifests);
        assert!(workloads::pass(&remote, &tags) > 0);
        group.sample_size(20);
        group.bench_function(format!("{manifests} manifests"), |bencher| {
            bencher.iter(|| workloads::pass(black_box(&remote), &tags));
        });
    }
    group.finish();
}

criterion_group!(stages, scan, scan_tree, decide, pass);
criterion_main!(stages);
