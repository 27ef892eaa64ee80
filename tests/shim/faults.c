/* A preloaded library (LD_PRELOAD) for the fault tests. It replaces the system calls of the C library.
 *
 * For calls on paths below FAULTS_ROOT it does two things. It keeps a shadow of the state that a power cut
 * would leave: a file's content is durable after its fsync, and a name after the fsync of its folder. And it
 * injects a fault into one chosen call.
 *
 * FAULTS_ROOT    the folder, absolute and without symbolic links
 * FAULTS_SHADOW  folder of the shadow, on the same file system; no shadow if unset
 * FAULTS_TRACE   a file that gets one line per call, "NUMBER KIND PATH", and one line "HIT NUMBER KIND PATH"
 *                for the call that met the fault
 * FAULTS_AT      the number of the call at which FAULTS_DO happens, counted from 1
 * FAULTS_DO      eio, enospc (once); eio-on, enospc-on (from then on); abort; kill; delay
 * FAULTS_DELAY_MS  duration of a delay, ms
 * FAULTS_FORGET  "files" or "folders": the shadow ignores every fsync of that kind, so that a test can
 *                show that it detects a missing fsync
 *
 * Linux, 64 bits. Calls go directly to the kernel, so that they work before the C library is initialised.
 * Calls inside the C library (stdio) are not intercepted.
 */

#include "shim.h"

/* Time after which a hanging program is ended, s; the test that waits for it then fails. */
#define TIMEOUT_S 120

enum fault { NOTHING, EIO_ONCE, ENOSPC_ONCE, EIO_ON, ENOSPC_ON, ABORT, KILL, DELAY };
enum verdict { GO_ON, FAIL, CUT_SHORT };

static const char *root;
static size_t root_length;
static int trace = -1;
static long due;
static long delay_ms;
static enum fault fault;

static atomic_long calls;
static atomic_bool hit;

__attribute__((constructor)) static void begin(void) {
  static const char *const names[] = {"",         "eio",   "enospc", "eio-on",
                                      "enospc-on", "abort", "kill",   "delay"};
  const char *at = getenv("FAULTS_AT"), *todo = getenv("FAULTS_DO"), *to = getenv("FAULTS_TRACE");
  const char *delay = getenv("FAULTS_DELAY_MS");
  due = at ? atol(at) : 0;
  delay_ms = delay ? atol(delay) : 0;
  for (int i = 1; todo && i < (int)(sizeof names / sizeof *names); i++)
    if (strcmp(todo, names[i]) == 0) fault = (enum fault)i;
  if ((todo && fault == NOTHING) || (fault != NOTHING && due < 1)) {
    fprintf(stderr, "FAULTS_DO names no fault, or FAULTS_AT is less than 1\n");
    _exit(125);
  }
  shadow_begin();
  if (to) trace = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  alarm(TIMEOUT_S);
  root = getenv("FAULTS_ROOT");
  root_length = root ? strlen(root) : 0;
}

/* Paths. */

