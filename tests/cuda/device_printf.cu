// printf from a kernel: the lines of all threads arrive by the time the device is synchronized, whole.
#include "check.h"
#include <cstring>
#include <unistd.h>

__global__ void greet(double scale) {
    if (threadIdx.x % 8 == 3) printf("thread %d of %u: %s %.3f %c %lld\n", threadIdx.x, blockDim.x, "scaled", scale * threadIdx.x, 'x', -5000000000ll);
}

int main() {
    char name[] = "/tmp/device-printf-XXXXXX";
    int file = mkstemp(name), terminal = dup(1);
    std::fflush(stdout);
    dup2(file, 1);
    greet<<<1, 32>>>(0.5);
    cudaError_t launched = cudaGetLastError(), ran = cudaDeviceSynchronize();
    std::fflush(stdout);
    dup2(terminal, 1);
    CALL(launched);
    CALL(ran);
    char text[4096] = {};
    lseek(file, 0, SEEK_SET);
    ssize_t length = read(file, text, sizeof text - 1);
    unlink(name);
    size_t expected = 0;
    for (int thread : {3, 11, 19, 27}) {
        char line[128];
        expected += std::snprintf(line, sizeof line, "thread %d of 32: scaled %.3f x -5000000000\n", thread, 0.5 * thread);
        if (!std::strstr(text, line)) return std::printf("FAIL no line `%s` in `%s`\n", line, text), 1;
    }
    near("length", 0, double(length), double(expected), 0.0);
    return pass();
}
