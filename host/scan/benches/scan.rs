//! What it costs to read a request's body before it is routed, and a frame of an answer.

#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use herdwick_scan::{scan, validate, walk};

/// A chat with a prompt of about `bytes` bytes, made of `sentence`.
fn chat(bytes: usize, sentence: &str) -> String {
    let prompt = sentence.repeat(bytes.div_ceil(sentence.len()).max(1));
    let head =
        r#"{"model":"qwen3:8b","messages":[{"role":"system","content":"You are a helpful assistant."},"#;
    let tail = r#""}],"stream":true,"options":{"temperature":0.7,"num_ctx":8192},"keep_alive":"5m"}"#;
    [head, r#"{"role":"user","content":""#, &prompt, tail].concat()
}

const PLAIN: &str = "The quick brown fox jumps over the lazy dog, again and again. ";
/// Source code: quotes, tabs and line ends in most lines.
const ESCAPES: &str = r#"let x = \"a\";\n\tif (x == \"b\") {\n\t\treturn \"\\\\\";\n\t}\n"#;
/// How Python's `json` writes all that is not ASCII.
const CODES: &str = r#"\u5c71\u8def\u3092\u767b\u308a\u306a\u304c\u3089"#;
/// Two and three bytes per letter.
const LETTERS: &str = "Über allen Gipfeln ist Ruh. 山路を登りながら、こう考えた。";

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, body) in [
        ("325 B", chat(100, PLAIN)),
        ("4 KB plain", chat(3_900, PLAIN)),
        ("4 KB escapes", chat(3_900, ESCAPES)),
        ("4 KB codes", chat(3_900, CODES)),
        ("4 KB letters", chat(3_900, LETTERS)),
        ("1 MB plain", chat(1 << 20, PLAIN)),
        ("1 MB escapes", chat(1 << 20, ESCAPES)),
        ("1 MB letters", chat(1 << 20, LETTERS)),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(scan(black_box(body.as_bytes()))));
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let ollama = r#"{"model":"qwen3:8b","created_at":"2026-10-01T10:00:00.123456789Z","message":{"role":"assistant","content":" word"},"done":false}"#;
    let openai = r#"{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1790000000,"model":"qwen3:8b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":" word"},"finish_reason":null}]}"#;
    let mut group = criterion.benchmark_group("frame");
    for (name, frame) in [("ollama", ollama), ("openai", openai)] {
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(BenchmarkId::new("validate", name), |bencher| {
            bencher.iter(|| black_box(validate(black_box(frame.as_bytes()))));
        });
        group.bench_function(BenchmarkId::new("walk", name), |bencher| {
            bencher.iter(|| {
                let mut done = None;
                let valid = walk(black_box(frame.as_bytes()), |key, value| {
                    if key.is("done") {
                        done = value.boolean();
                    }
                });
                black_box((valid, done))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bodies, frames);
criterion_main!(benches);
