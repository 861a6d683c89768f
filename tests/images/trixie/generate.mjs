// Has node-llama-cpp generate 64 tokens, the likeliest one each time, and prints them as JSON:
//   node generate.mjs cuda|cpu MODEL PROMPT-TOKENS-AS-JSON
// Only the packages' own prebuilt binaries are loaded; among its CUDA builds node-llama-cpp chooses by itself.
import {getLlama} from "node-llama-cpp";

const [backend, modelPath, prompt] = process.argv.slice(2);
const cpu = backend === "cpu";
const llama = await getLlama({
    gpu: cpu ? false : "cuda",
    build: "never",
    logLevel: "debug",
    logger: (level, message) => process.stderr.write(`${message}\n`)
});
const model = await llama.loadModel({modelPath, gpuLayers: cpu ? 0 : "max"});
const context = await model.createContext({contextSize: 512, sequences: 1, flashAttention: false});
const tokens = [];
for await (const token of context.getSequence().evaluate(JSON.parse(prompt), {temperature: 0, yieldEogToken: true})) {
    tokens.push(token);
    if (tokens.length === 64) break;
}
console.log(JSON.stringify({gpu: llama.gpu, devices: await llama.getGpuDeviceNames(), layers: model.gpuLayers, tokens}));
// Messages of ggml arrive by the event loop, and the addon keeps that alive for ever.
setTimeout(() => process.exit(0), 100);
