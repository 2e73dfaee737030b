# Builds every sample for x64 and x86 into $(BUILD)/samples/x64 and $(BUILD)/samples/x86.
# The top Makefile includes this file and uses SAMPLES_X64 and SAMPLES_X86 (all programs and DLLs of one machine).
#
# What a sample needs beyond "compile <name>.c, link it" stands in variables named after it:
#   sample_sources_<name>    sources, if not <name>.c (with _x64 or _x86 added: more sources for that machine; likewise flags)
#   sample_imports_<name>    import libraries of our own, each made from <definition>.def in this folder
#   sample_cflags_<name>  sample_ldflags_<name>  sample_finish_<name> (a command after linking)
# A DLL exports what <name>.def says (sample_def_<name>, if the file has another name).

BUILD ?= build
MINGW_X64 ?= x86_64-w64-mingw32-
MINGW_X86 ?= i686-w64-mingw32-

SAMPLES_SOURCE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
SAMPLES_OLD_GOAL := $(.DEFAULT_GOAL)

# COFF symbols stay in: peload shows them in its reports. The run-time of gcc is linked statically, so that a sample
# needs nothing but the system's DLLs and its own.
SAMPLE_CFLAGS := -std=gnu11 -O1 -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
SAMPLE_CXXFLAGS := -std=gnu++17 -O1 -Wall -Wextra -Wshadow -Werror
SAMPLE_LDFLAGS := -static -static-libgcc -Wl,--strip-debug
SAMPLE_NOCRT := -nostdlib
SAMPLE_NOCRT_CFLAGS := -ffreestanding -fno-stack-protector
# An image with relocations that is nevertheless put at its preferred base wherever that is free.
SAMPLE_FIXED_BASE := -Wl,--disable-dynamicbase -Wl,--enable-reloc-section

# Programs -------------------------------------------------------------------------------------------------------

SAMPLE_PROGRAMS := hello hello_ucrt nocrt_kernel32 nocrt_ntdll args started exit_codes stdin_echo console time system_dlls \
  cxx_exceptions seh_caught crash unhandled_filter threads tls_callbacks tls_late memory stack stack_8m addresses addresses_large files resource \
  graph loadlib delay delay_system bind2000 relocs200k base_taken missing_dll missing_function dllmain_fail \
  bench_relocations bench_binding bench_event bench_calls bench_process bench_lanes \
  stress_threads stress_events stress_library stress_data stress_files stress_mixed stress_self
SAMPLE_PROGRAMS += slots providers

sample_sources_hello_ucrt := hello.c
sample_cflags_hello_ucrt := -D_UCRT
sample_ldflags_hello_ucrt := -nodefaultlibs -Wl,--start-group -lmingw32 -lgcc -lgcc_eh -lmingwex -lucrt -lkernel32 \
  -Wl,--end-group
sample_cflags_nocrt_kernel32 := $(SAMPLE_NOCRT_CFLAGS)
sample_ldflags_nocrt_kernel32 := $(SAMPLE_NOCRT) -lkernel32
sample_cflags_nocrt_ntdll := $(SAMPLE_NOCRT_CFLAGS)
sample_ldflags_nocrt_ntdll := $(SAMPLE_NOCRT) -lntdll
sample_ldflags_args := -municode
sample_ldflags_providers := -lws2_32 -lbcrypt
sample_sources_cxx_exceptions := cxx_exceptions.cpp
sample_sources_seh_caught_x64 := seh_frame_x64.c
sample_sources_seh_caught_x86 := seh_frame_x86.c
sample_cflags_tls_callbacks := $(SAMPLE_NOCRT_CFLAGS)
sample_ldflags_tls_callbacks := $(SAMPLE_NOCRT) -lkernel32
sample_cflags_stack := -DSTACK_KIB=1024 -DSTACK_USED_KIB=900
sample_ldflags_stack := -Wl,--stack,0x100000
sample_sources_stack_8m := stack.c
sample_cflags_stack_8m := -DSTACK_KIB=8192 -DSTACK_USED_KIB=6144
sample_ldflags_stack_8m := -Wl,--stack,0x800000
sample_sources_addresses_large := addresses.c
# x64 programs are born with it, and their linker does not know the option.
sample_ldflags_addresses_large_x86 := -Wl,--large-address-aware
sample_sources_resource := resource.c resource.rc
sample_sources_graph := graph/graph.c
sample_imports_graph := graph/a graph/cycle1 graph/same1 graph/same2 graph/log
sample_finish_delay_system = sh $(SAMPLES_SOURCE)/set_directory.sh $(1) $$@ 13 delay_descriptors 96
sample_imports_bind2000 := bind2000_dll
sample_ldflags_relocs200k := -Wl,--dynamicbase
SAMPLE_BASE_TAKEN := 0x10000000
sample_cflags_base_taken := -DLINKED_BASE=$(SAMPLE_BASE_TAKEN)
sample_ldflags_base_taken := $(SAMPLE_FIXED_BASE) -Wl,--image-base=$(SAMPLE_BASE_TAKEN)
sample_imports_missing_dll := missing_dll
sample_imports_missing_function := missing_function_old
sample_imports_dllmain_fail := dllmain_fail_dll
sample_sources_stress_mixed := stress_mixed.cpp
# The way over the edge of the stack is to be as written, and not made a loop of.
sample_cflags_stress_self := -O0 -Wno-infinite-recursion
sample_ldflags_stress_self := -lntdll

