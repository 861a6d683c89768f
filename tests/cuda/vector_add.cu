// The sum of two vectors, in one pass and in a loop with the grid's stride.
#include "check.h"

__global__ void add(const float *a, const float *b, float *c, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) c[i] = a[i] + b[i];
}

__global__ void add_strided(const double *a, const double *b, double *c, int count) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) c[i] = a[i] + b[i];
}

template <typename T> static void run(int count, void (*launch)(const T *, const T *, T *, int)) {
    Both<T> a(count), b(count), c(count);
    Random random{7};
    for (int i = 0; i < count; ++i) a.host[i] = random.unit() - 0.5f, b.host[i] = random.unit() * 100.0f;
    a.upload(), b.upload();
    launch(a.device, b.device, c.device, count);
    finish();
    c.download();
    for (int i = 0; i < count; ++i) near("sum", i, c.host[i], a.host[i] + b.host[i], 0.0);
}

int main() {
    for (int count : {1, 31, 1000, 100003}) {
        run<float>(count, [](const float *a, const float *b, float *c, int n) { add<<<(n + 255) / 256, 256>>>(a, b, c, n); });
        run<double>(count, [](const double *a, const double *b, double *c, int n) { add_strided<<<5, 96>>>(a, b, c, n); });
    }
    return pass();
}
