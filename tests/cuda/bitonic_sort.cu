// Bitonic sorting: long steps in global memory, short ones in shared memory.
#include "check.h"
#include <algorithm>

constexpr int BLOCK = 256;

__global__ void long_step(unsigned *keys, int distance, int size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, other = i ^ distance;
    if (other <= i) return;
    bool ascending = (i & size) == 0;
    if ((keys[i] > keys[other]) == ascending) {
        unsigned key = keys[i];
        keys[i] = keys[other], keys[other] = key;
    }
}

__global__ void short_steps(unsigned *keys, int distance, int size) {
    __shared__ unsigned own[BLOCK];
    int thread = threadIdx.x, i = blockIdx.x * BLOCK + thread;
    own[thread] = keys[i];
    for (; distance > 0; distance /= 2) {
        __syncthreads();
        int other = thread ^ distance;
        unsigned mine = own[thread], theirs = own[other];
        bool ascending = (i & size) == 0, lower = thread < other;
        unsigned least = min(mine, theirs), most = max(mine, theirs);
        __syncthreads();
        own[thread] = lower == ascending ? least : most;
    }
    __syncthreads();
    keys[i] = own[thread];
}

int main() {
    for (int count : {256, 4096}) {
        Both<unsigned> keys(count);
        Random random{9};
        for (int i = 0; i < count; ++i) keys.host[i] = random.bits() % 10 == 0 ? 7u : random.bits() * 2654435761u;
        keys.upload();
        for (int size = 2; size <= count; size *= 2) {
            int distance = size / 2;
            for (; distance >= BLOCK; distance /= 2) long_step<<<count / BLOCK, BLOCK>>>(keys.device, distance, size);
            short_steps<<<count / BLOCK, BLOCK>>>(keys.device, distance, size);
        }
        finish();
        unsigned *expected = static_cast<unsigned *>(std::malloc(count * sizeof(unsigned)));
        std::copy(keys.host, keys.host + count, expected);
        std::sort(expected, expected + count);
        keys.download();
        same("key", keys.host, expected, count);
        std::free(expected);
    }
    return pass();
}
