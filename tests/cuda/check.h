// What the programs of this folder share: calls that must succeed, numbers that are the same in every run, buffers
// on both sides, and the verdict.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define CALL(call)                                                                                                    \
    do {                                                                                                              \
        cudaError_t status = (call);                                                                                  \
        if (status != cudaSuccess) {                                                                                  \
            std::printf("FAIL %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(status));                 \
            std::exit(1);                                                                                             \
        }                                                                                                             \
    } while (0)

// Ends the program unless two numbers are as near as `tolerance`, relative to the larger of the expected one and 1.
inline void near(const char *what, size_t index, double got, double expected, double tolerance) {
    double scale = std::fmax(1.0, std::fabs(expected));
    if (std::fabs(got - expected) <= tolerance * scale) return;
    std::printf("FAIL %s[%zu]: %.9g, expected %.9g\n", what, index, got, expected);
    std::exit(1);
}

template <typename T> void same(const char *what, const T *got, const T *expected, size_t count) {
    for (size_t index = 0; index < count; ++index) near(what, index, double(got[index]), double(expected[index]), 0.0);
}

struct Random {
    uint64_t state;
    uint32_t bits() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return uint32_t(state >> 33);
    }
    float unit() { return float(bits() & 0xFFFF) / 65536.0f; }
};

// `count` elements on the device and on the host.
template <typename T> struct Both {
    T *device = nullptr, *host;
    size_t count;
    explicit Both(size_t count) : host(static_cast<T *>(std::calloc(count, sizeof(T)))), count(count) {
        CALL(cudaMalloc(&device, count * sizeof(T)));
        CALL(cudaMemset(device, 0, count * sizeof(T)));
    }
    ~Both() {
        cudaFree(device);
        std::free(host);
    }
    void upload() { CALL(cudaMemcpy(device, host, count * sizeof(T), cudaMemcpyHostToDevice)); }
    void download() { CALL(cudaMemcpy(host, device, count * sizeof(T), cudaMemcpyDeviceToHost)); }
};

inline void finish() {
    CALL(cudaGetLastError());
    CALL(cudaDeviceSynchronize());
}

inline int pass() {
    std::puts("PASS");
    return 0;
}
