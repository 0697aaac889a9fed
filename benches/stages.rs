//! Times of the stages and of a whole pass: `cargo bench --bench stages`.
//!
//! With the environment variable `TAGBOAT_CHECKS` (see CONTRIBUTING.md) it also scans a folder of real manifests.

mod workloads;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tagboat::cache::Cache;
use tagboat::clock::SystemClock;
use tagboat::forge::Forge as _;
use tagboat::forge::github::GitHub;
use tagboat::forge::github::identity::Identity;
use tagboat::manifest::Limits;
use tagboat::model::file::RepoPath;
use tagboat::observe::checkout::Checkout;
use tagboat::observe::files::Files;

fn scan(criterion: &mut Criterion) {
    let text = workloads::large_file(5 << 20);
    assert!(workloads::scan(&text) > 1000);
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    group.bench_function("5 MiB, many documents", |bencher| bencher.iter(|| workloads::scan(black_box(&text))));
    group.finish();
}

/// The folder of real manifests that `TAGBOAT_CHECKS` names, with its size in bytes.
#[expect(clippy::disallowed_methods, reason = "the folder of a measurement is no input of the program")]
fn corpora() -> Option<(PathBuf, u64)> {
    let folder = PathBuf::from(std::env::var_os("TAGBOAT_CHECKS")?).join("corpora");
    let files = Checkout::new(&folder);
    let listed = files.list().expect("the folder can be listed").files;
    let size = |file: &RepoPath| folder.join(file.as_str()).metadata().map_or(0, |metadata| metadata.len());
    let bytes = listed.iter().map(size).sum();
    Some((folder, bytes))
}

fn scan_tree(criterion: &mut Criterion) {
    let Some((folder, bytes)) = corpora() else { return };
    let files = Checkout::new(folder);
    let limits = Limits::default();
    let scan = |cache: &Cache| {
        tagboat::observe::scan::scan(black_box(&files), &[], &limits, cache).expect("the folder can be read")
    };
    let scratch = tempfile::tempdir().expect("there is a folder for temporary files");
    let open = |name: &str| Cache::open(&scratch.path().join(name), Arc::new(SystemClock));
    let mut group = criterion.benchmark_group("scan a folder of real manifests");
    group.throughput(Throughput::Bytes(bytes)).sample_size(20);
    let none = tagboat::pass::setup::no_cache();
    group.bench_function("without a cache", |bencher| bencher.iter(|| scan(&none)));
    let mut number = 0;
    group.bench_function("with an empty cache", |bencher| {
        let fresh = || {
            number += 1;
            open(&format!("{number}.db"))
        };
        bencher.iter_batched(fresh, |cache| scan(&cache), BatchSize::PerIteration);
    });
    let warm = open("warm.db");
    scan(&warm);
    assert_eq!(scan(&warm).effort.parsed, 0);
    group.bench_function("with a warm cache", |bencher| bencher.iter(|| scan(&warm)));
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

/// Lists a hundred pull requests of a GitHub on this machine, and reads the same page as octocrab's models alone, without asking anybody.
fn listing(criterion: &mut Criterion) {
    let page = workloads::github::page_of_pull_requests();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("there are threads");
    let answer = ([("content-type", "application/json")], page.clone());
    let router = axum::Router::new().fallback(move || std::future::ready(answer.clone()));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("there is a port");
    let base = format!("http://{}", listener.local_addr().expect("it has an address")).parse().expect("it is a URL");
    runtime.spawn(async move { axum::serve(listener, router).await });
    let github = GitHub::new(base, "acme", "gitops", Identity::Token("token".into()), Arc::new(SystemClock));
    let list = || runtime.block_on(github.list()).expect("it is listed").pull_requests.len();
    let models = || {
        serde_json::from_str::<Vec<octocrab::models::pulls::PullRequest>>(black_box(&page))
            .expect("it can be read")
            .len()
    };
    assert_eq!((list(), models()), (100, 100));
    let mut group = criterion.benchmark_group("a page of a hundred pull requests of GitHub's");
    group.throughput(Throughput::Bytes(page.len() as u64)).sample_size(20);
    group.bench_function("asked for and read", |bencher| bencher.iter(list));
    group.bench_function("read as octocrab's models", |bencher| bencher.iter(models));
    group.finish();
}

criterion_group!(stages, scan, scan_tree, decide, pass, listing);
criterion_main!(stages);