# DLLs -----------------------------------------------------------------------------------------------------------

SAMPLE_DLLS := tls_late_dll delay_dll bind2000_dll missing_function_dll dllmain_fail_dll loadlib_dll loadlib_needs_absent \
  graph_log graph_a graph_b graph_cycle1 graph_cycle2 graph_same1 graph_same2 graph_late graph_late_below \
  bench_relocations_dll bench_binding_many bench_binding_one

sample_cflags_tls_late_dll := $(SAMPLE_NOCRT_CFLAGS)
sample_ldflags_tls_late_dll := $(SAMPLE_NOCRT)
sample_imports_loadlib_needs_absent := missing_dll
# No C run-time and no entry point: the loader is measured, not what a DllMain asks for.
SAMPLE_NO_ENTRY := $(SAMPLE_NOCRT) -Wl,-e,0
sample_ldflags_bench_relocations_dll := $(SAMPLE_NO_ENTRY) $(SAMPLE_FIXED_BASE) -Wl,--image-base=0x6a000000
define sample_binding
sample_sources_bench_binding_$(1) := bench_binding_dll.c
sample_imports_bench_binding_$(1) := bind2000_dll
sample_def_bench_binding_$(1) := bench_binding_dll.def
sample_ldflags_bench_binding_$(1) := $$(SAMPLE_NO_ENTRY)
endef
$(foreach dll,many one,$(eval $(call sample_binding,$(dll))))
sample_cflags_bench_binding_one := -DBINDING_ONE

sample_sources_graph_log := graph/log.c
sample_sources_graph_a := graph/a.c
sample_imports_graph_a := graph/b graph/log
sample_sources_graph_b := graph/b.c
sample_imports_graph_b := graph/log
sample_sources_graph_cycle1 := graph/cycle1.c
sample_imports_graph_cycle1 := graph/cycle2 graph/log
sample_sources_graph_cycle2 := graph/cycle2.c
sample_imports_graph_cycle2 := graph/cycle1 graph/log
sample_sources_graph_late := graph/late.c
sample_imports_graph_late := graph/late_below graph/log
sample_sources_graph_late_below := graph/late_below.c
sample_imports_graph_late_below := graph/log
$(foreach dll,log a b cycle1 cycle2 same1 same2 late late_below,$(eval sample_def_graph_$(dll) := graph/$(dll).def))

SAMPLE_SAME_BASE := 0x66600000
define sample_same
sample_sources_graph_$(1) := graph/same.c
sample_imports_graph_$(1) := graph/log
sample_cflags_graph_$(1) := -DSAME_BASE=$(SAMPLE_SAME_BASE) -DSAME_NAME='"graph_$(1)"' '-DSAME_FUNCTION(name)=$(1)_\#\#name'
sample_ldflags_graph_$(1) := $(SAMPLE_FIXED_BASE) -Wl,--image-base=$(SAMPLE_SAME_BASE)
endef
$(foreach dll,same1 same2,$(eval $(call sample_same,$(dll))))

# The loader, point by point ------------------------------------------------------------------------------------

SAMPLE_PROGRAMS += search same_module image_sections datafile references thread_calls dllmain_errors shutdown reentry exe_library no_relocs \
  protection locale_names tls_slots modules cookie bound manifest manifest_beside corners
SAMPLE_DLLS += corners_dll search_dll search_pair teller_a teller_b teller_c teller_d shutdown_dll reentry_dll reentry_back reentry_root reentry_free \
  protection_dll cookie_dll cookie_own manifest_first manifest_second manifest_library \
  peload.samples.first/manifest_first peload.samples.second/manifest_second

