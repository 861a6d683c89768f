/* A stock CUDA program: the runtime API as a program uses it, up to the first launch.
 *
 *   runtime              finds a device and works with it
 *   runtime no-device    finds none, because the driver is older than the runtime
 *
 * It knows nothing of who made the driver. It prints what it found, and its exit status says whether all of
 * it was right. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES ((size_t)3 << 20)

static int failures;

static void fail(const char *what, int line) {
    fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
    failures++;
}

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) fail(#condition, __LINE__);                                                        \
    } while (0)

#define CALL(call)                                                                                           \
    do {                                                                                                     \
        cudaError_t status = (call);                                                                         \
        if (status != cudaSuccess) {                                                                         \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(status));         \
            failures++;                                                                                      \
        }                                                                                                    \
    } while (0)

static unsigned char *pattern(size_t len, unsigned seed) {
    unsigned char *bytes = malloc(len);
    if (!bytes) abort();
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(seed >> 24);
    }
    return bytes;
}

static void versions(void) {
    int driver = 0, runtime = 0;
    CALL(cudaDriverGetVersion(&driver));
    CALL(cudaRuntimeGetVersion(&runtime));
    CHECK(runtime == CUDART_VERSION);
    printf("runtime %d, driver %d\n", runtime, driver);
}

static void properties(void) {
    struct cudaDeviceProp p;
    char bus_id[32] = "";
    int by_bus_id = -1, warp = 0, device = -1, expected_domain, expected_bus, expected_device;
    memset(&p, 0xFF, sizeof p);
    CALL(cudaGetDeviceProperties(&p, 0));
    CALL(cudaDeviceGetAttribute(&warp, cudaDevAttrWarpSize, 0));
    CALL(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, 0));
    CALL(cudaDeviceGetByPCIBusId(&by_bus_id, bus_id));
    CALL(cudaGetDevice(&device));
    CHECK(p.warpSize == 32 && warp == 32);
    CHECK(p.maxThreadsPerBlock == 1024 && p.maxThreadsDim[2] == 64);
    CHECK(p.sharedMemPerBlock == 49152 && p.totalConstMem == 65536);
    CHECK(p.multiProcessorCount >= 1 && p.totalGlobalMem > 0);
    CHECK(p.unifiedAddressing == 1);
    CHECK(by_bus_id == 0 && device == 0);
    CHECK(sscanf(bus_id, "%x:%x:%x", &expected_domain, &expected_bus, &expected_device) == 3);
    CHECK(p.pciDomainID == expected_domain && p.pciBusID == expected_bus && p.pciDeviceID == expected_device);
    printf("device 0: %s, compute capability %d.%d, %d multiprocessors, %zu MiB, %s\n", p.name, p.major, p.minor,
           p.multiProcessorCount, p.totalGlobalMem >> 20, bus_id);
}

static void memory(void) {
    unsigned char *source = pattern(BYTES, 1), *target = malloc(BYTES), *first = NULL, *second = NULL;
    size_t free_before = 0, total = 0;
    struct cudaPointerAttributes attributes;
    CALL(cudaMemGetInfo(&free_before, &total));
    CHECK(free_before > 0 && free_before <= total);
    CALL(cudaMalloc((void **)&first, BYTES));
    CALL(cudaMalloc((void **)&second, BYTES));
    CALL(cudaMemcpy(first, source, BYTES, cudaMemcpyHostToDevice));
    CALL(cudaMemcpy(second, first, BYTES, cudaMemcpyDeviceToDevice));
    CALL(cudaMemset(second + 1000, 0x5A, 2001));
    CALL(cudaMemcpy(target, second, BYTES, cudaMemcpyDefault));
    memset(source + 1000, 0x5A, 2001);
    CHECK(memcmp(source, target, BYTES) == 0);
    CALL(cudaPointerGetAttributes(&attributes, first + 5));
    CHECK(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
    CALL(cudaFree(first));
    CALL(cudaFree(second));
    CALL(cudaFree(NULL));
    free(source);
    free(target);
}

static void pitched_memory(void) {
    enum { WIDTH = 333, HEIGHT = 77 };
    unsigned char *source = pattern(WIDTH * HEIGHT, 2), *target = calloc(WIDTH, HEIGHT), *device = NULL;
    size_t pitch = 0;
    CALL(cudaMallocPitch((void **)&device, &pitch, WIDTH, HEIGHT));
    CHECK(pitch >= WIDTH);
    CALL(cudaMemcpy2D(device, pitch, source, WIDTH, WIDTH, HEIGHT, cudaMemcpyHostToDevice));
    CALL(cudaMemset2D(device + 10, pitch, 7, 100, 50));
    CALL(cudaMemcpy2D(target, WIDTH, device, pitch, WIDTH, HEIGHT, cudaMemcpyDeviceToHost));
    for (int row = 0; row < 50; row++) memset(source + row * WIDTH + 10, 7, 100);
    CHECK(memcmp(source, target, WIDTH * HEIGHT) == 0);
    CALL(cudaFree(device));
    free(source);
    free(target);
}

static void note(void *user) {
    ++*(int *)user;
}

static void streams_and_events(void) {
    unsigned char *source = NULL, *target = NULL, *first = NULL, *second = NULL, *reference = pattern(BYTES, 3);
    cudaStream_t one, two;
    cudaEvent_t start, middle, end;
    float milliseconds = -1;
    int calls = 0;
    CALL(cudaMallocHost((void **)&source, BYTES));
    CALL(cudaHostAlloc((void **)&target, BYTES, cudaHostAllocDefault));
    CALL(cudaMalloc((void **)&first, BYTES));
    CALL(cudaMalloc((void **)&second, BYTES));
    CALL(cudaStreamCreate(&one));
    CALL(cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking));
    CALL(cudaEventCreate(&start));
    CALL(cudaEventCreateWithFlags(&middle, cudaEventDisableTiming));
    CALL(cudaEventCreate(&end));
    memcpy(source, reference, BYTES);
    CALL(cudaEventRecord(start, one));
    CALL(cudaMemcpyAsync(first, source, BYTES, cudaMemcpyHostToDevice, one));
    CALL(cudaEventRecord(middle, one));
    CALL(cudaStreamWaitEvent(two, middle, 0));
    CALL(cudaMemcpyAsync(second, first, BYTES, cudaMemcpyDeviceToDevice, two));
    CALL(cudaMemsetAsync(second, 9, 1234, two));
    CALL(cudaMemcpyAsync(target, second, BYTES, cudaMemcpyDeviceToHost, two));
    CALL(cudaLaunchHostFunc(two, note, &calls));
    CALL(cudaEventRecord(end, two));
    CALL(cudaEventSynchronize(end));
    CALL(cudaStreamQuery(two));
    CALL(cudaEventElapsedTime(&milliseconds, start, end));
    CHECK(calls == 1);
    CHECK(milliseconds > 0 && milliseconds < 60000);
    memset(reference, 9, 1234);
    CHECK(memcmp(reference, target, BYTES) == 0);
    CALL(cudaDeviceSynchronize());
    CALL(cudaEventDestroy(start));
    CALL(cudaEventDestroy(middle));
    CALL(cudaEventDestroy(end));
    CALL(cudaStreamDestroy(one));
    CALL(cudaStreamDestroy(two));
    CALL(cudaFree(first));
    CALL(cudaFree(second));
    CALL(cudaFreeHost(source));
    CALL(cudaFreeHost(target));
    free(reference);
}

static void errors(void) {
    void *pointer = NULL;
    char byte = 0;
    CHECK(cudaMalloc(&pointer, (size_t)1 << 60) == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(cudaSetDevice(1000) == cudaErrorInvalidDevice);
    CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
    CALL(cudaMalloc(&pointer, 16));
    CHECK(cudaMemcpy(pointer, &byte, (size_t)1 << 40, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CALL(cudaFree(pointer));
    CHECK(cudaFree(pointer) == cudaErrorInvalidValue);
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CHECK(strcmp(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue") == 0);
    CHECK(strlen(cudaGetErrorString(cudaErrorMemoryAllocation)) > 3);
}

static int work(void) {
    int count = 0;
    CALL(cudaGetDeviceCount(&count));
    CHECK(count >= 1);
    if (failures) return 1;
    properties();
    memory();
    pitched_memory();
    streams_and_events();
    errors();
    memory();
    CALL(cudaDeviceReset());
    memory();
    return failures != 0;
}

static int no_device(void) {
    int count = -1;
    void *pointer = NULL;
    CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
    CHECK(cudaMalloc(&pointer, 16) == cudaErrorInsufficientDriver);
    CHECK(count <= 0);
    printf("no device: %s\n", cudaGetErrorString(cudaErrorInsufficientDriver));
    return failures != 0;
}

int main(int argc, char **argv) {
    versions();
    return argc > 1 && strcmp(argv[1], "no-device") == 0 ? no_device() : work();
}
