// printf from a kernel: whole lines of all threads, when the device is synchronized and not before; every
// conversion; its result; lanes of a warp that parted; more output than the buffer holds.
#include "capture.h"
#include "check.h"

__device__ char place[] = "device memory";

__global__ void greet(double scale) {
    if (threadIdx.x % 8 == 3) printf("thread %d of %u: %s %.3f %c %lld\n", threadIdx.x, blockDim.x, "scaled", scale * threadIdx.x, 'x', -5000000000ll);
}

__global__ void convert(int *results, float f, short s, unsigned char c) {
    results[0] = printf("%d|%5d|%-5d|%05d|%+d|%i|%u|%x|%X|%#o\n", -7, 42, 42, 42, 42, s, 4000000000u, 48879, 48879, 8);
    results[1] = printf("%f|%.2e|%g|%G|%10.3f|%a\n", f, f, f, 1e-20, f, 0.5);
    results[2] = printf("%s|%10s|%-6s|%c%c|%%|%hd|%hhu|%ld|%zu|%llx\n", place, "right", "left", 'o', 'k', s, c, -1l, size_t(77), ~0ull);
    results[3] = printf("no arguments\n");
    results[4] = printf("%*d|%.*f\n", 6, 5, 1, f);
    results[5] = printf("%s\n", threadIdx.x == 0 ? "chosen" : "not chosen");
    results[6] = printf("%p\n", (void *)0x1234);
}

// The warp is looked at, so narrow subgroups carry several of its lanes each.
__global__ void in_warps(int limit) {
    int lane = threadIdx.x % 32, sum = lane;
    for (int i = 16; i > 0; i /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, i);
    for (int i = 0; i < lane % 3; ++i)
        if (lane < limit) printf("lane %d turn %d sum %d\n", lane, i, sum);
    printf(lane & 1 ? "odd\n" : "even\n");
}

__global__ void flood() { printf("line %6d\n", blockIdx.x * blockDim.x + threadIdx.x); }

int main() {
    CALL(cudaDeviceSetLimit(cudaLimitPrintfFifoSize, 1 << 16));
    Capture greeting(stdout);
    std::printf("before\n");
    greet<<<1, 32>>>(0.5);
    cudaError_t launched = cudaGetLastError(), ran = cudaDeviceSynchronize();
    std::printf("after\n");
    greeting.end();
    CALL(launched);
    CALL(ran);
    for (int thread : {3, 11, 19, 27}) {
        char line[128];
        std::snprintf(line, sizeof line, "thread %d of 32: scaled %.3f x -5000000000\n", thread, 0.5 * thread);
        greeting.expect(line);
    }
    greeting.expect("\n", 6);
    if (std::strncmp(greeting.text, "before\n", 7) || !std::strstr(greeting.text, "\nafter\n"))
        return std::printf("FAIL the order of `%s`\n", greeting.text), 1;
    if (cudaDeviceSetLimit(cudaLimitPrintfFifoSize, 1 << 20) != cudaErrorInvalidValue)
        return std::printf("FAIL the buffer's size can be set behind a kernel that prints\n"), 1;

    cudaGetLastError();

    Both<int> results(7);
    Capture converted(stdout);
    convert<<<1, 1>>>(results.device, 2.5f, -3, 200);
    cudaStream_t stream;
    launched = cudaGetLastError();
    ran = cudaStreamSynchronize(nullptr);
    converted.end();
    CALL(launched);
    CALL(ran);
    converted.expect("-7|   42|42   |00042|+42|-3|4000000000|beef|BEEF|010\n");
    converted.expect("2.500000|2.50e+00|2.5|1E-20|     2.500|0x1p-1\n");
    converted.expect("device memory|     right|left  |ok|%|-3|200|-1|77|ffffffffffffffff\n");
    converted.expect("no arguments\n     5|2.5\nchosen\n0x1234\n");
    results.download();
    const int counts[] = {10, 6, 10, 0, 4, 1, 1};
    same("arguments", results.host, counts, 7);

    Capture warps(stdout);
    CALL(cudaStreamCreate(&stream));
    in_warps<<<2, 40, 0, stream>>>(30);
    cudaEvent_t event;
    CALL(cudaEventCreate(&event));
    CALL(cudaEventRecord(event, stream));
    ran = cudaEventSynchronize(event);
    warps.end();
    CALL(ran);
    warps.expect("lane 5 turn 1 sum 496\n", 2);
    warps.expect("lane 29 turn 0 sum 496\n", 2);
    warps.expect("lane 31 ", 0);
    warps.expect("odd\n", 40);
    warps.expect("even\n", 40);

    Capture flooded(stdout);
    flood<<<64, 256>>>();
    ran = cudaDeviceSynchronize();
    flooded.end();
    CALL(ran);
    int lines = flooded.count("line ");
    if (lines < 1000 || lines > 16384) return std::printf("FAIL %d lines of 16384 are left\n", lines), 1;
    // Each is whole.
    flooded.expect("\n", lines);
    near("length", 0, double(std::strlen(flooded.text)), 12.0 * lines, 0.0);
    return pass();
}
