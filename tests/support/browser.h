/* A headless Chromium for a test, steered through chromedriver (WebDriver: JSON over HTTP, to this machine alone). */
#ifndef TESTS_BROWSER_H
#define TESTS_BROWSER_H

#include <stdbool.h>
#include <sys/types.h>

struct browser {
    pid_t driver;
    int port;
    char session[80];
    char folder[64]; /* its profile; removed at the end */
};

/* False: no chromedriver or no Chromium here, or it did not start. */
bool browser_open(struct browser *browser);
/* A page of this machine: path is made absolute; hash without '#', or NULL. The page has been loaded when it returns. */
bool browser_go(struct browser *browser, const char *path, const char *hash);
/* What a script returns, as JSON text; malloc'd. NULL: it failed, and stderr has the reason. */
char *browser_run(struct browser *browser, const char *script);
/* The same as a plain string (only of a script that returns one), or as a number. */
char *browser_text(struct browser *browser, const char *script);
double browser_number(struct browser *browser, const char *script);
bool browser_size(struct browser *browser, unsigned width, unsigned height);
/* What the page told its console since the last question: a JSON array. */
char *browser_console(struct browser *browser);
bool browser_picture(struct browser *browser, const char *path);
void browser_close(struct browser *browser);

#endif
