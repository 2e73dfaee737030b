/* Two DLLs that import each other: whichever is initialised first calls into one that is not yet. */
int cycle1_down(int number);
int cycle2_down(int number);
int cycle1_ready(void);
int cycle2_ready(void);
