/* Calls M(thousands, hundreds, tens, ones) for 0000 to 1999. */
#define BIND_TENS(M, t, h, d) M(t, h, d, 0) M(t, h, d, 1) M(t, h, d, 2) M(t, h, d, 3) M(t, h, d, 4) \
                              M(t, h, d, 5) M(t, h, d, 6) M(t, h, d, 7) M(t, h, d, 8) M(t, h, d, 9)
#define BIND_HUNDREDS(M, t, h) \
    BIND_TENS(M, t, h, 0) BIND_TENS(M, t, h, 1) BIND_TENS(M, t, h, 2) BIND_TENS(M, t, h, 3) BIND_TENS(M, t, h, 4) \
    BIND_TENS(M, t, h, 5) BIND_TENS(M, t, h, 6) BIND_TENS(M, t, h, 7) BIND_TENS(M, t, h, 8) BIND_TENS(M, t, h, 9)
#define BIND_THOUSANDS(M, t) \
    BIND_HUNDREDS(M, t, 0) BIND_HUNDREDS(M, t, 1) BIND_HUNDREDS(M, t, 2) BIND_HUNDREDS(M, t, 3) BIND_HUNDREDS(M, t, 4) \
    BIND_HUNDREDS(M, t, 5) BIND_HUNDREDS(M, t, 6) BIND_HUNDREDS(M, t, 7) BIND_HUNDREDS(M, t, 8) BIND_HUNDREDS(M, t, 9)
#define BIND_2000(M) BIND_THOUSANDS(M, 0) BIND_THOUSANDS(M, 1)

#define BIND_NUMBER(t, h, d, o) (t * 1000 + h * 100 + d * 10 + o)
