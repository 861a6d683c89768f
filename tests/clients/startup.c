/* How long a process needs from nothing to the number of its devices: cuInit and cuDeviceGetCount, each time
 * in a new process, as programs that look for a GPU do.
 *
 *   startup [RUNS]     prints a table; exits non-zero if a process found no device
 *
 * The first run is not counted: it fills the caches of the system and of the driver. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOAD, INIT, COUNT, TOTAL, PROCESS, PHASES };
static const char *const names[PHASES] = {"dlopen", "cuInit", "cuDeviceGetCount", "sum of these", "whole process"};

struct sample {
    double milliseconds[PHASES];
    int devices;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* What the child does: its own times, written to the pipe. */
static int measure(int pipe) {
    struct sample sample = {0};
    double start = now();
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(library, "cuInit");
    int (*count)(int *) = (int (*)(int *))dlsym(library, "cuDeviceGetCount");
    if (!init || !count) return 1;
    double loaded = now();
    int status = init(0);
    double initialized = now();
    if (status == 0) status = count(&sample.devices);
    double counted = now();
    if (status != 0) {
        fprintf(stderr, "CUDA status %d\n", status);
        return 1;
    }
    sample.milliseconds[LOAD] = loaded - start;
    sample.milliseconds[INIT] = initialized - loaded;
    sample.milliseconds[COUNT] = counted - initialized;
    sample.milliseconds[TOTAL] = counted - start;
    return write(pipe, &sample, sizeof sample) != (ssize_t)sizeof sample;
}

/* Starts this program again, so that nothing is inherited but the environment. */
static int run_once(const char *self, struct sample *sample) {
    int ends[2], status = 0;
    char descriptor[16];
    if (pipe(ends)) return 1;
    double start = now();
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        close(ends[0]);
        snprintf(descriptor, sizeof descriptor, "%d", ends[1]);
        execl(self, self, "--measure", descriptor, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t received = read(ends[0], sample, sizeof *sample);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status)) return 1;
    sample->milliseconds[PROCESS] = now() - start;
    return received != (ssize_t)sizeof *sample || sample->devices < 1;
}

static int compare(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double percentile(const double *sorted, int count, double part) {
    int index = (int)(part * count + 0.5) - 1;
    return sorted[index < 0 ? 0 : index >= count ? count - 1 : index];
}

static void print_table(const struct sample *samples, int count) {
    double *values = malloc(count * sizeof *values);
    if (!values) abort();
    printf("%d new processes, %d device(s); milliseconds\n", count, samples[0].devices);
    printf("%-18s %8s %8s %8s %8s\n", "", "min", "p50", "p99", "max");
    for (int phase = 0; phase < PHASES; phase++) {
        for (int i = 0; i < count; i++) values[i] = samples[i].milliseconds[phase];
        qsort(values, count, sizeof *values, compare);
        printf("%-18s %8.2f %8.2f %8.2f %8.2f\n", names[phase], values[0], percentile(values, count, 0.5),
               percentile(values, count, 0.99), values[count - 1]);
    }
    free(values);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--measure") == 0) {
        alarm(60);
        return measure(atoi(argv[2]));
    }
    int count = argc > 1 ? atoi(argv[1]) : 200;
    if (count < 1) {
        fprintf(stderr, "usage: startup [RUNS]\n");
        return 2;
    }
    struct sample *samples = calloc(count + 1, sizeof *samples);
    if (!samples) abort();
    for (int i = 0; i <= count; i++) {
        if (run_once("/proc/self/exe", &samples[i])) {
            fprintf(stderr, "run %d of %d found no device\n", i + 1, count + 1);
            return 1;
        }
    }
    print_table(samples + 1, count);
    free(samples);
    return 0;
}
