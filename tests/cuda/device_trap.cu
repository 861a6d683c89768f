// A kernel that traps fails its launch, and every later call says so. What it printed before is printed.
#include "capture.h"
#include "check.h"
#include <string>

// As libraries do where they have no code for an architecture.
__global__ void refuse(int *data, int line) {
    if (data[threadIdx.x] == 0) return;
    printf("%s:%d: no code for architecture %d\n", "device_trap.cu", 10, 610);
    __trap();
}

__global__ void count(int *data) {
    printf("thread %d counts\n", threadIdx.x);
    if (threadIdx.x == 7) __trap();
    data[threadIdx.x] = 1;
}

void expect_failure(cudaError_t status, const char *what) {
    if (status == cudaErrorLaunchFailure) return;
    std::printf("FAIL %s: %s, expected cudaErrorLaunchFailure\n", what, cudaGetErrorName(status));
    std::exit(1);
}

// In a process of its own: there is no context behind a trap.
void reach_refusal() {
    Both<int> data(32);
    data.host[5] = 1;
    data.upload();
    Capture said(stdout);
    refuse<<<1, 32>>>(data.device, 3);
    cudaError_t status = cudaDeviceSynchronize();
    said.end();
    expect_failure(status, "the refusal");
    said.expect("device_trap.cu:10: no code for architecture 610\n");
}

int main(int argc, char **argv) {
    if (argc > 1) return reach_refusal(), 0;
    Both<int> data(32);
    refuse<<<1, 32>>>(data.device, 3);
    finish();
    Capture said(stdout);
    count<<<1, 32>>>(data.device);
    cudaError_t status = cudaDeviceSynchronize();
    said.end();
    expect_failure(status, "the launch");
    said.expect("counts\n", 32);
    expect_failure(cudaMalloc(&data.device, 16), "a later call");
    if (std::system((std::string(argv[0]) + " refusal").c_str()) != 0) return std::puts("FAIL the refusal"), 1;
    return pass();
}
