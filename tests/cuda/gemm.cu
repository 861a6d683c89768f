// A matrix product in tiles: single precision, half precision with pairs, and bytes by dot products of four.
#include "check.h"
#include <cuda_fp16.h>

constexpr int TILE = 16;

__global__ void single_precision(const float *a, const float *b, float *c, int m, int n, int k) {
    __shared__ float rows[TILE][TILE], columns[TILE][TILE];
    int x = threadIdx.x, y = threadIdx.y, column = blockIdx.x * TILE + x, row = blockIdx.y * TILE + y;
    float sum = 0.0f;
    for (int start = 0; start < k; start += TILE) {
        rows[y][x] = row < m && start + x < k ? a[row * k + start + x] : 0.0f;
        columns[y][x] = start + y < k && column < n ? b[(start + y) * n + column] : 0.0f;
        __syncthreads();
        for (int i = 0; i < TILE; ++i) sum = fmaf(rows[y][i], columns[i][x], sum);
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}

// `b` is stored by columns; `k` is even.
__global__ void half_precision(const half2 *a, const half2 *b, float *c, int m, int n, int k) {
    int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row >= m || column >= n) return;
    half2 sum = __float2half2_rn(0.0f);
    float total = 0.0f;
    for (int i = 0; i < k / 2; ++i) {
        sum = __hfma2(a[row * (k / 2) + i], b[column * (k / 2) + i], sum);
        // Halves overflow and lose digits: move the sum on now and then.
        if (i % 8 == 7 || i == k / 2 - 1) {
            total += __low2float(sum) + __high2float(sum);
            sum = __float2half2_rn(0.0f);
        }
    }
    c[row * n + column] = total;
}

// `b` is stored by columns; `k` counts groups of four bytes.
__global__ void bytes(const int *a, const int *b, int *c, int m, int n, int k) {
    int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row >= m || column >= n) return;
    int sum = 0;
    for (int i = 0; i < k; ++i) sum = __dp4a(a[row * k + i], b[column * k + i], sum);
    c[row * n + column] = sum;
}

static dim3 blocks(int n, int m) { return dim3((n + TILE - 1) / TILE, (m + TILE - 1) / TILE); }

static void run_single(int m, int n, int k) {
    Both<float> a(m * k), b(k * n), c(m * n);
    Random random{1};
    for (int i = 0; i < m * k; ++i) a.host[i] = random.unit() - 0.5f;
    for (int i = 0; i < k * n; ++i) b.host[i] = random.unit() - 0.5f;
    a.upload(), b.upload();
    single_precision<<<blocks(n, m), dim3(TILE, TILE)>>>(a.device, b.device, c.device, m, n, k);
    finish();
    c.download();
    for (int row = 0; row < m; ++row)
        for (int column = 0; column < n; ++column) {
            double sum = 0.0;
            for (int i = 0; i < k; ++i) sum += double(a.host[row * k + i]) * double(b.host[i * n + column]);
            near("f32", row * n + column, c.host[row * n + column], sum, 1e-5);
        }
}

static void run_half(int m, int n, int k) {
    Both<half> a(m * k), b(n * k);
    Both<float> c(m * n);
    Random random{2};
    for (int i = 0; i < m * k; ++i) a.host[i] = __float2half(random.unit() - 0.5f);
    for (int i = 0; i < n * k; ++i) b.host[i] = __float2half(random.unit() - 0.5f);
    a.upload(), b.upload();
    half_precision<<<blocks(n, m), dim3(TILE, TILE)>>>(reinterpret_cast<half2 *>(a.device), reinterpret_cast<half2 *>(b.device), c.device, m, n, k);
    finish();
    c.download();
    for (int row = 0; row < m; ++row)
        for (int column = 0; column < n; ++column) {
            double sum = 0.0;
            for (int i = 0; i < k; ++i) sum += double(__half2float(a.host[row * k + i])) * double(__half2float(b.host[column * k + i]));
            near("f16", row * n + column, c.host[row * n + column], sum, 2e-2);
        }
}

static void run_bytes(int m, int n, int k) {
    Both<signed char> a(m * k * 4), b(n * k * 4);
    Both<int> c(m * n);
    Random random{3};
    for (size_t i = 0; i < a.count; ++i) a.host[i] = static_cast<signed char>(random.bits());
    for (size_t i = 0; i < b.count; ++i) b.host[i] = static_cast<signed char>(random.bits());
    a.upload(), b.upload();
    bytes<<<blocks(n, m), dim3(TILE, TILE)>>>(reinterpret_cast<int *>(a.device), reinterpret_cast<int *>(b.device), c.device, m, n, k);
    finish();
    c.download();
    for (int row = 0; row < m; ++row)
        for (int column = 0; column < n; ++column) {
            int sum = 0;
            for (int i = 0; i < 4 * k; ++i) sum += a.host[row * k * 4 + i] * b.host[column * k * 4 + i];
            near("s8", row * n + column, c.host[row * n + column], sum, 0.0);
        }
}

int main() {
    run_single(64, 64, 64), run_single(37, 50, 23);
    run_half(32, 48, 64), run_half(17, 19, 6);
    run_bytes(32, 32, 16), run_bytes(5, 33, 7);
    return pass();
}
