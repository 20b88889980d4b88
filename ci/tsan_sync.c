/* Informs ThreadSanitizer about the standard library that rustup ships, which is not instrumented. The sanitizer
 * sees only the parts of std that are inlined into instrumented code, such as the fast path of a lock. So a thread that
 * had to wait for a lock would seem to hold nothing. The script links with --wrap, so that calls of a function F go to
 * __wrap_F here. It also passes the symbol of each function, which changes with the toolchain.
 *
 * Each wrapper adds exactly the ordering that the real function establishes. Any further ordering could hide a race. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define PASTE(a, b) a##b
#define WRAP(symbol) PASTE(__wrap_, symbol)
#define REAL(symbol) PASTE(__real_, symbol)

/* A thread that waited for a lock acquires the state of the lock, which an unlock releases: the word at its address. */
#define WRAP_LOCK(symbol)           \
    void REAL(symbol)(void *);      \
    void WRAP(symbol)(void *lock) { \
        REAL(symbol)(lock);         \
        __tsan_acquire(lock);       \
    }
WRAP_LOCK(MUTEX_LOCK)
WRAP_LOCK(RWLOCK_READ)
WRAP_LOCK(RWLOCK_WRITE)

/* Waiting on a condition variable releases the mutex and acquires it again. */
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

/* A barrier is a mutex, which every thread locks when it arrives and when it leaves. */
bool REAL(BARRIER_WAIT)(void *);
bool WRAP(BARRIER_WAIT)(void *barrier) {
    __tsan_release(barrier);
    bool is_leader = REAL(BARRIER_WAIT)(barrier);
    __tsan_acquire(barrier);
    return is_leader;
}

/* The thread that runs the closure of a Once releases what it did until the end of the closure. A thread that finds the
 * closure run acquires it, by a load that is inlined. So the real function gets another closure, which runs the closure
 * and then releases. Its vtable has the drop, the size and the alignment of the closure, and two functions that call it,
 * of which a Once uses the second. */
enum { VTABLE_WORDS = 5, CALL = 4 };
struct watched {
    void *closure, **vtable, *once;
};
static void call_and_release(struct watched *watched, void *state) {
    void (*call)(void *, void *) = (void (*)(void *, void *))watched->vtable[CALL];
    call(watched->closure, state);
    __tsan_release(watched->once);
}
void REAL(ONCE_CALL)(void *, bool, void *, void **);
void WRAP(ONCE_CALL)(void *once, bool ignore_poisoning, void *closure, void **vtable) {
    struct watched watched = {closure, vtable, once};
    void *watching[VTABLE_WORDS];
    for (int word = 0; word < VTABLE_WORDS; word++) watching[word] = vtable[word];
    watching[CALL] = (void *)call_and_release;
    REAL(ONCE_CALL)(once, ignore_poisoning, &watched, watching);
    __tsan_acquire(once);
}

/* The end of a scope acquires the count of its threads, which is one of the two words at the start of its data. */
void REAL(SCOPE_LEAVE)(void *, bool);
void WRAP(SCOPE_LEAVE)(void *scope, bool panicked) {
    __tsan_release(scope);
    __tsan_release((char *)scope + sizeof(void *));
    REAL(SCOPE_LEAVE)(scope, panicked);
}

/* The last owner of an Arc decrements its count to zero. Then a fence acquires the releases of the other owners. The
 * sanitizer does not know fences. But a fence also acquires the value that the thread's last atomic operation read. */
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
