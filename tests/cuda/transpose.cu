// A matrix transposed through padded tiles in shared memory, with edges that no tile fits.
#include "check.h"

constexpr int TILE = 32, ROWS = 8;

template <typename T> __global__ void transpose(const T *in, T *out, int width, int height) {
    __shared__ T tile[TILE][TILE + 1];
    int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    for (int row = 0; row < TILE; row += ROWS)
        if (x < width && y + row < height) tile[threadIdx.y + row][threadIdx.x] = in[(y + row) * width + x];
    __syncthreads();
    x = blockIdx.y * TILE + threadIdx.x, y = blockIdx.x * TILE + threadIdx.y;
    for (int row = 0; row < TILE; row += ROWS)
        if (x < height && y + row < width) out[(y + row) * height + x] = tile[threadIdx.x][threadIdx.y + row];
}

template <typename T> static void run(int width, int height) {
    Both<T> in(width * height), out(width * height);
    for (int i = 0; i < width * height; ++i) in.host[i] = T(i * 7 + 1);
    in.upload();
    dim3 grid((width + TILE - 1) / TILE, (height + TILE - 1) / TILE), block(TILE, ROWS);
    transpose<<<grid, block>>>(in.device, out.device, width, height);
    finish();
    out.download();
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) near("element", x * height + y, double(out.host[x * height + y]), double(in.host[y * width + x]), 0.0);
}

int main() {
    run<float>(64, 64);
    run<double>(100, 37);
    run<unsigned short>(33, 65);
    run<unsigned char>(1, 70);
    return pass();
}
