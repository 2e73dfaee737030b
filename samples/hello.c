/* What every program gets from its loader: arguments, environment, standard output, and a way to say how it ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *name = path;

    for (const char *at = path; *at; at++)
        if (*at == '/' || *at == '\\')
            name = at + 1;
    return name;
}

int main(int argc, char **argv)
{
    const char *greeting = getenv("PELOAD_GREETING");
    int exit_code = 0;

    printf("hello from %s\n", base_name(argv[0]));
    for (int i = 1; i < argc; i++) {
        printf("argument %d: [%s]\n", i, argv[i]);
        if (strcmp(argv[i], "--exit") == 0 && i + 1 < argc)
            exit_code = (int)strtoul(argv[i + 1], NULL, 0);
    }
    if (greeting)
        printf("PELOAD_GREETING: [%s]\n", greeting);
    else
        printf("PELOAD_GREETING is not set\n");
    return exit_code;
}
