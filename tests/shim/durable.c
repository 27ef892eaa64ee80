/* The shadow: the state that a power cut would leave of the folder. Its files:
 *
 * data.INODE  a file's content at its last fsync
 * dir.INODE   a folder's names at its last fsync: the first line is the number of the last change before
 *             the fsync; then one line "TYPE INODE MODE NAME" for each name, where TYPE is d or f
 * changes     all changes of names in order, one line "NUMBER FOLDER + TYPE INODE MODE NAME" or
 *             "NUMBER FOLDER - NAME" each; both halves of a rename have one number
 * pin.INODE   a link that prevents the inode of a file without a name from being reused
 *
 * data and dir files are replaced by a rename, so that a kill leaves the old or the new version.
 */

#include "shim.h"

#define POISONED_MAX 64

static const char *shadow;
static bool forget_files, forget_folders;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;
static ino_t poisoned[POISONED_MAX];
static int poisoned_count;
static long changes;
static int log_file = -1;

void shadow_begin(void) {
  const char *forget = getenv("FAULTS_FORGET");
  char path[PATH_MAX];
  struct stat is;
  shadow = getenv("FAULTS_SHADOW");
  forget_files = forget && strcmp(forget, "files") == 0;
  forget_folders = forget && strcmp(forget, "folders") == 0;
  if (!shadow) return;
  snprintf(path, sizeof path, "%s/changes", shadow);
  log_file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  /* Another process may have written changes. A line has more than 1 byte, so the size of the file is greater
   * than every number in it, and the numbers keep increasing. */
  if (fstat(log_file, &is) == 0) changes = is.st_size;
}

bool shadow_is_kept(void) { return shadow != NULL; }

void shadow_lock(void) {
  if (shadow) pthread_mutex_lock(&recording);
}

void shadow_unlock(void) {
  if (shadow) pthread_mutex_unlock(&recording);
}

static void require(bool done) {
  if (done) return;
  fprintf(stderr, "the shadow in %s cannot be written: %s\n", shadow, strerror(errno));
  _exit(125);
}

/* Creates a temporary file of the shadow; `put` renames it. */
static int piece(char *path, size_t size, mode_t mode) {
  snprintf(path, size, "%s/piece", shadow);
  return (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
}

static bool put(int file, const char *written, const char *kind, ino_t inode) {
  char path[PATH_MAX];
  syscall(SYS_close, file);
  snprintf(path, sizeof path, "%s/%s.%lu", shadow, kind, (unsigned long)inode);
  return syscall(SYS_renameat2, AT_FDCWD, written, AT_FDCWD, path, 0) == 0;
}

static bool write_all(int file, const char *bytes, size_t count) {
  while (count > 0) {
    long written = syscall(SYS_write, file, bytes, count);
    if (written < 0) return false;
    bytes += written;
    count -= (size_t)written;
  }
  return true;
}

static bool record_content(int file, const struct stat *is) {
  char link[64], path[PATH_MAX];
  static char block[1 << 16];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  int from = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
  int to = piece(path, sizeof path, is->st_mode & 0777);
  if (from < 0 || to < 0) return false;
  long count;
  while ((count = syscall(SYS_read, from, block, sizeof block)) > 0)
    if (!write_all(to, block, (size_t)count)) return false;
  syscall(SYS_close, from);
  return count == 0 && put(to, path, "data", is->st_ino);
}

static bool record_names(int file, const struct stat *is) {
  char link[64], path[PATH_MAX], line[NAME_MAX + 96];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  DIR *folder = opendir(link);
  int to = piece(path, sizeof path, 0600);
  if (!folder || to < 0) return false;
  int first = snprintf(line, sizeof line, "%ld\n", changes);
  if (!write_all(to, line, (size_t)first)) return false;
  for (struct dirent *entry; (entry = readdir(folder));) {
    struct stat of;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (fstatat(dirfd(folder), entry->d_name, &of, AT_SYMLINK_NOFOLLOW) != 0) continue;
    int length = snprintf(line, sizeof line, "%c %lu %o %s\n", S_ISDIR(of.st_mode) ? 'd' : 'f',
                          (unsigned long)of.st_ino, (unsigned)(of.st_mode & 0777), entry->d_name);
    if (!write_all(to, line, (size_t)length)) return false;
  }
  closedir(folder);
  return put(to, path, "dir", is->st_ino);
}

/* Returns whether an fsync of the file failed before. After a failure the kernel treats the file's pages as
 * clean: a second fsync succeeds and makes nothing durable. */
static bool is_poisoned(ino_t inode) {
  for (int i = 0; i < poisoned_count; i++)
    if (poisoned[i] == inode) return true;
  return false;
}

void shadow_sync(int file, bool failure) {
  struct stat is;
  int before = errno;
  if (!shadow || fstat(file, &is) != 0) return;
  bool folder = S_ISDIR(is.st_mode);
  bool forgotten = folder ? forget_folders : forget_files;
  shadow_lock();
  if (failure) {
    if (!folder && poisoned_count < POISONED_MAX) poisoned[poisoned_count++] = is.st_ino;
  } else if (!forgotten && !is_poisoned(is.st_ino)) {
    require(folder ? record_names(file, &is) : record_content(file, &is));
  }
  shadow_unlock();
  errno = before;
}

void shadow_pin(int folder, const char *name) {
  struct stat is;
  char path[PATH_MAX];
  int before = errno;
  if (shadow && fstatat(folder, name, &is, AT_SYMLINK_NOFOLLOW) == 0) {
    snprintf(path, sizeof path, "%s/pin.%lu", shadow, (unsigned long)is.st_ino);
    if (S_ISDIR(is.st_mode)) {
      syscall(SYS_openat, folder, name, O_PATH | O_CLOEXEC);
    } else {
      syscall(SYS_linkat, folder, name, AT_FDCWD, path, 0);
    }
  }
  errno = before;
}

/* Splits a path. Returns the folder's inode, or 0 if it is unknown. */
static unsigned long folder_of(const char *path, const char **name) {
  char folder[PATH_MAX];
  struct stat is;
  const char *slash = strrchr(path, '/');
  *name = slash + 1;
  snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
  return stat(folder, &is) == 0 ? (unsigned long)is.st_ino : 0;
}

void shadow_lost(const char *path, bool more) {
  char line[PATH_MAX];
  const char *name;
  int before = errno;
  if (!shadow) return;
  unsigned long folder = folder_of(path, &name);
  int length = snprintf(line, sizeof line, "%ld %lu - %s\n", changes + 1, folder, name);
  require(write_all(log_file, line, (size_t)length));
  if (!more) changes++;
  errno = before;
}

void shadow_gained(const char *path) {
  char line[PATH_MAX];
  const char *name;
  struct stat is;
  int before = errno;
  if (!shadow || lstat(path, &is) != 0) return;
  unsigned long folder = folder_of(path, &name);
  int length = snprintf(line, sizeof line, "%ld %lu + %c %lu %o %s\n", changes + 1, folder,
                        S_ISDIR(is.st_mode) ? 'd' : 'f', (unsigned long)is.st_ino,
                        (unsigned)(is.st_mode & 0777), name);
  require(write_all(log_file, line, (size_t)length));
  changes++;
  errno = before;
}
