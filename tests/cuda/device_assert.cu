// An assertion that fails in a kernel says where, and is the documented error, which stays; one that holds changes
// nothing.
#undef NDEBUG
#include "capture.h"
#include "check.h"
#include <cassert>

__global__ void check_limit(const int *values, int limit) { assert(values[threadIdx.x] < limit); }

int main() {
    Both<int> values(32);
    for (int i = 0; i < 32; ++i) values.host[i] = i;
    values.upload();
    check_limit<<<1, 32>>>(values.device, 32);
    finish();
    Capture said(stderr);
    check_limit<<<dim3(1, 2), 32>>>(values.device, 31);
    cudaError_t status = cudaDeviceSynchronize();
    said.end();
    if (status != cudaErrorAssert) return std::printf("FAIL %s, expected cudaErrorAssert\n", cudaGetErrorName(status)), 1;
    said.expect("device_assert.cu:8: void check_limit(const int *, int): block: [0,0,0], thread: [31,0,0] Assertion `values[threadIdx.x] < limit` failed.\n");
    said.expect("block: [0,1,0], thread: [31,0,0] Assertion");
    said.expect("Assertion", 2);
    void *memory;
    status = cudaMalloc(&memory, 16);
    if (status != cudaErrorAssert) return std::printf("FAIL a later call: %s\n", cudaGetErrorName(status)), 1;
    return pass();
}
