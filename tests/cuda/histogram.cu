// How often each byte occurs, by atomics on shared memory and then on global memory.
#include "check.h"

__global__ void histogram(const unsigned char *bytes, unsigned *bins, int count) {
    __shared__ unsigned own[256];
    for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) own[bin] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) atomicAdd(&own[bytes[i]], 1u);
    __syncthreads();
    for (int bin = threadIdx.x; bin < 256; bin += blockDim.x)
        if (own[bin] != 0) atomicAdd(&bins[bin], own[bin]);
}

int main() {
    const int count = 50021;
    Both<unsigned char> bytes(count);
    Both<unsigned> bins(256);
    unsigned expected[256] = {};
    Random random{5};
    for (int i = 0; i < count; ++i) {
        bytes.host[i] = random.bits() % 7 == 0 ? 65 : random.bits() & 255;
        ++expected[bytes.host[i]];
    }
    bytes.upload();
    histogram<<<6, 200>>>(bytes.device, bins.device, count);
    finish();
    bins.download();
    same("bin", bins.host, expected, 256);
    return pass();
}