sample_sources_corners_x64 := seh_frame_x64.c
sample_sources_corners_x86 := seh_frame_x86.c
sample_sources_corners_dll := corners_dll.cpp
sample_sources_corners_dll_x64 := seh_frame_x64.c
sample_sources_corners_dll_x86 := seh_frame_x86.c
sample_ldflags_corners_dll := -lstdc++

# search_need.dll is search_dll.dll under another name: it lies nowhere but where search.c puts it.
sample_imports_search_pair := search_need

sample_teller = $(foreach dll,$(1),$(eval sample_sources_$(dll) := teller.c) \
  $(eval sample_cflags_$(dll) := $(SAMPLE_NOCRT_CFLAGS) -DTELLER_NAME='"$(dll)"' -DTELLER_FUNCTION=$(dll)_number) \
  $(eval sample_ldflags_$(dll) := $(SAMPLE_NOCRT) -lkernel32))
$(call sample_teller,teller_a teller_b teller_c teller_d)
sample_cflags_teller_a += -DTELLER_NEEDS_B -DTELLER_NEEDS_C
sample_imports_teller_a := teller_b teller_c
sample_cflags_teller_b += -DTELLER_NEEDS_C
sample_imports_teller_b := teller_c

sample_nocrt_dll = $(foreach dll,$(1),$(eval sample_cflags_$(dll) := $(SAMPLE_NOCRT_CFLAGS)) \
  $(eval sample_ldflags_$(dll) := $(SAMPLE_NOCRT) -lkernel32))
$(call sample_nocrt_dll,shutdown_dll reentry_dll reentry_back reentry_root reentry_free protection_dll cookie_dll cookie_own)
sample_sources_cookie_own := cookie_dll.c
sample_cflags_cookie_own += -DCOOKIE_OWN
sample_finish_cookie_dll = sh $(SAMPLES_SOURCE)/set_directory.sh $(1) $$@ 10 _load_config_used 112
sample_finish_cookie_own = $(sample_finish_cookie_dll)

# Private assemblies: a folder of their name beside the program, with DLL and manifest. DLLs of the same names, whose
# numbers are greater, lie beside the program. The manifests say the machine.
$(call sample_nocrt_dll,manifest_first manifest_second manifest_library peload.samples.first/manifest_first \
  peload.samples.second/manifest_second)
sample_sources_manifest := manifest/program.c manifest/program.rc
sample_imports_manifest := manifest/first
sample_sources_manifest_beside := manifest/program.c
sample_imports_manifest_beside := manifest/first
sample_sources_manifest_library := manifest/library.c manifest/library.rc
sample_imports_manifest_library := manifest/second
sample_def_manifest_library := manifest/library.def
sample_assembly = $(foreach dll,manifest_$(1) peload.samples.$(1)/manifest_$(1),$(eval sample_sources_$(dll) := manifest/part.c) \
  $(eval sample_def_$(dll) := manifest/$(1).def) \
  $(eval sample_cflags_$(dll) += -DPART_FUNCTION=$(1)_number -DPART_NUMBER=$(if $(findstring /,$(dll)),$(2),10$(2))) \
  $(eval sample_ldflags_$(dll) += -Wl,-e,0))
$(call sample_assembly,first,1)
$(call sample_assembly,second,2)
sample_imports_shutdown := teller_a shutdown_dll
sample_imports_reentry_back := reentry_dll
sample_imports_reentry_root := reentry_dll teller_b
sample_ldflags_protection_dll += -Wl,-e,0
sample_cflags_no_relocs := -DLINKED_BASE=$(SAMPLE_BASE_TAKEN)
sample_ldflags_no_relocs := -Wl,--disable-dynamicbase -Wl,--disable-reloc-section -Wl,--image-base=$(SAMPLE_BASE_TAKEN)

# Processes and handles ------------------------------------------------------------------------------------------

SAMPLE_PROCESSES := create1 create2 create3 create_child handle_parent handle_child handle_vs_id ends exit_thread tree pipe_parent \
  pipe_child named_pipe shared suspended job job_rules duplicate remote_memory remote_thread apc inject_library inject_image inject_section ctrl_c \
  batch mixed job_limits killed chosen_parent through
