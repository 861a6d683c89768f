// A program that real nvcc compiles: what its host code asks of a driver before the first launch.
//
// The runtime is linked into it, its kernels and variables come from its own fat binary.
#include <cstdio>
#include <cstring>

__constant__ int table[4] = {3, 1, 4, 1};
__device__ double accumulated[8] = {2.5};
__device__ unsigned counter = 41;

__global__ void __launch_bounds__(256) accumulate(const double *values, int count) {
    __shared__ double partial[256];
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    partial[threadIdx.x] = index < count ? values[index] * table[index % 4] : 0.0;
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        atomicAdd(&accumulated[blockIdx.x % 8], partial[0]);
        atomicAdd(&counter, 1u);
    }
}

static int failures;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), ++failures;   \
    } while (0)

#define CALL(call)                                                                                           \
    do {                                                                                                     \
        cudaError_t status = (call);                                                                         \
        if (status != cudaSuccess)                                                                           \
            std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(status)),    \
                ++failures;                                                                                  \
    } while (0)

static void variables() {
    int constants[4] = {};
    double sums[8] = {-1};
    unsigned count = 0;
    void *address = nullptr;
    size_t size = 0;
    CALL(cudaMemcpyFromSymbol(constants, table, sizeof constants));
    CALL(cudaMemcpyFromSymbol(sums, accumulated, sizeof sums));
    CALL(cudaMemcpyFromSymbol(&count, counter, sizeof count));
    CHECK(constants[0] == 3 && constants[1] == 1 && constants[2] == 4 && constants[3] == 1);
    CHECK(sums[0] == 2.5 && sums[1] == 0.0 && sums[7] == 0.0);
    CHECK(count == 41);
    count = 7;
    CALL(cudaMemcpyToSymbol(counter, &count, sizeof count));
    CALL(cudaGetSymbolAddress(&address, counter));
    CALL(cudaGetSymbolSize(&size, accumulated));
    CHECK(size == sizeof sums);
    count = 0;
    CALL(cudaMemcpy(&count, address, sizeof count, cudaMemcpyDeviceToHost));
    CHECK(count == 7);
}

static void attributes() {
    cudaFuncAttributes attributes;
    int blocks = 0, grid = 0, block = 0;
    CALL(cudaFuncGetAttributes(&attributes, accumulate));
    CHECK(attributes.maxThreadsPerBlock == 256);
    CHECK(attributes.sharedSizeBytes == 256 * sizeof(double));
    CHECK(attributes.numRegs > 0 && attributes.ptxVersion >= 75);
    CALL(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, accumulate, 128, 0));
    CHECK(blocks >= 1);
    CALL(cudaOccupancyMaxPotentialBlockSize(&grid, &block, accumulate));
    CHECK(grid >= 1 && block >= 32 && block <= 256);
    CALL(cudaFuncSetAttribute(accumulate, cudaFuncAttributeMaxDynamicSharedMemorySize, 1024));
}

static void memory() {
    static double source[10000], target[10000];
    double *device = nullptr;
    cudaStream_t stream;
    for (int i = 0; i < 10000; i++) source[i] = i * 0.5;
    CALL(cudaStreamCreate(&stream));
    CALL(cudaMalloc(&device, sizeof source));
    CALL(cudaMemcpyAsync(device, source, sizeof source, cudaMemcpyHostToDevice, stream));
    CALL(cudaMemcpyAsync(target, device, sizeof source, cudaMemcpyDeviceToHost, stream));
    CALL(cudaStreamSynchronize(stream));
    CHECK(std::memcmp(source, target, sizeof source) == 0);
    CALL(cudaFree(device));
    CALL(cudaStreamDestroy(stream));
}

int main() {
    int count = 0;
    cudaDeviceProp properties;
    CALL(cudaGetDeviceCount(&count));
    CHECK(count >= 1);
    if (failures) return 1;
    CALL(cudaGetDeviceProperties(&properties, 0));
    std::printf("nvcc %d.%d on %s, compute capability %d.%d\n", __CUDACC_VER_MAJOR__, __CUDACC_VER_MINOR__,
                properties.name, properties.major, properties.minor);
    memory();
    variables();
    attributes();
    return failures != 0;
}
