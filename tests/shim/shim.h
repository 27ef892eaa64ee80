/* Declarations shared by the two sources of the preloaded library; see `faults.c`. */

#pragma once

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Hides a function of the library; only the replaced system calls are visible. */
#define WITHIN __attribute__((visibility("hidden")))

/* Reads FAULTS_SHADOW and FAULTS_FORGET. */
WITHIN void shadow_begin(void);

/* Returns whether a shadow is kept. */
WITHIN bool shadow_is_kept(void);

/* Records the content of a file, or the names of a folder, as durable. After a `failure`, a file's content
 * is never recorded again. */
WITHIN void shadow_sync(int file, bool failure);

/* Serialise changes of names. */
WITHIN void shadow_lock(void);
WITHIN void shadow_unlock(void);

/* Prevents the inode of a file that is about to lose a name from being reused. */
WITHIN void shadow_pin(int folder, const char *name);

/* Record that the name at `path` was removed or added. With `more`, the next change has the same number. */
WITHIN void shadow_lost(const char *path, bool more);
WITHIN void shadow_gained(const char *path);
