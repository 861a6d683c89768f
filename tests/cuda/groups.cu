// Cooperative groups: tiles of a warp reduce and scan by themselves, threads that meet in a branch are a group, and
// threads with one label are one; counts over the block.
// The headers of 11.8 need libcu++ of that version, of which PyPI has a broken release only.
// kits: 13.5
#include "check.h"
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

namespace cg = cooperative_groups;

template <int size> __global__ void reduce_tiles(const int *in, int *sums, int *most) {
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<size>(block);
    int value = in[block.thread_rank()];
    sums[block.thread_rank()] = cg::reduce(tile, value, cg::plus<int>());
    most[block.thread_rank()] = cg::reduce(tile, value, cg::greater<int>());
    block.sync();
}

template <int size> __global__ void shuffle_tiles(const float *in, float *out) {
    auto tile = cg::tiled_partition<size>(cg::this_thread_block());
    float sum = in[threadIdx.x];
    for (int i = size / 2; i > 0; i /= 2) sum += tile.shfl_xor(sum, i);
    float before = tile.shfl_up(in[threadIdx.x], 1);
    out[threadIdx.x] = sum + 1000 * float(tile.thread_rank()) + 100000 * float(tile.meta_group_rank()) + (tile.thread_rank() ? before : 0);
}

__global__ void meet(const int *in, int *ranks, int *sizes) {
    ranks[threadIdx.x] = -1;
    if (in[threadIdx.x] % 3 == 0) {
        auto group = cg::coalesced_threads();
        ranks[threadIdx.x] = group.thread_rank();
        sizes[threadIdx.x] = group.size();
    }
}

__global__ void label(const int *in, unsigned *same, int *all) {
#if __CUDA_ARCH__ >= 700
    same[threadIdx.x] = __match_any_sync(0xFFFFFFFFu, in[threadIdx.x] & 3);
    int holds;
    unsigned mask = __match_all_sync(0xFFFFFFFFu, threadIdx.x / 32, &holds);
    all[threadIdx.x] = holds && mask == 0xFFFFFFFFu;
#endif
}

__global__ void count(const int *in, int *out) {
    int value = in[threadIdx.x];
    extern __shared__ int tile[];
    tile[threadIdx.x] = value;
    int many = __syncthreads_count(value > 50), any = __syncthreads_or(value == 7), all = __syncthreads_and(value >= 0);
    out[threadIdx.x] = many * 4 + any * 2 + (all ? 1 : 0) + 1000 * tile[blockDim.x - 1 - threadIdx.x];
}

template <int size> void tiles(Both<int> &in, int threads) {
    Both<int> sums(threads), most(threads);
    reduce_tiles<size><<<1, threads>>>(in.device, sums.device, most.device);
    finish();
    sums.download(), most.download();
    Both<float> floats(threads), out(threads);
    for (int i = 0; i < threads; ++i) floats.host[i] = float(in.host[i]);
    floats.upload();
    shuffle_tiles<size><<<1, threads>>>(floats.device, out.device);
    finish();
    out.download();
    for (int i = 0; i < threads; ++i) {
        int first = i / size * size, sum = 0, greatest = in.host[first];
        for (int k = first; k < first + size; ++k) sum += in.host[k], greatest = in.host[k] > greatest ? in.host[k] : greatest;
        near("sum of a tile", i, sums.host[i], sum, 0);
        near("greatest of a tile", i, most.host[i], greatest, 0);
        near("shuffled", i, out.host[i], sum + 1000.0 * (i % size) + 100000.0 * (i / size) + (i % size ? in.host[i - 1] : 0), 0);
    }
}

int main() {
    const int threads = 128;
    Both<int> in(threads), a(threads), b(threads);
    Random random{11};
    for (int i = 0; i < threads; ++i) in.host[i] = int(random.bits() % 100);
    in.upload();
    tiles<4>(in, threads);
    tiles<8>(in, threads);
    tiles<16>(in, threads);
    tiles<32>(in, threads);

    meet<<<1, threads>>>(in.device, a.device, b.device);
    finish();
    a.download(), b.download();
    for (int warp = 0; warp < threads / 32; ++warp) {
        int size = 0;
        for (int i = warp * 32; i < warp * 32 + 32; ++i) size += in.host[i] % 3 == 0;
        for (int i = warp * 32, rank = 0; i < warp * 32 + 32; ++i) {
            near("rank", i, a.host[i], in.host[i] % 3 == 0 ? rank++ : -1, 0);
            if (in.host[i] % 3 == 0) near("size", i, b.host[i], size, 0);
        }
    }

    cudaDeviceProp device;
    CALL(cudaGetDeviceProperties(&device, 0));
    if (device.major >= 7) {
    Both<unsigned> same(threads);
    label<<<1, threads>>>(in.device, same.device, a.device);
    finish();
    same.download(), a.download();
    for (int i = 0; i < threads; ++i) {
        unsigned expected = 0;
        for (int k = 0; k < 32; ++k) expected |= unsigned((in.host[i / 32 * 32 + k] & 3) == (in.host[i] & 3)) << k;
        near("same", i, same.host[i], expected, 0);
        near("all", i, a.host[i], 1, 0);
    }
    }

    count<<<1, threads, threads * sizeof(int)>>>(in.device, a.device);
    finish();
    a.download();
    int many = 0, any = 0;
    for (int i = 0; i < threads; ++i) many += in.host[i] > 50, any |= in.host[i] == 7;
    for (int i = 0; i < threads; ++i) near("count", i, a.host[i], many * 4 + any * 2 + 1 + 1000 * in.host[threads - 1 - i], 0);
    return pass();
}
