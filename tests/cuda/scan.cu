// Running sums: of warps by shuffles, of blocks through shared memory, of the whole by a second pass.
#include "check.h"

constexpr int BLOCK = 256;

__global__ void scan_blocks(const unsigned *in, unsigned *out, unsigned *totals, int count) {
    __shared__ unsigned warps[BLOCK / 32];
    int index = blockIdx.x * BLOCK + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    unsigned value = index < count ? in[index] : 0;
    for (int step = 1; step < 32; step *= 2) {
        unsigned below = __shfl_up_sync(0xFFFFFFFF, value, step);
        if (lane >= step) value += below;
    }
    if (lane == 31) warps[warp] = value;
    __syncthreads();
    for (int before = 0; before < warp; ++before) value += warps[before];
    if (index < count) out[index] = value;
    if (threadIdx.x == BLOCK - 1) totals[blockIdx.x] = value;
}

__global__ void add_totals(unsigned *out, const unsigned *totals, int count) {
    int index = blockIdx.x * BLOCK + threadIdx.x;
    unsigned before = 0;
    for (int block = 0; block < blockIdx.x; ++block) before += totals[block];
    if (index < count) out[index] += before;
}

int main() {
    for (int count : {5, 256, 10001}) {
        int blocks = (count + BLOCK - 1) / BLOCK;
        Both<unsigned> in(count), out(count), totals(blocks);
        Random random{11};
        for (int i = 0; i < count; ++i) in.host[i] = random.bits();
        in.upload();
        scan_blocks<<<blocks, BLOCK>>>(in.device, out.device, totals.device, count);
        add_totals<<<blocks, BLOCK>>>(out.device, totals.device, count);
        finish();
        out.download();
        unsigned sum = 0;
        for (int i = 0; i < count; ++i) sum += in.host[i], near("sum", i, out.host[i], sum, 0.0);
    }
    return pass();
}
