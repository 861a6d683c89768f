// Prints the devices that node-llama-cpp's CUDA builds find, as `llama-server --list-devices` does:
//   node list-devices.mjs [cuda12|cuda13]
// Without an argument node-llama-cpp decides by itself: CUDA 13 first, CUDA 12 where that finds nothing.
// Only the packages' own prebuilt binaries are loaded.
import {createRequire} from "node:module";
import path from "node:path";
import * as standard from "@node-llama-cpp/linux-x64-cuda";
import * as extension from "@node-llama-cpp/linux-x64-cuda-ext";

const require = createRequire(import.meta.url);
const builds = {
    cuda12: path.join(extension.getBinsDir().binsDir, "linux-x64-cuda", "fallback"),
    cuda13: path.join(standard.getBinsDir().binsDir, "linux-x64-cuda")
};
const mebibytes = (bytes) => `${Math.floor(bytes / 2 ** 20)} MiB`;

async function devicesOfBuild(build) {
    const addon = require(path.join(builds.cuda13, "llama-addon.node"));
    addon.setLogger((level, message) => process.stderr.write(message));
    addon.setLoggerLogLevel(6);
    addon.loadBackends(builds[build]);
    await addon.init();
    return {names: addon.getGpuDeviceInfo().deviceNames, memory: addon.getGpuVramInfo()};
}

async function devicesOfChoice() {
    const {getLlama} = await import("node-llama-cpp");
    const llama = await getLlama({gpu: "cuda", build: "never", logLevel: "debug", logger: (level, message) => process.stderr.write(`${message}\n`)});
    const {total, free} = await llama.getVramState();
    return {names: await llama.getGpuDeviceNames(), memory: {total, used: total - free}};
}

const build = process.argv[2];
const {names, memory} = build ? await devicesOfBuild(build) : await devicesOfChoice();
console.log("Available devices:");
names.forEach((name, index) =>
    console.log(`  CUDA${index}: ${name} (${mebibytes(memory.total)}, ${mebibytes(memory.total - memory.used)} free)`));
if (names.length === 0) console.log("  (none)");
// Messages of ggml arrive by the event loop, and the addon keeps that alive for ever.
setTimeout(() => process.exit(0), 100);
