# The tests' part of the Makefile.
#   unit/NAME_test.c    one cmocka program each, sanitised, linked with everything but loader/cli/main.c
#   run/NAME_test.c     one cmocka program each; runs the built peload on the samples, so it is not sanitised
#   support/*.c         helpers that both may use
#   fuzz/NAME_fuzz.c    one LLVMFuzzerTestOneInput each; fuzz/loop.c drives it where libFuzzer is not used
#   bench/              `make bench`
# Programs run in the root of the tree and find the build folder in TEST_BUILD.

TEST_FLAGS := -DTEST_BUILD='"$(BUILD)"'
SANITISE   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FLAGS_asan := $(HOST) $(TEST_FLAGS) -O1 $(SANITISE)
FLAGS_run  := $(HOST) $(TEST_FLAGS) -O2
FLAGS_bench := $(COMMON) $(TEST_FLAGS) -O2
COMPILER_asan  = $(HOST_CC)
COMPILER_run   = $(HOST_CC)
COMPILER_bench = $(HOST_CC)

$(foreach l,asan run bench,$(eval $(call lane,$l)))

UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(call sources,tests/unit/*_test.c))
# The lanes under Wine, which has a time limit of its own: a prefix is made first, and then some three hundred programs run.
LANE_TESTS := lanes_test compare_lanes_test spawn_lanes_test
RUN_TESTS  := $(filter-out $(LANE_TESTS),$(patsubst tests/run/%.c,%,$(call sources,tests/run/*_test.c)))
FUZZERS    := $(patsubst tests/fuzz/%.c,%,$(call sources,tests/fuzz/*_fuzz.c))
SUPPORT    := $(call sources,tests/support/*.c)

# Everything under test as one archive, so that a test program takes what it names.
TESTED_SOURCES := $(filter-out $(MAIN_SOURCE),$(HOST64_SOURCES) $(SIM_SOURCES)) $(SUPPORT)

# $(call archive,FILE,LANE,SOURCES)
define archive
$(call remember,$1.list,$3)
$1: $(call objects,$2,$3) $1.list
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $(call objects,$2,$3)
endef
$(eval $(call archive,$(BUILD)/libpeload-asan.a,asan,$(TESTED_SOURCES)))
$(eval $(call archive,$(BUILD)/libpeload.a,run,$(TESTED_SOURCES)))

# $(call test_program,FILE,LANE,SOURCE,LIBRARIES)
define test_program
$1: $(call objects,$2,$3) $(filter %.a,$4)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$(COMPILER_$2) $(FLAGS_$2) -o $$@ $(call objects,$2,$3) $4
endef
$(foreach t,$(UNIT_TESTS),$(eval \
  $(call test_program,$(BUILD)/tests/unit/$t,asan,tests/unit/$t.c,$(BUILD)/libpeload-asan.a -lcmocka -ljansson)))
$(foreach t,$(RUN_TESTS) $(LANE_TESTS),$(eval \
  $(call test_program,$(BUILD)/tests/run/$t,run,tests/run/$t.c,$(BUILD)/libpeload.a -lcmocka -ljansson)))
$(foreach t,$(FUZZERS),$(eval \
  $(call test_program,$(BUILD)/tests/fuzz/$t,asan,tests/fuzz/$t.c tests/fuzz/loop.c,$(BUILD)/libpeload-asan.a)))

UNIT_PROGRAMS := $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)
RUN_PROGRAMS  := $(RUN_TESTS:%=$(BUILD)/tests/run/%)
LANE_PROGRAMS := $(LANE_TESTS:%=$(BUILD)/tests/run/%)
FUZZ_PROGRAMS := $(FUZZERS:%=$(BUILD)/tests/fuzz/%)

# Time limits, in seconds, for one program: several times what a slow machine needs; they only end what hangs.
UNIT_LIMIT := 180
RUN_LIMIT  := 600
LANE_LIMIT := 900

.PHONY: check test-all test-samples test-lanes check-arrows check-freestanding fuzz fuzz-libfuzzer bench

check: check-arrows check-freestanding $(UNIT_PROGRAMS) ## the fast checks: who includes whom, and the unit tests
	@bash tests/run-programs.sh $(UNIT_LIMIT) $(UNIT_PROGRAMS)

test-all: check-arrows check-freestanding $(UNIT_PROGRAMS) $(RUN_PROGRAMS) $(LANE_PROGRAMS) $(FUZZ_PROGRAMS) all
	@bash tests/run-programs.sh $(UNIT_LIMIT) $(UNIT_PROGRAMS) -- $(RUN_LIMIT) $(RUN_PROGRAMS) -- $(LANE_LIMIT) $(LANE_PROGRAMS)
	@$(FUZZ_RUN)

# PELOAD_DLL_PATH=FOLDER make test-samples: on that set.
test-samples: $(BUILD)/tests/run/samples_test all ## run only the table of samples, on the DLL set that PELOAD_DLL_PATH names
	@bash tests/run-programs.sh $(RUN_LIMIT) $(BUILD)/tests/run/samples_test

test-lanes: $(LANE_PROGRAMS) all ## run only the samples on the lanes os and win32, under Wine (skipped where there is none)
	@bash tests/run-programs.sh $(LANE_LIMIT) $(LANE_PROGRAMS)

check-arrows: ## prove that no file includes what the design forbids
	@bash tests/check-arrows.sh .

check-freestanding: ## prove that pe/ needs nothing but mem* and keeps no state
	@bash tests/check-freestanding.sh $(HOST_CC) $(BUILD)/freestanding

# The seed is fixed, so that a run repeats exactly; FUZZ_COUNT and FUZZ_SEED make it longer or other.
FUZZ_COUNT := 20000
FUZZ_SEED  := 1
FUZZ_FILES = $(SAMPLES_X64) $(SAMPLES_X86) $(DLLS64) $(BUILD)/ldr64.dll $(wildcard tests/fuzz/corpus/*)
FUZZ_RUN = for program in $(FUZZ_PROGRAMS); do \
  timeout 900 $$program $(FUZZ_COUNT) $(FUZZ_SEED) $(wildcard $(FUZZ_FILES)) || exit 1; done

fuzz: $(FUZZ_PROGRAMS) $(PROGRAMS) samples ## feed mutated files to the fuzz targets, always the same ones
	@$(FUZZ_RUN)

# The same targets under clang's libFuzzer, for as long as one likes.
FUZZ_SECONDS := 60
FLAGS_libfuzzer := $(HOST) $(TEST_FLAGS) -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
COMPILER_libfuzzer = clang
ifneq ($(filter fuzz-libfuzzer,$(MAKECMDGOALS)),)
$(eval $(call lane,libfuzzer))
$(eval $(call archive,$(BUILD)/libpeload-libfuzzer.a,libfuzzer,$(filter pe/%,$(TESTED_SOURCES))))
$(foreach t,$(FUZZERS),$(eval \
  $(call test_program,$(BUILD)/tests/libfuzzer/$t,libfuzzer,tests/fuzz/$t.c,$(BUILD)/libpeload-libfuzzer.a -fsanitize=fuzzer)))
endif
fuzz-libfuzzer: $(FUZZERS:%=$(BUILD)/tests/libfuzzer/%) $(PROGRAMS) samples ## the same with clang's libFuzzer (needs clang)
	@for target in $(FUZZERS); do \
	  mkdir -p $(BUILD)/fuzz-corpus/$$target && cp -u $(wildcard $(FUZZ_FILES)) $(BUILD)/fuzz-corpus/$$target/ && \
	  $(BUILD)/tests/libfuzzer/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -seed=$(FUZZ_SEED) \
	    -artifact_prefix=$(BUILD)/fuzz-corpus/ $(BUILD)/fuzz-corpus/$$target || exit 1; done

# Bench ----------------------------------------------------------------------------------------------------------

$(eval $(call test_program,$(BUILD)/bench/bench,bench,tests/bench/bench.c,-lm))
BENCH_ELF := $(BUILD)/bench/elf_hello
$(eval $(call test_program,$(BUILD)/bench/elf_hello,bench,tests/bench/elf_hello.c,))
ifeq ($(PELOAD32),1)
FLAGS_bench32 := $(FLAGS_bench) -m32
COMPILER_bench32 = $(HOST_CC)
$(eval $(call lane,bench32))
BENCH_ELF += $(BUILD)/bench/elf_hello32
$(eval $(call test_program,$(BUILD)/bench/elf_hello32,bench32,tests/bench/elf_hello.c,))
endif

bench: all $(BUILD)/bench/bench $(BENCH_ELF) ## time one run against a plain ELF program, and against Wine
	@$(BUILD)/bench/bench $(BUILD)
