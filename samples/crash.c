/* An access violation that nobody catches, three named functions below main. Windows' exit code is 0xC0000005. */
#include <stdio.h>

struct record {
    int unused[4];
    int status; /* at 0x10 */
};

struct record *volatile missing_record;

static __attribute__((noinline, noclone)) void store_status(struct record *record, int status)
{
    record->status = status;
    printf("the write at 0x10 went through\n");
}

static __attribute__((noinline, noclone)) void update_record(struct record *record, int status)
{
    store_status(record, status + 1);
    printf("update_record returned\n");
}

static __attribute__((noinline, noclone)) void process_order(int status)
{
    update_record(missing_record, status * 2);
    printf("process_order returned\n");
}

int main(void)
{
    printf("about to write to address 0x10\n");
    fflush(stdout);
    process_order(20);
    return 1;
}
