#include "loader/cli/cli.h"
void cli_story_open(FILE *stream, const char *program, const struct loader *loader) { (void)stream, (void)program, (void)loader; }
void cli_story_event(const struct ld_event *event) { (void)event; }
void cli_story_exit(uint32_t exit_code) { (void)exit_code; }
