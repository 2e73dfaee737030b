/* Linked to a base of its own with relocations. With --expect-moved somebody has taken that base beforehand. */
#include <string.h>
#include <windows.h>
#include "sample.h"

static int numbers[4] = { 10, 20, 30, 40 };
static int *pointers[4] = { &numbers[3], &numbers[2], &numbers[1], &numbers[0] };

static int answer(void)
{
    return 42;
}

static int (*const volatile function)(void) = answer;
static const char *const volatile text = "text behind a relocated pointer";

static int pointers_work(void)
{
    int sum = 0;

    for (int i = 0; i < 4; i++)
        sum = sum * 2 + **(int *volatile *)&pointers[i];
    return sum == 40 * 8 + 30 * 4 + 20 * 2 + 10 && pointers[0] == numbers + 3;
}

static int inside_own_image(const void *address)
{
    MEMORY_BASIC_INFORMATION info;

    return VirtualQuery(address, &info, sizeof info) && info.AllocationBase == GetModuleHandleA(NULL);
}

int main(int argc, char **argv)
{
    int expect_moved = argc > 1 && strcmp(argv[1], "--expect-moved") == 0;
    int moved = (ULONG_PTR)GetModuleHandleA(NULL) != LINKED_BASE;

    printf("the image is at the base it was linked to: %s\n", moved ? "no" : "yes");
    check("as expected", moved == expect_moved);
    check("pointers to data work", pointers_work());
    check("a pointer to a function works", function() == 42);
    check("a pointer to text works", strlen(text) == 31);
    check("all of them point into the image", inside_own_image(pointers[2])
          && inside_own_image((const void *)(ULONG_PTR)function) && inside_own_image(text));
    return sample_wrong_facts;
}
