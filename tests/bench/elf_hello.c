/* What a run of a guest is held against: the same greeting as a plain, dynamically linked program. */
#include <stdio.h>

int main(void)
{
    puts("hello");
    return 0;
}
