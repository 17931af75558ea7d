/*
 * Moves the wall clock of one process, and of nothing else: a library that is loaded before libc.
 * The offset is a 64 bit number of nanoseconds in the file that DBUS_WALL_OFFSET names, which may be
 * changed while the process runs. Written without headers, so that a bare compiler is enough.
 */
struct timespec { long sec; long nsec; };
struct timeval { long sec; long usec; };

extern void *dlsym(void *, const char *);
extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern int close(int);
extern void *mmap(void *, unsigned long, int, int, int, long);

#define NEXT ((void *)-1L)
#define SECOND 1000000000L

static volatile long *offset;
static int (*real)(int, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real = dlsym(NEXT, "clock_gettime");
  const char *path = getenv("DBUS_WALL_OFFSET");
  int file = path ? open(path, 0) : -1;
  if (file < 0) return;
  void *page = mmap(0, 8, 1, 1, file, 0);
  if (page != NEXT) offset = page;
  close(file);
}

/* 0 and 5 are CLOCK_REALTIME and CLOCK_REALTIME_COARSE: every other clock stays as it is. */
int clock_gettime(int clock, struct timespec *time) {
  if (!real) real = dlsym(NEXT, "clock_gettime");
  int failed = real(clock, time);
  if (failed || !offset || (clock != 0 && clock != 5)) return failed;
  long nsec = time->nsec + *offset % SECOND;
  time->sec += *offset / SECOND + (nsec >= SECOND) - (nsec < 0);
  time->nsec = nsec >= SECOND ? nsec - SECOND : nsec < 0 ? nsec + SECOND : nsec;
  return 0;
}

int gettimeofday(struct timeval *time, void *zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(0, &now)) return -1;
  time->sec = now.sec;
  time->usec = now.nsec / 1000;
  return 0;
}

long time(long *at) {
  struct timespec now;
  clock_gettime(0, &now);
  if (at) *at = now.sec;
  return now.sec;
}