static bool below_root(const char *path) {
  return root && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

/* Writes the path of an open file to `path`. Returns whether it is below the root. */
static bool locate_open(int file, char *path) {
  char link[64];
  int before = errno;
  if (!root) return false;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  errno = before;
  path[length > 0 ? length : 0] = 0;
  return below_root(path);
}

/* Writes the absolute path of `name`, relative to `folder`, to `path`. Returns whether it is below the root. */
static bool locate(int folder, const char *name, char *path) {
  if (!root || !name) return false;
  if (name[0] == '/') {
    snprintf(path, PATH_MAX, "%s", name);
  } else {
    char from[PATH_MAX];
    if (folder != AT_FDCWD) {
      locate_open(folder, from);
    } else if (syscall(SYS_getcwd, from, sizeof from) < 0) {
      return false;
    }
    size_t length = strlen(from);
    if (length + strlen(name) + 2 > PATH_MAX) return false;
    memcpy(path, from, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
  }
  return below_root(path);
}

/* Faults. */

static void write_trace(const char *prefix, long number, const char *kind, const char *path) {
  char line[PATH_MAX + 64];
  if (trace < 0) return;
  int length = snprintf(line, sizeof line, "%s%ld %s %s\n", prefix, number, kind, path);
  if (length > 0) syscall(SYS_write, trace, line, (size_t)length);
}

static void wait_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  syscall(SYS_nanosleep, &time, NULL);
}

/* Counts a call and returns its verdict. `takes_space` is true for calls that a full disk can refuse; removing,
 * renaming and syncing work on a full disk. The first write to a permanently full disk is short and the next
 * write fails, as in the kernel. */
static enum verdict judge(const char *kind, const char *path, bool takes_space) {
  long number = atomic_fetch_add(&calls, 1) + 1;
  bool full = fault == ENOSPC_ONCE || fault == ENOSPC_ON;
  bool lasting = fault == EIO_ON || fault == ENOSPC_ON;
  write_trace("", number, kind, path);
  if (fault == NOTHING || number < due || (full && !takes_space)) return GO_ON;
  bool first = !atomic_exchange(&hit, true);
  if (!first && !lasting) return GO_ON;
  if (first) write_trace("HIT ", number, kind, path);
  switch (fault) {
    case ABORT: abort();
    case KILL:
      syscall(SYS_kill, getpid(), SIGKILL);
      for (;;) wait_ms(1000);
    case DELAY: wait_ms(delay_ms); return GO_ON;
    case ENOSPC_ON:
      if (first) return CUT_SHORT;
      /* fall through */
    case ENOSPC_ONCE: errno = ENOSPC; return FAIL;
    default: errno = EIO; return FAIL;
  }
}

/* Returns whether a call that cannot be done partly fails. */
static bool refused(const char *kind, const char *path, bool takes_space) {
  enum verdict verdict = judge(kind, path, takes_space);
  if (verdict == CUT_SHORT) errno = ENOSPC;
  return verdict != GO_ON;
}

/* Returns whether a write of `*count` bytes fails; a short write reduces `*count`. */
static bool refused_write(const char *path, size_t *count) {
  enum verdict verdict = judge("write", path, true);
  if (verdict == CUT_SHORT && *count > 1) {
    *count /= 2;
    return false;
  }
  if (verdict == CUT_SHORT) errno = ENOSPC;
  return verdict != GO_ON;
}

/* The replaced calls. */

static int open_at(int folder, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  if (!(flags & (O_CREAT | O_TRUNC)) || !locate(folder, name, path))
    return (int)syscall(SYS_openat, folder, name, flags, mode);
  int before = errno;
  bool creates = syscall(SYS_faccessat, folder, name, F_OK) != 0;
  errno = before;
  if (refused(creates ? "create" : "truncate", path, creates)) return -1;
  shadow_lock();
  int file = (int)syscall(SYS_openat, folder, name, flags, mode);
  if (file >= 0 && creates) shadow_gained(path);
  shadow_unlock();
  return file;
}

#define MODE_OF(flags)                            \
  mode_t mode = 0;                                \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {        \
    va_list arguments;                            \
    va_start(arguments, flags);                   \
    mode = (mode_t)va_arg(arguments, unsigned);   \
    va_end(arguments);                            \
  }

int open(const char *name, int flags, ...) {
  MODE_OF(flags)
  return open_at(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...) {
  MODE_OF(flags)
  return open_at(AT_FDCWD, name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...) {
  MODE_OF(flags)
  return open_at(folder, name, flags, mode);
}

int openat64(int folder, const char *name, int flags, ...) {
  MODE_OF(flags)
  return open_at(folder, name, flags, mode);
}

int __open_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }

int __open64_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }

int creat(const char *name, mode_t mode) {
  return open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *name, mode_t mode) { return creat(name, mode); }

ssize_t write(int file, const void *bytes, size_t count) {
  char path[PATH_MAX];
  if (locate_open(file, path) && refused_write(path, &count)) return -1;
  return syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  char path[PATH_MAX];
  if (locate_open(file, path) && refused_write(path, &count)) return -1;
  return syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t at) { return pwrite(file, bytes, count, at); }

/* Writes several buffers; `refused_write` halves their number for a short write. */
ssize_t writev(int file, const struct iovec *pieces, int count) {
  char path[PATH_MAX];
  size_t some = (size_t)count;
  if (locate_open(file, path) && refused_write(path, &some)) return -1;
  return syscall(SYS_writev, file, pieces, (int)some);
}

ssize_t pwritev(int file, const struct iovec *pieces, int count, off_t at) {
  char path[PATH_MAX];
  size_t some = (size_t)count;
  if (locate_open(file, path) && refused_write(path, &some)) return -1;
  return syscall(SYS_pwritev, file, pieces, (int)some, at, 0);
}

ssize_t pwritev64(int file, const struct iovec *pieces, int count, off_t at) {
  return pwritev(file, pieces, count, at);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
  char path[PATH_MAX];
  if (locate_open(to, path) && refused_write(path, &count)) return -1;
  return syscall(SYS_copy_file_range, from, from_at, to, to_at, count, flags);
}

static int sync_by(long number, const char *kind, int file) {
  char path[PATH_MAX];
  if (!locate_open(file, path)) return (int)syscall(number, file);
  if (refused(kind, path, false)) {
    shadow_sync(file, true);
    return -1;
  }
  /* If a shadow is kept, only the shadow must be durable, so the real disk is not synced. */
  if (shadow_is_kept()) {
    shadow_sync(file, false);
    return 0;
  }
  return (int)syscall(number, file);
}

int fsync(int file) { return sync_by(SYS_fsync, "fsync", file); }

int fdatasync(int file) { return sync_by(SYS_fdatasync, "fdatasync", file); }

int sync_file_range(int file, off64_t at, off64_t count, unsigned flags) {
  char path[PATH_MAX];
  if (locate_open(file, path) && refused("sync_file_range", path, false)) return -1;
  return (int)syscall(SYS_sync_file_range, file, at, count, flags);
}

int ftruncate(int file, off_t length) {
  char path[PATH_MAX];
  if (locate_open(file, path) && refused("truncate", path, false)) return -1;
  return (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate64(int file, off_t length) { return ftruncate(file, length); }

int truncate(const char *name, off_t length) {
  char path[PATH_MAX];
  if (locate(AT_FDCWD, name, path) && refused("truncate", path, false)) return -1;
  return (int)syscall(SYS_truncate, name, length);
}

int truncate64(const char *name, off_t length) { return truncate(name, length); }

int fallocate(int file, int mode, off_t at, off_t count) {
  char path[PATH_MAX];
  if (locate_open(file, path) && refused("fallocate", path, true)) return -1;
  return (int)syscall(SYS_fallocate, file, mode, at, count);
}

int fallocate64(int file, int mode, off_t at, off_t count) { return fallocate(file, mode, at, count); }

/* Returns the error number and does not set `errno`, as POSIX requires. */
int posix_fallocate(int file, off_t at, off_t count) {
  int before = errno;
  int failure = fallocate(file, 0, at, count) == 0 ? 0 : errno;
  errno = before;
  return failure;
}

int posix_fallocate64(int file, off_t at, off_t count) { return posix_fallocate(file, at, count); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  char old[PATH_MAX], new[PATH_MAX];
  bool leaves = locate(from_folder, from, old), comes = locate(to_folder, to, new);
  if (!leaves && !comes) return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
  if (refused("rename", comes ? new : old, false)) return -1;
  shadow_lock();
  if (comes) shadow_pin(to_folder, to);
  int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
  if (result == 0 && leaves) shadow_lost(old, comes);
  if (result == 0 && comes) shadow_gained(new);
  shadow_unlock();
  return result;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int folder, const char *name, int flags) {
  char path[PATH_MAX];
  if (!locate(folder, name, path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
  if (refused(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, false)) return -1;
  shadow_lock();
  shadow_pin(folder, name);
  int result = (int)syscall(SYS_unlinkat, folder, name, flags);
  if (result == 0) shadow_lost(path, false);
  shadow_unlock();
  return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
  char path[PATH_MAX];
  // Creating an existing folder changes nothing, so no fault is injected.
  if (!locate(folder, name, path) || access(path, F_OK) == 0)
    return (int)syscall(SYS_mkdirat, folder, name, mode);
  if (refused("mkdir", path, true)) return -1;
  shadow_lock();
  int result = (int)syscall(SYS_mkdirat, folder, name, mode);
  if (result == 0) shadow_gained(path);
  shadow_unlock();
  return result;
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  char path[PATH_MAX];
  if (!locate(to_folder, to, path))
    return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  if (refused("link", path, true)) return -1;
  shadow_lock();
  int result = (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  if (result == 0) shadow_gained(path);
  shadow_unlock();
  return result;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
