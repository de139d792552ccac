// HOST PORT [KEYS_PER_GET]: looks all keys up with multi-gets of libmemcached, once
// for each line of standard input, and prints the milliseconds.
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { count = 100000 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    size_t per_get = argc > 3 ? (size_t) atol(argv[3]) : 1000;
    static const char *keys[count];
    static size_t lengths[count];
    for (size_t at = 0; at < count; at++) {
        char key[64];
        lengths[at] = (size_t) snprintf(key, sizeof key, "a:user%zu@example.com", at);
        keys[at] = strdup(key);
    }
    memcached_st *client = memcached_create(NULL);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0);
    memcached_server_add(client, argv[1], (in_port_t) atoi(argv[2]));
    memcached_result_st result;
    memcached_result_create(client, &result);
    for (char line[64]; fgets(line, sizeof line, stdin) != NULL;) {
        double started = now();
        size_t found = 0;
        for (size_t at = 0; at < count; at += per_get) {
            size_t asked = at + per_get < count ? per_get : count - at;
            memcached_return_t status =
                memcached_mget(client, keys + at, lengths + at, asked);
            if (memcached_failed(status)) {
                fprintf(stderr, "%s\n", memcached_strerror(client, status));
                return 1;
            }
            while (memcached_fetch_result(client, &result, &status) != NULL) found++;
        }
        double took = now() - started;
        if (found != count) {
            fprintf(stderr, "%zu of %d were answered\n", found, count);
            return 1;
        }
        printf("%f\n", took);
        fflush(stdout);
    }
    return 0;
}
