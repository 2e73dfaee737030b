/* 200,000 initialisers: M(n) for n from 0 to 199999, separated by commas. */
#define RELOCS_COUNT 200000

#define RELOCS_10(M, n) M(n), M(n + 1), M(n + 2), M(n + 3), M(n + 4), M(n + 5), M(n + 6), M(n + 7), M(n + 8), M(n + 9)
#define RELOCS_100(M, n) RELOCS_10(M, n), RELOCS_10(M, n + 10), RELOCS_10(M, n + 20), RELOCS_10(M, n + 30), \
                         RELOCS_10(M, n + 40), RELOCS_10(M, n + 50), RELOCS_10(M, n + 60), RELOCS_10(M, n + 70), \
                         RELOCS_10(M, n + 80), RELOCS_10(M, n + 90)
#define RELOCS_1000(M, n) RELOCS_100(M, n), RELOCS_100(M, n + 100), RELOCS_100(M, n + 200), RELOCS_100(M, n + 300), \
                          RELOCS_100(M, n + 400), RELOCS_100(M, n + 500), RELOCS_100(M, n + 600), RELOCS_100(M, n + 700), \
                          RELOCS_100(M, n + 800), RELOCS_100(M, n + 900)
#define RELOCS_10000(M, n) RELOCS_1000(M, n), RELOCS_1000(M, n + 1000), RELOCS_1000(M, n + 2000), RELOCS_1000(M, n + 3000), \
                           RELOCS_1000(M, n + 4000), RELOCS_1000(M, n + 5000), RELOCS_1000(M, n + 6000), \
                           RELOCS_1000(M, n + 7000), RELOCS_1000(M, n + 8000), RELOCS_1000(M, n + 9000)
#define RELOCS_50000(M, n) RELOCS_10000(M, n), RELOCS_10000(M, n + 10000), RELOCS_10000(M, n + 20000), \
                           RELOCS_10000(M, n + 30000), RELOCS_10000(M, n + 40000)
#define RELOCS_200000(M) RELOCS_50000(M, 0), RELOCS_50000(M, 50000), RELOCS_50000(M, 100000), RELOCS_50000(M, 150000)
