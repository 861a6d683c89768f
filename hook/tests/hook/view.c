/* Prints, for each argument, what lies there: its type, size or device number,
   whether it can be opened, and of small text files the contents. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void contents(int fd) {
    char text[512];
    ssize_t length = read(fd, text, sizeof text);
    for (ssize_t at = 0; at < length; at++)
        if (text[at] == '\n') text[at] = '|';
    if (length > 0 && memchr(text, 0, (size_t)length) == NULL) printf(" \"%.*s\"", (int)length, text);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (lstat(argv[i], &st)) {
            printf("%s: %s\n", argv[i], strerror(errno));
            continue;
        }
        if (S_ISCHR(st.st_mode))
            printf("%s: device %u:%u mode %o", argv[i], major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777);
        else
            printf("%s: %s", argv[i], S_ISDIR(st.st_mode) ? "directory" : S_ISLNK(st.st_mode) ? "link" : "file");
        if (S_ISREG(st.st_mode)) printf(" of %lld", (long long)st.st_size);
        int fd = open(argv[i], S_ISCHR(st.st_mode) ? O_RDWR : O_RDONLY);
        if (fd < 0) printf(" (%s)", strerror(errno));
        else if (S_ISREG(st.st_mode)) contents(fd);
        printf("\n");
    }
    return 0;
}
