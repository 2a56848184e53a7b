/* plugins: libraries that come and go, or are there more than once. Each call of a library's `run` leaves 1
 * block of 100 bytes: leak_of_a or leak_of_b < run < the caller in this program < main.
 *
 * plugins turns MS phase 1: plugin_a.so is opened and at once run ten times by use_a, with a pause of MS ms
 *                  after the first run. Phase 2: it is closed, plugin_b.so opened and run so by use_b.
 * plugins twice    phase 1: ten runs each of plugin_a.so by use_a, of its copy plugin_copy.so by use_b, and
 *                  of plugin_a.so in a namespace of its own (dlmopen, with a libc of its own) by use_either.
 * plugins alone X  phase 1: ten runs of plugin_X.so by use_either, which was opened before "ready".
 *
 * For each library that is opened "at RUN RETURN" is said: the address of its `run`, and after the phase's
 * run the return address in it. With `turns` all are to be equal, else the test has no case. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

struct plugin {
    void *handle;
    void (*run)(void);
    void **returns_to;
};

static volatile int after;
static char folder[PATH_MAX];

static NOINLINE void use_a(struct plugin *plugin)
{
    plugin->run();
    after = 0;
}

static NOINLINE void use_b(struct plugin *plugin)
{
    plugin->run();
    after = 0;
}

static NOINLINE void use_either(struct plugin *plugin)
{
    plugin->run(); /* here: either */
    after = 0;
}

static struct plugin load(const char *name, Lmid_t namespace)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/plugin_%s.so", folder, name);
    struct plugin plugin = {.handle = dlmopen(namespace, path, RTLD_NOW | RTLD_LOCAL)};
    if (!plugin.handle) {
        say(dlerror());
        _exit(1);
    }
    plugin.run = (void (*)(void))dlsym(plugin.handle, "run");
    plugin.returns_to = dlsym(plugin.handle, "returns_to");
    return plugin;
}

static volatile long pause_ms;

static void tell(struct plugin *plugin)
{
    static char line[100];
    snprintf(line, sizeof line, "at %p %p\n", (void *)plugin->run, *plugin->returns_to);
    say(line);
}

/* One phase. The library is there until the next one, so that its file can be found. */
static NOINLINE void visit(const char *name, void (*use)(struct plugin *), long first_ms)
{
    struct plugin plugin = load(name, LM_ID_BASE);
    pause_ms = first_ms;
    for (int i = 0; i < 10; i++) {
        use(&plugin);
        sleep_ms(pause_ms); /* volatile, or the first run would be a call of its own */
        pause_ms = 0;
    }
    tell(&plugin);
    done();
    dlclose(plugin.handle);
}

static void turns(long first_ms)
{
    ready();
    visit("a", use_a, first_ms);
    visit("b", use_b, first_ms);
}

static void twice(void)
{
    struct plugin first = load("a", LM_ID_BASE), copy = load("copy", LM_ID_BASE);
    struct plugin apart = load("a", LM_ID_NEWLM);
    ready();
    for (int i = 0; i < 10; i++) {
        use_a(&first);
        use_b(&copy);
        use_either(&apart);
    }
    tell(&first);
    tell(&copy);
    tell(&apart);
    done();
}

static void alone(const char *name)
{
    struct plugin plugin = load(name, LM_ID_BASE);
    ready();
    for (int i = 0; i < 10; i++)
        use_either(&plugin);
    tell(&plugin);
    done();
}

int main(int argc, char **argv)
{
    if (argc < 2 || (argc < 3 && strcmp(argv[1], "twice") != 0) || !realpath("/proc/self/exe", folder))
        return 2;
    dirname(folder);
    if (strcmp(argv[1], "turns") == 0)
        turns(atol(argv[2]));
    else if (strcmp(argv[1], "twice") == 0)
        twice();
    else
        alone(argv[2]);
    return 0;
}
