/* What ThreadSanitizer is told about the standard library that rustup ships, which is not instrumented. The sanitizer
 * sees the parts of std that are inlined into instrumented code, such as a lock's fast path, and none of the rest, so a
 * thread that had to wait for a lock would seem to hold nothing. The script links with --wrap, so that calls of a
 * function F go to __wrap_F here, and gives each function's symbol, which changes with the toolchain.
 *
 * Each wrapper adds the one ordering that the real function makes, and no other, or an existing race could be missed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);

#define PASTE(a, b) a##b
#define WRAP(symbol) PASTE(__wrap_, symbol)
#define REAL(symbol) PASTE(__real_, symbol)

/* To have waited for a lock acquires its state, which an unlock releases: the word at its address. */
#define WRAP_LOCK(symbol)           \
    void REAL(symbol)(void *);      \
    void WRAP(symbol)(void *lock) { \
        REAL(symbol)(lock);         \
        __tsan_acquire(lock);       \
    }
WRAP_LOCK(MUTEX_LOCK)
WRAP_LOCK(RWLOCK_READ)
WRAP_LOCK(RWLOCK_WRITE)

/* To wait on a condition variable gives the mutex up and takes it back. */
void REAL(CONDVAR_WAIT)(void *, void *);
void WRAP(CONDVAR_WAIT)(void *condvar, void *mutex) {
    __tsan_release(mutex);
    REAL(CONDVAR_WAIT)(condvar, mutex);
    __tsan_acquire(mutex);
}
bool REAL(CONDVAR_WAIT_TIMEOUT)(void *, void *, uint64_t, uint32_t);
bool WRAP(CONDVAR_WAIT_TIMEOUT)(void *condvar, void *mutex, uint64_t secs, uint32_t nanos) {
    __tsan_release(mutex);
    bool in_time = REAL(CONDVAR_WAIT_TIMEOUT)(condvar, mutex, secs, nanos);
    __tsan_acquire(mutex);
    return in_time;
}

/* A barrier is a mutex, which everyone locks when they come and when they go. */
bool REAL(BARRIER_WAIT)(void *);
bool WRAP(BARRIER_WAIT)(void *barrier) {
    __tsan_release(barrier);
    bool is_leader = REAL(BARRIER_WAIT)(barrier);
    __tsan_acquire(barrier);
    return is_leader;
}

/* What a Once has made is published inside the function, where no release can be added; so the making is not watched. */
void REAL(ONCE_CALL)(void *, bool, void *, void *);
void WRAP(ONCE_CALL)(void *once, bool ignore_poisoning, void *closure, void *vtable) {
    __tsan_ignore_thread_begin();
    REAL(ONCE_CALL)(once, ignore_poisoning, closure, vtable);
    __tsan_ignore_thread_end();
}

/* The end of a scope acquires the count of its threads, one of the two words at the start of its data. */
void REAL(SCOPE_LEAVE)(void *, bool);
void WRAP(SCOPE_LEAVE)(void *scope, bool panicked) {
    __tsan_release(scope);
    __tsan_release((char *)scope + sizeof(void *));
    REAL(SCOPE_LEAVE)(scope, panicked);
}

/* The last owner of an Arc takes its count to zero and then acquires what the others released, by a fence. The sanitizer
 * knows no fences; but to acquire what one's last atomic operation read is a part of what a fence does. */
static __thread void *count;
uint64_t __real___tsan_atomic64_fetch_sub(void *, uint64_t, int);
uint64_t __wrap___tsan_atomic64_fetch_sub(void *address, uint64_t operand, int order) {
    count = address;
    return __real___tsan_atomic64_fetch_sub(address, operand, order);
}
void __real___tsan_atomic_thread_fence(int);
void __wrap___tsan_atomic_thread_fence(int order) {
    if (order == __ATOMIC_ACQUIRE && count != NULL) __tsan_acquire(count);
    count = NULL;
    __real___tsan_atomic_thread_fence(order);
}
