/* Calls to the system that can fail: the k-th one on a file below a folder ends the process, fails, or writes less.

   Loaded with LD_PRELOAD. `arm` sets what happens; calls on other files are not counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, FAIL, FAIL_ALWAYS, SHORT };
enum { MOST_FILES = 65536, MOST_CALLS = 4096 };

static char folder[4096];
static size_t folder_length;
static int mode, number, error_number;
static atomic_int calls;
static char names[MOST_CALLS];
static atomic_char ours[MOST_FILES];

/* Set the folder, what happens at which call, and with which error. */
void arm(const char *path, int what, int at, int error) {
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    mode = what, number = at, error_number = error;
    atomic_store(&calls, 0);
}

/* Return how many calls there were. */
int counted(void) { return atomic_load(&calls); }

/* Return a letter for each call. */
const char *called(void) { return names; }

static int is_ours(int file) { return file >= 0 && file < MOST_FILES && atomic_load(&ours[file]); }

static int is_below(int directory, const char *path) {
    if (!folder_length || path == NULL) return 0;
    if (path[0] != '/') return is_ours(directory);
    return strncmp(path, folder, folder_length) == 0;
}

/* Count a call; return whether it fails, or takes less if it can. */
static int strikes(char letter) {
    int at = atomic_fetch_add(&calls, 1) + 1;
    if (at < MOST_CALLS) names[at - 1] = letter;
    int hit = at == number || (mode == FAIL_ALWAYS && number > 0 && at > number);
    if (!hit || mode == COUNT) return 0;
    if (mode == SHORT) return letter == 'w';
    if (mode == KILL && letter != 'w') kill(getpid(), SIGKILL);
    errno = error_number;
    return 1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); int rights = va_arg(rest, int); va_end(rest); \
        REAL(name); \
        int below = is_below(AT_FDCWD, path); \
        if (below && mode != SHORT && strikes('o')) return -1; \
        int file = real(path, flags, rights); \
        if (file >= 0 && file < MOST_FILES) atomic_store(&ours[file], below); \
        return file; \
    }
#define OPENAT(name) \
    int name(int directory, const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); int rights = va_arg(rest, int); va_end(rest); \
        REAL(name); \
        int below = is_below(directory, path); \
        if (below && mode != SHORT && strikes('o')) return -1; \
        int file = real(directory, path, flags, rights); \
        if (file >= 0 && file < MOST_FILES) atomic_store(&ours[file], below); \
        return file; \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* Half of the bytes arrive before a process dies or a write is short. */
ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write);
    if (!is_ours(file) || !strikes('w')) return real(file, bytes, size);
    if (mode != KILL && mode != SHORT) return -1;
    ssize_t written = real(file, bytes, size > 1 ? size / 2 : size);
    if (mode == KILL) kill(getpid(), SIGKILL);
    return written;
}

#define ON_FILE(name, letter) \
    int name(int file) { \
        REAL(name); \
        if (is_ours(file) && mode != SHORT && strikes(letter)) { \
            if (letter == 'c') { int error = errno; atomic_store(&ours[file], 0); real(file); errno = error; } \
            return -1; \
        } \
        if (letter == 'c' && file >= 0 && file < MOST_FILES) atomic_store(&ours[file], 0); \
        return real(file); \
    }
ON_FILE(fsync, 's')
ON_FILE(fdatasync, 's')
ON_FILE(close, 'c')

#define ON_PATH(name, letter, parameters, arguments, directory, path) \
    int name parameters { \
        REAL(name); \
        if (is_below(directory, path) && mode != SHORT && strikes(letter)) return -1; \
        return real arguments; \
    }
ON_PATH(rename, 'r', (const char *from, const char *to), (from, to), AT_FDCWD, to)
ON_PATH(renameat, 'r', (int a, const char *from, int b, const char *to), (a, from, b, to), b, to)
ON_PATH(link, 'l', (const char *from, const char *to), (from, to), AT_FDCWD, to)
ON_PATH(linkat, 'l', (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), b, to)
ON_PATH(unlink, 'u', (const char *path), (path), AT_FDCWD, path)
ON_PATH(unlinkat, 'u', (int a, const char *path, int flags), (a, path, flags), a, path)
ON_PATH(mkdir, 'm', (const char *path, mode_t rights), (path, rights), AT_FDCWD, path)
ON_PATH(rmdir, 'd', (const char *path), (path), AT_FDCWD, path)
