// What a program or its kernels write to a stream, as text.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

class Capture {
    char name[40] = "/tmp/captured-XXXXXX";
    std::FILE *stream;
    int file, terminal;

  public:
    char text[1 << 20] = {};

    explicit Capture(std::FILE *stream) : stream(stream), file(mkstemp(name)), terminal(dup(fileno(stream))) {
        std::fflush(stream);
        dup2(file, fileno(stream));
    }

    // Ends the capture; `text` is then what came.
    void end() {
        std::fflush(stream);
        dup2(terminal, fileno(stream));
        lseek(file, 0, SEEK_SET);
        ssize_t length = read(file, text, sizeof text - 1);
        text[length < 0 ? 0 : length] = 0;
        close(file);
        close(terminal);
        unlink(name);
    }

    // How often a line is in the text.
    int count(const char *line) const {
        int count = 0;
        for (const char *at = text; (at = std::strstr(at, line)); at += std::strlen(line)) ++count;
        return count;
    }

    // Ends the program unless the text holds a line so many times.
    void expect(const char *line, int times = 1) const {
        if (count(line) == times) return;
        std::printf("FAIL `%s` is there %d times, not %d, in `%.2000s`\n", line, count(line), times, text);
        std::exit(1);
    }
};