SAMPLE_PROGRAMS += $(SAMPLE_PROCESSES)
SAMPLE_DLLS += ends_dll inject_dll
$(foreach name,$(SAMPLE_PROCESSES) ends_dll inject_dll,$(eval sample_sources_$(name) := processes/$(name).c))
sample_def_ends_dll := processes/ends_dll.def
sample_def_inject_dll := processes/inject_dll.def
sample_imports_ends := processes/ends_dll
$(call sample_nocrt_dll,inject_dll)
# A thread's first function is stdcall, and exported without the decoration.
sample_ldflags_inject_dll_x86 := -Wl,--enable-stdcall-fixup
# Who looks into a child from outside needs ntdll's own questions; entry bytes are compared where the linker put them.
$(foreach name,suspended duplicate remote_memory remote_thread apc inject_library inject_image inject_section, \
  $(eval sample_ldflags_$(name) := $(SAMPLE_FIXED_BASE) -lntdll))
sample_cflags_mixed_x64 := -DMIXED_TWIN='"..\\x86\\mixed.exe"'
sample_cflags_mixed_x86 := -DMIXED_TWIN='"..\\x64\\mixed.exe"'

# Rules ----------------------------------------------------------------------------------------------------------

# The number in a function's name is its answer.
$(BUILD)/samples/bind2000_dll.def: $(SAMPLES_SOURCE)/build.mk
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q){ echo 'LIBRARY bind2000_dll.dll'; echo EXPORTS; seq -f 'bound_%04.0f' 0 1999; } > $@

sample_def_path = $(if $(filter bind2000_dll.def,$(1)),$(BUILD)/samples/$(1),$(SAMPLES_SOURCE)/$(1))
sample_folder = $(BUILD)/samples/$(1)
sample_sources = $(or $(sample_sources_$(2)),$(2).c) $(sample_sources_$(2)_$(1))
sample_objects = $(patsubst %,$(call sample_folder,$(1))/object/$(2)/%.o,$(call sample_sources,$(1),$(2)))
sample_libraries = $(patsubst %,$(call sample_folder,$(1))/library/%.a,$(sample_imports_$(2)))

# $(1) x64 or x86, $(2) the tools' prefix, $(3) sample, $(4) source
define sample_object_rule
$(call sample_folder,$(1))/object/$(3)/$(4).o: $(SAMPLES_SOURCE)/$(4) $(SAMPLES_SOURCE)/build.mk
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(if $(filter %.rc,$(4)),$(2)windres -I $(call sample_folder,$(1))/object -o $$@ $$<,$(if $(filter %.cpp,$(4)),$(2)g++ $(SAMPLE_CXXFLAGS),$(2)gcc $(SAMPLE_CFLAGS)) \
	  $(sample_cflags_$(3)) $(sample_cflags_$(3)_$(1)) -MMD -MP -c -o $$@ $$<)
endef

# $(1) x64 or x86, $(2) the tools' prefix, $(3) sample
define sample_program_rule
$(call sample_folder,$(1))/$(3).exe: $(call sample_objects,$(1),$(3)) $(call sample_libraries,$(1),$(3))
	$$(call say,LINK,$$@)
	$$(Q)$(2)$(if $(filter %.cpp,$(call sample_sources,$(1),$(3))),g++,gcc) -o $$@ $$^ $(SAMPLE_LDFLAGS) $(sample_ldflags_$(3)) $(sample_ldflags_$(3)_$(1))
$(if $(sample_finish_$(3)),	$$(Q)$(call sample_finish_$(3),$(2)))
$(foreach source,$(call sample_sources,$(1),$(3)),$(eval $(call sample_object_rule,$(1),$(2),$(3),$(source))))
endef

define sample_dll_rule
$(call sample_folder,$(1))/$(3).dll: $(call sample_objects,$(1),$(3)) $(call sample_libraries,$(1),$(3)) \
  $(call sample_def_path,$(or $(sample_def_$(3)),$(3).def))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(2)gcc -shared -o $$@ $$^ $(SAMPLE_LDFLAGS) $(sample_ldflags_$(3)) $(sample_ldflags_$(3)_$(1))
$(if $(sample_finish_$(3)),	$$(Q)$(call sample_finish_$(3),$(2)))
$(foreach source,$(call sample_sources,$(1),$(3)),$(eval $(call sample_object_rule,$(1),$(2),$(3),$(source))))
endef

# dlltool makes symbols and temporary files out of the name that it is given, so it works in the library's own folder.
# $(1) x64 or x86, $(2) the tools' prefix, $(3) definition file without .def
define sample_library_rule
$(call sample_folder,$(1))/library/$(3).a: $(call sample_def_path,$(3).def)
	$$(call say,LIB,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)cd $$(@D) && $(2)dlltool -d $$(abspath $$<) -l $$(@F)
