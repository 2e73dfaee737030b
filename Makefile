# Builds everything from this one file, without recursion. `make help` lists the targets.
#
# Order of reading: settings, sources, lanes (one compiler with one set of flags each), programs, guest DLLs,
# the targets a person types. The tests have their own part in tests/build.mk, the samples in samples/build.mk.

VERSION := 0.1.0
BUILD   := build
PREFIX  := /usr/local
DESTDIR :=
# 1 builds the 32-bit host and its guest DLLs too.
PELOAD32 := 1
# V=1 shows the whole commands.
V :=
# What `test` and `demo` build at the same time, where nobody said it with -j.
JOBS := $(shell nproc)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# In recipes alone: there MAKEFLAGS holds what the command line said.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$1' '$2')

HOST_CC   := gcc
MINGW_X64 := x86_64-w64-mingw32-
MINGW_X86 := i686-w64-mingw32-

# What the build and the tests need from Debian, with the reason.
#   gcc libc6-dev make               the host programs, static glibc and the sanitizers included
#   gcc-multilib                     the same for -m32
#   musl-dev                         the C library of the host programs, see HOST_LIBC
#   *-mingw-w64-*-win32              the guest half, our small DLLs and the samples (C and C++) are real PE files
#   libcmocka-dev                    the tests
#   libjansson-dev                   reads JSON for `peload compare` (linked statically)
#   python3-jsonschema               a test holds our JSON against its schema
PACKAGES := gcc libc6-dev make gcc-multilib \
  gcc-mingw-w64-x86-64-win32 g++-mingw-w64-x86-64-win32 \
  gcc-mingw-w64-i686-win32 g++-mingw-w64-i686-win32 libcmocka-dev musl-dev libjansson-dev python3-jsonschema

# Sources ------------------------------------------------------------------------------------------------------

sources = $(sort $(wildcard $1))

# The kernel's areas (loader/nt/README.md).
KERNEL_AREAS := ob ke mm ps io cm ex view

