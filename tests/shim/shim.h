/* What the two halves of the preloaded library share; `faults.c` says what it is for. */

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

/* Nothing of the library is seen outside but the calls that it takes the place of. */
#define WITHIN __attribute__((visibility("hidden")))

/* Reads FAULTS_SHADOW and FAULTS_FORGET. */
WITHIN void shadow_begin(void);

/* Whether there is a shadow. */
WITHIN bool shadow_is_kept(void);

/* Takes the content of a file, or the names of a folder, for durable; with a `failure`, a file's never
 * again. */
WITHIN void shadow_sync(int file, bool failure);

/* Changes of names come one after the other, between these two. */
WITHIN void shadow_lock(void);
WITHIN void shadow_unlock(void);

/* Keeps the inode of what is about to lose a name from being used again. */
WITHIN void shadow_pin(int folder, const char *name);

/* Notes that the name at `path` is gone, or is there. With `more`, the next change belongs to it. */
WITHIN void shadow_lost(const char *path, bool more);
WITHIN void shadow_gained(const char *path);
