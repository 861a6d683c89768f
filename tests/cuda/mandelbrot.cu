// The Mandelbrot set: loops that neighbouring threads leave at different times. Fused products on both sides make
// every count exact.
#include "check.h"

template <typename T> __host__ __device__ int turns(T re, T im, int most) {
    T x = 0, y = 0;
    int turn = 0;
    for (; turn < most; ++turn) {
        T squares = std::fma(x, x, y * y);
        if (squares > T(4)) break;
        T next = std::fma(-y, y, std::fma(x, x, re));
        y = std::fma(T(2) * x, y, im);
        x = next;
    }
    return turn;
}

template <typename T> __global__ void mandelbrot(int *counts, int width, int height, int most) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    counts[y * width + x] = turns(T(x) * T(0.03125) - T(2), T(y) * T(0.03125) - T(1), most);
}

template <typename T> static void run(int width, int height, int most) {
    Both<int> counts(width * height);
    mandelbrot<T><<<dim3((width + 15) / 16, (height + 7) / 8), dim3(16, 8)>>>(counts.device, width, height, most);
    finish();
    counts.download();
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            int expected = turns(T(x) * T(0.03125) - T(2), T(y) * T(0.03125) - T(1), most);
            near("turns", y * width + x, counts.host[y * width + x], expected, 0.0);
        }
}

int main() {
    run<float>(97, 65, 200);
    run<double>(50, 33, 100);
    return pass();
}