CORE_SOURCES := $(call sources,pe/*.c loader/*.c loader/inspect/*.c loader/cli/*.c loader/cli/report/*.[cS])
LINUX_SOURCES := $(call sources,loader/host/linux/*.c loader/nt/*.c $(KERNEL_AREAS:%=loader/nt/%/*.c) \
                 loader/native/*.c loader/cli/linux/*.c)
# Of the kernel, Windows needs nothing but the names of its statuses.
WINDOWS_SOURCES := $(call sources,loader/host/win32/*.c loader/win32/*.c loader/inspect/win32/*.c loader/cli/win32/*.c) loader/nt/status.c
SIM_SOURCES  := $(call sources,loader/host/sim/*.c)
# What depends on the processor stands in a folder named after it.
# Snapshots and comparisons are the 64-bit host's, for programs of both widths.
X64_SOURCES  := $(call sources,loader/nt/x64/*.[cS] loader/native/x64/*.c loader/inspect/linux/*.c loader/inspect/compare/*.c \
                loader/cli/linux/x64/*.c)
X86_SOURCES  := $(call sources,loader/nt/x86/*.[cS] loader/native/x86/*.c loader/cli/linux/x86/*.c)
MAIN_SOURCE  := loader/cli/main.c

PROGRAM64_SOURCES := $(CORE_SOURCES) $(WINDOWS_SOURCES) $(call sources,loader/win32/x64/*.[cS])
PROGRAM32_SOURCES := $(CORE_SOURCES) $(WINDOWS_SOURCES) $(call sources,loader/win32/x86/*.[cS])
HOST64_SOURCES := $(CORE_SOURCES) $(LINUX_SOURCES) $(X64_SOURCES)
HOST32_SOURCES := $(CORE_SOURCES) $(LINUX_SOURCES) $(X86_SOURCES)
LDR64_SOURCES  := $(call sources,loader/ldr/*.c loader/ldr/x64/*.[cS])
LDR32_SOURCES  := $(call sources,loader/ldr/*.c loader/ldr/x86/*.[cS])
DLL_SOURCES    := $(call sources,loader/dlls/*.c)

# What loader/cli/report/page.S takes in is nothing that a compiler would tell of.
PAGE_PARTS := $(call sources,loader/cli/report/*.html loader/cli/report/*.css loader/cli/report/*.js)

# Lanes --------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
COMMON   := -std=gnu11 $(WARNINGS) -fno-strict-aliasing -I.
# _GNU_SOURCE is defined as nothing, like the plain #define that some sources carry: the two may stand together.
HOST     := $(COMMON) -g -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 -DPELOAD_VERSION='"$(VERSION)"'
# Guest code has no C run-time beneath it: no start-up, no stack cookies, and no entry point of its own.
GUEST    := $(COMMON) -O2 -ffreestanding -fno-stack-protector -fno-ident

# The host's sources as a Windows program. The attribute "printf" means Microsoft's formats to this compiler, but the
# functions are C99's here; the Linux build checks the same formats. Reading gs:[0x60] is no read outside of an array.
WINDOWS  := $(COMMON) -g -O2 -D_WIN32_WINNT=0x0601 -DUNICODE -D_UNICODE -DWIN32_LEAN_AND_MEAN -D__USE_MINGW_ANSI_STDIO=1 \
  -D_POSIX_C_SOURCE=200809L -Wno-format -Wno-array-bounds -DPELOAD_VERSION='"$(VERSION)"'

FLAGS_windows64 := $(WINDOWS)
FLAGS_windows32 := $(WINDOWS)
FLAGS_host64 := $(HOST) -O2 -fPIE -fdata-sections
FLAGS_host32 := $(HOST) -O2 -m32 -fno-pie -fdata-sections
FLAGS_guest64 := $(GUEST)
FLAGS_guest32 := $(GUEST)

COMPILER_host64  = $(HOST_CC)
COMPILER_host32  = $(HOST_CC)
COMPILER_windows64 = $(MINGW_X64)gcc
COMPILER_windows32 = $(MINGW_X86)gcc
COMPILER_guest64 = $(MINGW_X64)gcc
COMPILER_guest32 = $(MINGW_X86)gcc

LANES := host64 guest64 windows64 $(if $(filter 1,$(PELOAD32)),host32 guest32 windows32)

# The host programs are linked with musl where it is. At its start glibc executes CPUID some forty times; a virtual machine
# is left at each of them, which costs more there than all that peload does for a small program. For x86 `make deps` unpacks
# musl into the cache folder. HOST_LIBC64=glibc, HOST_LIBC32=glibc: the other one; the unit tests always run on it.
MUSL64 := /usr/include/x86_64-linux-musl /usr/lib/x86_64-linux-musl
MUSL32_FOLDER := $(or $(PELOAD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/peload)/musl-i386
MUSL32 := $(MUSL32_FOLDER)/include $(MUSL32_FOLDER)/lib
HOST_LIBC64 := $(if $(wildcard $(lastword $(MUSL64))/libc.a),musl,glibc)
HOST_LIBC32 := $(if $(wildcard $(lastword $(MUSL32))/libc.a),musl,glibc)

# musl's headers, the compiler's own and, behind them, the kernel's and jansson's.
# $(call musl_flags,MUSL)
musl_flags = -nostdinc -isystem $(firstword $1) -isystem $(shell $(HOST_CC) -print-file-name=include) -idirafter $(BUILD)/kernel-headers
# Of the compiler's own beginning and end (constructors, transactional memory) C needs nothing.
musl_link = -static -no-pie -nostdlib $(lastword $1)/crt1.o $(lastword $1)/crti.o
musl_libs = -Wl,--start-group $(lastword $1)/libc.a -lgcc -lgcc_eh -Wl,--end-group $(lastword $1)/crtn.o

ifeq ($(HOST_LIBC64),musl)
FLAGS_host64 += $(call musl_flags,$(MUSL64))
endif
ifeq ($(HOST_LIBC32),musl)
FLAGS_host32 += $(call musl_flags,$(MUSL32))
endif

# $(call objects,LANE,SOURCES)
objects = $(patsubst %,$(BUILD)/obj-$1/%.o,$2)

# $(call remember,FILE,TEXT): FILE is rewritten only when TEXT differs from what stands in it, so that whatever
# depends on FILE is remade exactly when the text (flags, a list of objects) has changed.
remember = $(if $(call same,$(file <$1),$2),,$(shell mkdir -p $(dir $1))$(file >$1,$2))
same = $(and $(findstring x$(strip $1)x,x$(strip $2)x),$(findstring x$(strip $2)x,x$(strip $1)x))

# A lane is a compiler with its flags; its objects lie under obj-LANE/ in the shape of the source tree.
# $(call lane,LANE)
define lane
$(call remember,$(BUILD)/obj-$1/flags,$(COMPILER_$1) $(FLAGS_$1))
$(BUILD)/obj-$1/%.o: % $(BUILD)/obj-$1/flags Makefile
	@mkdir -p $$(@D)
	$$(call say,CC,$$(@:$(BUILD)/%.o=%))
	$$(Q)$(COMPILER_$1) $(FLAGS_$1) -MMD -MP -c -o $$@ $$<
$(BUILD)/obj-$1/loader/cli/report/page.S.o: $(PAGE_PARTS)
endef

# Programs -----------------------------------------------------------------------------------------------------

# Small variables side by side, apart from the large tables: a start then touches a handful of pages of zeroes, not forty.
LINK_SORTED := -Wl,--sort-section=alignment
# Statically linked: a dynamic linker's share of the start would cost more than the rest of the host together.
# Position-independent, so that the fixed places of guest images below stay free.
LINK_host64 := -static-pie $(LINK_SORTED)
# What reads JSON again, for `peload compare`; the other programs only write it.
JANSSON := $(shell $(HOST_CC) -print-file-name=libjansson.a)
# The 32-bit host lies above the 2 GiB that belong to the guest.
LINK_host32 := -m32 -static -no-pie $(LINK_SORTED) -Wl,-Ttext-segment=0xe0000000
# What only a host program on musl has.
MUSL_SOURCES := $(call sources,loader/host/linux/musl/*.c)
# With musl the 64-bit host has a fixed place, too, above all that guests get: nothing is then to be relocated at its start.
# Its code is still position-independent, because addresses do not fit into 32 bits there; for the same reason the linker
# may not shorten how they are loaded, and musl's start gets a nearby address for a table that only shared objects have.
ifeq ($(HOST_LIBC64),musl)
LINK_host64 := $(LINK_SORTED) -Wl,-Ttext-segment=0x7e5500000000 -Wl,--no-relax -Wl,--defsym=_DYNAMIC=main \
  $(call musl_link,$(MUSL64))
LIBS_host64 := $(JANSSON) $(call musl_libs,$(MUSL64))
# Debian built jansson for glibc; what its fortified calls want beyond the C standard is this file's.
MUSL64_SOURCES := loader/inspect/compare/musl/fortify.c $(MUSL_SOURCES)
else
LIBS_host64 := $(JANSSON)
endif
ifeq ($(HOST_LIBC32),musl)
LINK_host32 += $(call musl_link,$(MUSL32))
LIBS_host32 := $(call musl_libs,$(MUSL32))
MUSL32_SOURCES := $(MUSL_SOURCES)
endif

LINK_windows := -municode -static -Wl,--no-insert-timestamp
LINK_windows64 := $(LINK_windows)
LINK_windows32 := $(LINK_windows)
# The same code as a DLL is what a child has: its EXE is the loaded program's place. It lies where no program wants to lie.
LINK_child := -shared -static -Wl,--no-insert-timestamp -Wl,--exclude-all-symbols
LINK_child64 := $(LINK_child) -Wl,--image-base,0x6ffff0000000
LINK_child32 := $(LINK_child) -Wl,--image-base,0x6d000000

LIBS_windows64 := -lntdll
LIBS_windows32 := -lntdll

# A linker writes its file piece by piece, and so the system's cache keeps it; of a copy, written in one go, the first touch
# of a page brings more neighbours along: a start of it takes 3 % less (Linux 6.18, ext4).
# $(call program,FILE,LANE,SOURCES)
define program
$(call remember,$1.list,$(LINK_$2) $3)
$1: $(call objects,$2,$3) $1.list
	$$(call say,LINK,$$@)
	$$(Q)$(COMPILER_$2) $(LINK_$2) -o $$@.linked $(call objects,$2,$3) $(LIBS_$2)
	$$(Q)cp --remove-destination $$@.linked $$@ && rm $$@.linked
endef

# $(call child_dll,FILE,WIDTH,SOURCES)
define child_dll
$(call remember,$1.list,$(LINK_child$2) $3)
$1: $(call objects,windows$2,$3) $1.list
	$$(call say,DLL,$$@)
	$$(Q)$(COMPILER_windows$2) $(LINK_child$2) -o $$@ $(call objects,windows$2,$3) $(LIBS_windows$2)
endef

# Guest DLLs ---------------------------------------------------------------------------------------------------

# Equal file and section alignment: such a file is mapped page by page like Wine's own. No time stamp: the same
# sources give the same bytes. libgcc for stack probes and 64-bit arithmetic on x86.
LINK_DLL := -shared -nostdlib -Wl,-e,0 -Wl,--file-alignment,4096 -Wl,--section-alignment,4096 \
  -Wl,--no-insert-timestamp -Wl,--exclude-all-symbols
LINK_guest64 := $(LINK_DLL)
LINK_guest32 := $(LINK_DLL) -Wl,--kill-at
DLL_LIBS := -lntdll -lgcc
# What mingw's own import library of ntdll lacks.
IMPORTS_guest32 := $(BUILD)/ntdll32.a

# Where no other DLL wants to lie, so that nothing of ours has to be moved; each small DLL gets a place of its own
# from its name.
BASE_ldr64 := -Wl,--image-base,0x16ff00000
BASE_ldr32 := -Wl,--image-base,0x6f000000
BASE_guest64 := -Wl,--enable-auto-image-base
BASE_guest32 := -Wl,--enable-auto-image-base

# $(call guest_dll,FILE,LANE,SOURCES,DEFINITION FILES,BASE)
define guest_dll
$(call remember,$1.list,$(LINK_$2) $5 $3)
$1: $(call objects,$2,$3) $4 $(IMPORTS_$2) $1.list Makefile
	@mkdir -p $$(@D)
	$$(call say,DLL,$$@)
	$$(Q)$(COMPILER_$2) $(LINK_$2) $5 -o $$@ $(call objects,$2,$3) $4 $(IMPORTS_$2) $(DLL_LIBS)
endef

# Each loader/dlls/NAME.c with NAME.def is one DLL.
# $(call small_dll,FOLDER,LANE,NAME)
small_dll = $(call guest_dll,$1/$3.dll,$2,loader/dlls/$3.c,$(wildcard loader/dlls/$3.def),$(BASE_$2))

DLL_NAMES := $(basename $(notdir $(DLL_SOURCES)))
DLLS64 := $(DLL_NAMES:%=$(BUILD)/dlls64/%.dll)
DLLS32 := $(DLL_NAMES:%=$(BUILD)/dlls32/%.dll)

PROGRAMS := $(if $(wildcard $(MAIN_SOURCE)),$(BUILD)/peload $(BUILD)/peload-run $(BUILD)/peload.exe $(BUILD)/peload64.dll) $(if $(LDR64_SOURCES),$(BUILD)/ldr64.dll) $(DLLS64)
ifeq ($(PELOAD32),1)
PROGRAMS += $(if $(wildcard $(MAIN_SOURCE)),$(BUILD)/peload32 $(BUILD)/peload32.exe $(BUILD)/peload32.dll) $(if $(LDR32_SOURCES),$(BUILD)/ldr32.dll) $(DLLS32)
endif

# Goals that build nothing by themselves must not touch $(BUILD), nor need a compiler: `deps` brings it, and
# `test` and `demo` start a second make after it.
BUILDING := $(filter-out clean help deps deps-page deps-wine install-packages test demo,$(or $(MAKECMDGOALS),all))

ifneq ($(BUILDING),)
ifeq ($(shell command -v $(HOST_CC) && command -v $(MINGW_X64)gcc),)
$(error No $(HOST_CC) or no $(MINGW_X64)gcc here; `make deps` installs what is missing)
endif

$(shell mkdir -p $(BUILD)/kernel-headers && cd $(BUILD)/kernel-headers && \
  ln -sfn /usr/include/linux linux && ln -sfn /usr/include/asm-generic asm-generic && \
  ln -sfn /usr/include/$$($(HOST_CC) -print-multiarch)/asm asm && \
  ln -sfn /usr/include/jansson.h jansson.h && ln -sfn /usr/include/jansson_config.h jansson_config.h)
$(foreach l,$(LANES),$(eval $(call lane,$l)))
$(eval $(call program,$(BUILD)/peload,host64,$(HOST64_SOURCES) $(MUSL64_SOURCES)))
$(eval $(call program,$(BUILD)/peload.exe,windows64,$(PROGRAM64_SOURCES)))
$(eval $(call child_dll,$(BUILD)/peload64.dll,64,$(PROGRAM64_SOURCES)))
$(eval $(call guest_dll,$(BUILD)/ldr64.dll,guest64,$(LDR64_SOURCES),$(wildcard loader/ldr/*.def loader/ldr/x64/*.def),$(BASE_ldr64)))
$(foreach n,$(DLL_NAMES),$(eval $(call small_dll,$(BUILD)/dlls64,guest64,$n)))
ifeq ($(PELOAD32),1)
$(eval $(call program,$(BUILD)/peload32,host32,$(HOST32_SOURCES) $(MUSL32_SOURCES)))
$(eval $(call program,$(BUILD)/peload32.exe,windows32,$(PROGRAM32_SOURCES)))
$(eval $(call child_dll,$(BUILD)/peload32.dll,32,$(PROGRAM32_SOURCES)))
$(eval $(call guest_dll,$(BUILD)/ldr32.dll,guest32,$(LDR32_SOURCES),$(wildcard loader/ldr/*.def loader/ldr/x86/*.def),$(BASE_ldr32)))
$(foreach n,$(DLL_NAMES),$(eval $(call small_dll,$(BUILD)/dlls32,guest32,$n)))
endif

-include samples/build.mk
-include tests/build.mk
-include $(shell test ! -d $(BUILD) || find $(BUILD)/obj-* -name '*.d' 2>/dev/null)
endif

$(BUILD)/ntdll32.a: loader/ldr/x86/ntdll.imports
	@mkdir -p $(@D)
	$(Q)$(MINGW_X86)dlltool -k -d $< -l $@

# Targets ------------------------------------------------------------------------------------------------------

.PHONY: all samples deps deps-page deps-wine install-packages test demo install clean help

# The name under which peload is an interpreter, for binfmt_misc.
$(BUILD)/peload-run: $(BUILD)/peload
	$(call say,LINK,$@)
	$(Q)ln -sf peload $@

all: $(PROGRAMS) samples ## build the programs and the samples into build/ (the default)

samples: $(SAMPLES_X64) $(SAMPLES_X86) ## build only the sample programs

deps: install-packages ## install what is missing: compilers, cmocka, the guest DLL sets
	@bash loader/dlls/fetch.sh
	@test '$(PELOAD32)' != 1 || bash loader/dlls/fetch-musl.sh || true

# A mirror that does not answer for a moment, or another apt at work, is no reason to fail: all is tried up to three times.
APT_PATIENCE := -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o DPkg::Lock::Timeout=120
install-packages:
	@missing=$$(for p in $(PACKAGES); do \
	  case " $$(dpkg-query -W -f '$${db:Status-Status} ' $$p 2>/dev/null)" in *' installed '*) ;; *) echo $$p ;; esac; done); \
	if [ -n "$$missing" ]; then \
	  echo "peload: installing" $$missing; \
	  if [ "$$(id -u)" = 0 ]; then as_root=; elif command -v sudo >/dev/null; then as_root=sudo; else \
	    echo "peload: these packages are missing and this is neither root nor is sudo here:" $$missing >&2; exit 1; fi; \
	  for pause in 5 20 ''; do \
	    $$as_root apt-get $(APT_PATIENCE) -q update >/dev/null 2>&1 || true; \
	    told=$$($$as_root env DEBIAN_FRONTEND=noninteractive \
	      apt-get $(APT_PATIENCE) -q -y --no-install-recommends install $$missing 2>&1 </dev/null) && exit 0; \
	    [ -z "$$pause" ] || sleep $$pause; \
	  done; \
	  echo "peload: the installation failed:" "$$(printf '%s\n' "$$told" | grep -m 1 '^E: ')" >&2; exit 1; \
	fi

# What the tests of the page need beside: a real browser.
deps-page: ## install Chromium, in which `make test` looks at the page (without it those tests are skipped)
	@$(MAKE) --no-print-directory install-packages PACKAGES='chromium chromium-driver'

deps-wine: deps ## fetch a private Wine, x64 and x86, for the lanes os and win32
	@bash loader/dlls/fetch-wine.sh

# Without Wine the lanes os and win32 are skipped: no reason for everything else to fail.
test: deps ## set up, build and run every test
	-@$(MAKE) --no-print-directory deps-page
	@bash loader/dlls/fetch-wine.sh || echo "peload: the tests of the lanes os and win32 will be skipped"
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(MAKE) --no-print-directory $(PARALLEL) test-all

demo: deps ## set up, build and load one EXE, telling the story
	@$(MAKE) --no-print-directory $(PARALLEL) all
	$(BUILD)/peload run -v $(BUILD)/samples/x64/hello.exe one "two words"

install: all ## install below PREFIX (default /usr/local), under DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/peload/dlls64
	install -m 755 $(BUILD)/peload $(DESTDIR)$(PREFIX)/bin/
	ln -sf peload $(DESTDIR)$(PREFIX)/bin/peload-run
	install -m 755 $(BUILD)/peload.exe $(BUILD)/peload64.dll $(DESTDIR)$(PREFIX)/lib/peload/
	install -m 644 $(BUILD)/ldr64.dll $(DESTDIR)$(PREFIX)/lib/peload/
	$(if $(DLLS64),install -m 644 $(DLLS64) $(DESTDIR)$(PREFIX)/lib/peload/dlls64/)
ifeq ($(PELOAD32),1)
	install -d $(DESTDIR)$(PREFIX)/lib/peload/dlls32
	install -m 755 $(BUILD)/peload32 $(BUILD)/peload32.exe $(BUILD)/peload32.dll $(DESTDIR)$(PREFIX)/lib/peload/
	install -m 644 $(BUILD)/ldr32.dll $(DESTDIR)$(PREFIX)/lib/peload/
	$(if $(DLLS32),install -m 644 $(DLLS32) $(DESTDIR)$(PREFIX)/lib/peload/dlls32/)
endif

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile $(wildcard tests/build.mk)
