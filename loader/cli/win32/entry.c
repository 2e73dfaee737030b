/* Where the process begins, before the C library: a child that has a program to load must leave the C library's state
 * as it was, because that is the loaded program's own. Everybody else goes the ordinary way to main. */
#include "loader/cli/win32/win32.h"
#include "loader/cli/win32/words.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>

extern int main(int count, char **arguments);
extern int mainCRTStartup(void);
extern void _pei386_runtime_relocator(void);
void peload_entry(void);

struct cli_words cli_words;

/* Words come from the command line itself: as UTF-8, with nobody expanding a "*.c". Output is the same bytes as on Linux. */
int wmain(void)
{
    if (!cli_words_split(&cli_words, GetCommandLineW()))
        return CLI_USAGE_OR_WORLD;
    for (int i = 0; i < 3; i++)
        _setmode(i, _O_BINARY);
    return main(cli_words.count, cli_words.words);
}

__attribute__((force_align_arg_pointer)) void peload_entry(void)
{
    struct win32_order *order = win32_order_take();
    if (!order)
        ExitProcess((UINT)mainCRTStartup());
    _pei386_runtime_relocator(); /* what of the C start-up our own code needs; it does nothing the second time */
    cli_child(order);
}
