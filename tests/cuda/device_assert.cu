// An assertion that fails in a kernel is the documented error, which stays; one that holds changes nothing.
#undef NDEBUG
#include "check.h"
#include <cassert>

__global__ void check_limit(const int *values, int limit) { assert(values[threadIdx.x] < limit); }

int main() {
    Both<int> values(32);
    for (int i = 0; i < 32; ++i) values.host[i] = i;
    values.upload();
    check_limit<<<1, 32>>>(values.device, 32);
    finish();
    check_limit<<<1, 32>>>(values.device, 31);
    cudaError_t status = cudaDeviceSynchronize();
    if (status != cudaErrorAssert) return std::printf("FAIL %s, expected cudaErrorAssert\n", cudaGetErrorName(status)), 1;
    void *memory;
    status = cudaMalloc(&memory, 16);
    if (status != cudaErrorAssert) return std::printf("FAIL a later call: %s\n", cudaGetErrorName(status)), 1;
    return pass();
}
