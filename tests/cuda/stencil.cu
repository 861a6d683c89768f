// A stencil in three dimensions with weights in constant memory and a halo in shared memory, several times.
#include "check.h"

constexpr int X = 16, Y = 4, RADIUS = 2;
__constant__ float weights[RADIUS + 1];

__global__ void stencil(const float *in, float *out, int nx, int ny, int nz) {
    __shared__ float plane[Y + 2 * RADIUS][X + 2 * RADIUS];
    int x = blockIdx.x * X + threadIdx.x, y = blockIdx.y * Y + threadIdx.y;
    for (int z = 0; z < nz; ++z) {
        for (int row = threadIdx.y; row < Y + 2 * RADIUS; row += Y)
            for (int column = threadIdx.x; column < X + 2 * RADIUS; column += X) {
                int gx = int(blockIdx.x) * X + column - RADIUS, gy = int(blockIdx.y) * Y + row - RADIUS;
                bool inside = gx >= 0 && gx < nx && gy >= 0 && gy < ny;
                plane[row][column] = inside ? in[(z * ny + gy) * nx + gx] : 0.0f;
            }
        __syncthreads();
        if (x < nx && y < ny) {
            int row = threadIdx.y + RADIUS, column = threadIdx.x + RADIUS;
            float sum = weights[0] * plane[row][column];
            for (int r = 1; r <= RADIUS; ++r) {
                sum += weights[r] * (plane[row][column - r] + plane[row][column + r]);
                sum += weights[r] * (plane[row - r][column] + plane[row + r][column]);
                if (z >= r) sum += weights[r] * in[((z - r) * ny + y) * nx + x];
                if (z + r < nz) sum += weights[r] * in[((z + r) * ny + y) * nx + x];
            }
            out[(z * ny + y) * nx + x] = sum;
        }
        __syncthreads();
    }
}

int main() {
    const int nx = 37, ny = 10, nz = 6, count = nx * ny * nz;
    const float own[] = {0.5f, 0.06f, 0.02f};
    CALL(cudaMemcpyToSymbol(weights, own, sizeof own));
    Both<float> first(count), second(count);
    double *from = static_cast<double *>(std::calloc(count, sizeof(double))), *to = static_cast<double *>(std::calloc(count, sizeof(double)));
    Random random{6};
    for (int i = 0; i < count; ++i) from[i] = first.host[i] = random.unit();
    first.upload();
    for (int turn = 0; turn < 4; ++turn) {
        const float *in = turn % 2 ? second.device : first.device;
        stencil<<<dim3((nx + X - 1) / X, (ny + Y - 1) / Y), dim3(X, Y)>>>(in, turn % 2 ? first.device : second.device, nx, ny, nz);
        auto at = [&](int x, int y, int z) { return x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz ? 0.0 : from[(z * ny + y) * nx + x]; };
        for (int z = 0; z < nz; ++z)
            for (int y = 0; y < ny; ++y)
                for (int x = 0; x < nx; ++x) {
                    double sum = double(own[0]) * at(x, y, z);
                    for (int r = 1; r <= RADIUS; ++r)
                        sum += double(own[r]) * (at(x - r, y, z) + at(x + r, y, z) + at(x, y - r, z) + at(x, y + r, z) + at(x, y, z - r) + at(x, y, z + r));
                    to[(z * ny + y) * nx + x] = sum;
                }
        std::swap(from, to);
    }
    finish();
    first.download();
    for (int i = 0; i < count; ++i) near("cell", i, first.host[i], from[i], 1e-5);
    std::free(from), std::free(to);
    return pass();
}
