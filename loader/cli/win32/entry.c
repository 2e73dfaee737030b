/* The two beginnings: of peload.exe, and, in a child, of the DLL that has the same code. A child's C library is never
 * started by us: its state is the loaded program's own. */
#include "loader/cli/win32/win32.h"
#include "loader/cli/win32/words.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>

extern int main(int count, char **arguments);
__declspec(dllexport) void peload_child(void);

struct cli_words cli_words;

/* Words come from the command line itself: as UTF-8, with nobody expanding a "*.c". Output is the same bytes as on Linux. */
int wmain(void)
{
    if (!cli_words_split(&cli_words, GetCommandLineW()))
        return CLI_USAGE_OR_WORLD;
    for (int i = 0; i < 3; i++)
        _setmode(i, _O_BINARY);
    cli_console_begin();
    if (__argv && __argv[0]) /* getopt_long's own messages begin with it */
        __argv[0] = (char *)(uintptr_t)"peload";
    return main(cli_words.count, cli_words.words);
}

/* The stub jumps here, on the first thread: what is above this frame is the operating system's. */
__attribute__((force_align_arg_pointer)) void peload_child(void)
{
    struct win32_order *order = win32_order_take();
    if (!order)
        ExitProcess(CLI_USAGE_OR_WORLD);
    cli_child(order);
}
