// A sum by halving in shared memory, by shuffles, and by a vote and atomics.
#include "check.h"

__global__ void by_shared_memory(const int *in, int *out, int count) {
    extern __shared__ int partial[];
    int thread = threadIdx.x, index = blockIdx.x * blockDim.x + thread;
    partial[thread] = index < count ? in[index] : 0;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (thread < half) partial[thread] += partial[thread + half];
        __syncthreads();
    }
    if (thread == 0) atomicAdd(out, partial[0]);
}

__global__ void by_shuffles(const int *in, int *out, int count) {
    __shared__ int warps[32];
    int sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) sum += in[i];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xFFFFFFFF, sum, step);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    if (lane == 0) warps[warp] = sum;
    __syncthreads();
    if (warp != 0) return;
    sum = lane < blockDim.x / 32 ? warps[lane] : 0;
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFF, sum, step);
    if (lane == 0) atomicAdd(out, sum);
}

__global__ void count_odd(const int *in, int *out, int count) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    bool odd = index < count && in[index] % 2 != 0;
    unsigned ballot = __ballot_sync(0xFFFFFFFF, odd);
    if (threadIdx.x % 32 == 0) atomicAdd(out, __popc(ballot));
}

int main() {
    for (int count : {1, 1000, 65537}) {
        Both<int> in(count), out(3);
        Random random{3};
        int sum = 0, odd = 0;
        for (int i = 0; i < count; ++i) {
            in.host[i] = int(random.bits() % 2001) - 1000;
            sum += in.host[i], odd += in.host[i] % 2 != 0;
        }
        in.upload();
        int blocks = (count + 255) / 256;
        by_shared_memory<<<blocks, 256, 256 * sizeof(int)>>>(in.device, out.device, count);
        by_shuffles<<<4, 128>>>(in.device, out.device + 1, count);
        count_odd<<<blocks, 256>>>(in.device, out.device + 2, count);
        finish();
        out.download();
        int expected[] = {sum, sum, odd};
        same("sums", out.host, expected, 3);
    }
    return pass();
}