endef

sample_all_imports = $(sort $(foreach name,$(SAMPLE_PROGRAMS) $(SAMPLE_DLLS),$(sample_imports_$(name))))

# $(1) x64 or x86, $(2) the tools' prefix, $(3) X64 or X86
define sample_machine
SAMPLES_$(3) := $(SAMPLE_PROGRAMS:%=$(call sample_folder,$(1))/%.exe) $(SAMPLE_DLLS:%=$(call sample_folder,$(1))/%.dll)
$(foreach name,$(SAMPLE_PROGRAMS),$(eval $(call sample_program_rule,$(1),$(2),$(name))))
$(foreach name,$(SAMPLE_DLLS),$(eval $(call sample_dll_rule,$(1),$(2),$(name))))
$(foreach name,$(sample_all_imports),$(eval $(call sample_library_rule,$(1),$(2),$(name))))

# The library of delay.exe loads its DLL at the first call; dlltool makes it with another option.
$(call sample_folder,$(1))/delay.exe: $(call sample_folder,$(1))/library/delay_dll.delay.a
$(call sample_folder,$(1))/library/delay_dll.delay.a: $(SAMPLES_SOURCE)/delay_dll.def
	$$(call say,LIB,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)cd $$(@D) && $(2)dlltool -d $$(abspath $$<) -y $$(@F)
endef

$(eval $(call sample_machine,x64,$(MINGW_X64),X64))
$(eval $(call sample_machine,x86,$(MINGW_X86),X86))

# $(1) x64 or x86, $(2) what a manifest calls it
define sample_manifests
$(call sample_folder,$(1))/object/%.manifest: $(SAMPLES_SOURCE)/manifest/%.manifest
	$$(call say,GEN,$$@)
	$$(Q)mkdir -p $$(@D) && sed 's/MACHINE/$(2)/' $$< > $$@
$(call sample_folder,$(1))/object/manifest/manifest/program.rc.o: $(call sample_folder,$(1))/object/program.manifest
$(call sample_folder,$(1))/object/manifest_library/manifest/library.rc.o: $(call sample_folder,$(1))/object/library.manifest
$(call sample_folder,$(1))/manifest_beside.exe.manifest: $(call sample_folder,$(1))/object/program.manifest
	$$(Q)cp $$< $$@
$(foreach name,first second,$(call sample_folder,$(1))/peload.samples.$(name)/peload.samples.$(name).manifest: \
  $(call sample_folder,$(1))/object/$(name).manifest
	$$(Q)mkdir -p $$(@D) && cp $$< $$@

)
endef
$(eval $(call sample_manifests,x64,amd64))
$(eval $(call sample_manifests,x86,x86))
sample_manifest_files = $(call sample_folder,$(1))/manifest_beside.exe.manifest \
  $(foreach name,first second,$(call sample_folder,$(1))/peload.samples.$(name)/peload.samples.$(name).manifest)
SAMPLES_X64 += $(call sample_manifest_files,x64)
SAMPLES_X86 += $(call sample_manifest_files,x86)

# search_foreign.dll is the other machine's search_dll.dll.
SAMPLES_X64 += $(call sample_folder,x64)/search_foreign.dll
SAMPLES_X86 += $(call sample_folder,x86)/search_foreign.dll
$(call sample_folder,x64)/search_foreign.dll: $(call sample_folder,x86)/search_dll.dll
$(call sample_folder,x86)/search_foreign.dll: $(call sample_folder,x64)/search_dll.dll
$(call sample_folder,x64)/search_foreign.dll $(call sample_folder,x86)/search_foreign.dll:
	$(call say,COPY,$@)
	$(Q)mkdir -p $(@D) && cp $< $@

# What `peload compare` is to expect of them.
SAMPLES_X64 += $(call sample_folder,x64)/compare.expect
SAMPLES_X86 += $(call sample_folder,x86)/compare.expect
$(call sample_folder,x64)/compare.expect $(call sample_folder,x86)/compare.expect: $(SAMPLES_SOURCE)/compare.expect
	$(call say,COPY,$@)
	$(Q)mkdir -p $(@D) && cp $< $@

-include $(patsubst %.o,%.d,$(foreach machine,x64 x86,$(foreach name,$(SAMPLE_PROGRAMS) $(SAMPLE_DLLS), \
  $(call sample_objects,$(machine),$(name)))))

.DEFAULT_GOAL := $(SAMPLES_OLD_GOAL)
