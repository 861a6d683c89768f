//! Stock programs generate text on the GPU that they found: the same greedy
//! tokens as their CPU back end, from models with random weights.
//!
//! Under quantized weights back ends round activations differently, so prompts are
//! such that no choice is near a tie. How near the probabilities themselves are is
//! what `tests/perplexity` judges.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value;
use tests::container::engine::{Container, Engine, Route, Stack};
use tests::container::image::{SID, TRIXIE};
use tests::container::output::Output;
use tests::container::repository;
use tests::container::vulkaninfo::Device;

use crate::trial;

const PRECREATE: Stack = Stack {
    engine: Engine::Podman,
    runtime: "crun",
    route: Route::Precreate,
};
const DOCKER: Stack = Stack {
    engine: Engine::Docker,
    runtime: "pumice",
    route: Route::Runtime,
};
const WITHOUT: Stack = Stack {
    route: Route::None,
    ..PRECREATE
};
/// A software renderer compiles each kernel for seconds.
const LIMIT: Duration = Duration::from_secs(400);
const TOKENS: usize = 64;

/// A test model, and a prompt after which each of its choices leads the next
/// best clearly: `tests/models/reference.py MODEL --find LEAD` found it.
#[derive(Clone, Copy)]
struct Text {
    weights: &'static str,
    prompt: &'static str,
}

const TEXTS: [Text; 4] = [
    Text {
        weights: "f16",
        prompt: "[1, 169, 208, 147, 12, 83, 105, 170]",
    },
    Text {
        weights: "q8_0",
        prompt: "[1, 128, 115, 13, 127, 208, 40, 140]",
    },
    Text {
        weights: "q4_0",
        prompt: "[1, 137, 32, 97, 191, 166, 83, 248]",
    },
    Text {
        weights: "q4_k_m",
        prompt: "[1, 90, 8, 227, 63, 244, 123, 57]",
    },
];

/// Whether attention is one kernel, or several products and a softmax.
#[derive(Clone, Copy)]
enum Attention {
    Flash,
    Separate,
}

pub fn trials() -> Vec<Trial> {
    let [f16, _, q4_0, _] = TEXTS;
    let mut servers = Vec::from(TEXTS.map(|text| (PRECREATE, text, Attention::Separate)));
    servers.extend([
        (PRECREATE, f16, Attention::Flash),
        (PRECREATE, q4_0, Attention::Flash),
        (DOCKER, q4_0, Attention::Flash),
    ]);
    let servers = servers.into_iter().map(|(stack, text, attention)| {
        let name = format!(
            "{stack}: llama-server generates the tokens of its CPU back end, {text}{attention}"
        );
        trial(name, move || server_generates(stack, text, attention))
    });
    let node = trial(
        format!("{PRECREATE}: node-llama-cpp generates the tokens of its CPU build"),
        move || node_generates(f16),
    );
    servers.chain([node]).collect()
}

/// By its HTTP interface. The CPU's answer comes from a container that has never
/// heard of pumice.
fn server_generates(stack: Stack, text: Text, attention: Attention) {
    let expected = serve(WITHOUT, text, &["--device", "none"], attention);
    let answer = serve(stack, text, &["--n-gpu-layers", "99"], attention);
    assert!(
        answer.log.contains("offloaded 3/3 layers to GPU") && answer.log.contains(ON_DEVICE),
        "the GPU had no part in it: {}",
        answer.log
    );
    assert!(
        !expected.log.contains(ON_DEVICE),
        "the GPU had a part in the CPU's answer: {}",
        expected.log
    );
    assert_same_tokens(&expected, &answer);
}

/// By its interface in JavaScript.
fn node_generates(text: Text) {
    let expected = node(WITHOUT, text, "cpu");
    let answer = node(PRECREATE, text, "cuda");
    assert_eq!(
        expected.reply["gpu"],
        Value::Bool(false),
        "{}",
        expected.log
    );
    assert_eq!(answer.reply["gpu"], "cuda", "{}", answer.log);
    assert_eq!(answer.reply["layers"], 3, "{}", answer.log);
    assert_eq!(
        answer.reply["devices"][0],
        Device::first().name,
        "{}",
        answer.log
    );
    assert_same_tokens(&expected, &answer);
}

/// What llama.cpp logs of weights that lie in the device's memory.
const ON_DEVICE: &str = "CUDA0 model buffer size";

/// What a program printed: its last line, which is JSON, and its log.
struct Completion {
    reply: Value,
    log: String,
}

impl Completion {
    fn tokens(&self) -> Vec<u64> {
        let tokens = self.reply["tokens"].as_array().into_iter().flatten();
        let tokens: Vec<u64> = tokens.filter_map(Value::as_u64).collect();
        assert_eq!(tokens.len(), TOKENS, "{}\n{}", self.reply, self.log);
        tokens
    }
}

#[track_caller]
fn assert_same_tokens(expected: &Completion, actual: &Completion) {
    let (expected, tokens) = (expected.tokens(), actual.tokens());
    let same = expected
        .iter()
        .zip(&tokens)
        .take_while(|(one, other)| one == other);
    assert!(
        expected == tokens,
        "the first {} of {TOKENS} tokens are the CPU's: {expected:?}, {tokens:?}\n{}",
        same.count(),
        actual.log
    );
}

fn serve(stack: Stack, text: Text, options: &[&str], attention: Attention) -> Completion {
    let mut command = vec!["bash", "-c", include_str!("complete.sh"), "bash"];
    command.extend([text.prompt, "--model", MODEL]);
    command.extend(options);
    if let Attention::Separate = attention {
        command.extend(["--flash-attn", "off"]);
    }
    run(stack, Container::new(SID, &command), text)
}

fn node(stack: Stack, text: Text, backend: &str) -> Completion {
    let script = "/opt/list-devices/generate.mjs";
    let command = ["node", script, backend, MODEL, text.prompt];
    run(stack, Container::new(TRIXIE, &command), text)
}

/// Where the model lies in a container.
const MODEL: &str = "/model.gguf";

fn run(stack: Stack, container: Container, text: Text) -> Completion {
    let model = model(text.weights);
    let container = container
        .with_option(format!("--volume={}:{MODEL}:ro", model.display()))
        .with_limit(LIMIT);
    let output = stack.start().run(&container).expect_success();
    // How long a first answer takes is what users feel.
    println!("{stack}, {text}: {:?} from start to end", output.elapsed);
    let last = output.stdout.lines().last().unwrap_or_default();
    let reply = serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("the last line is no JSON: {error}: {output}"));
    Completion {
        reply,
        log: output.stderr,
    }
}

/// The test model whose weights have this type.
fn model(weights: &str) -> PathBuf {
    let mut build = Command::new(repository().join("tests/models/build"));
    build.arg(weights);
    let built = Output::of(&build, LIMIT).expect_success();
    PathBuf::from(built.stdout.trim_end())
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.weights)
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Attention::Flash => ", by its own choice of attention",
            Attention::Separate => ", without flash attention",
        })
    }
}
