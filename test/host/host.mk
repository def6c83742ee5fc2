# Kernel code compiled for the host under the sanitizers, and the drivers that exercise it.
#
# The files of kern/ are compiled unchanged.  test/host/include comes before kern/ and is included first, so that this_hart()
# needs no register of RISC-V; what the machine and the scheduler would do is in test/host/fake_*.c.
#
#   make host-test                      builds build/host/drivers, which pytest runs
#   make fuzz TARGET=pagers SECONDS=60  lets libFuzzer make a driver's choices (needs clang and its runtime)

HOST_CC    ?= gcc
FUZZ_CC    ?= clang
TARGET     ?= page_list
SECONDS    ?= 60

HOST_KERNEL := kern/lib/tree.c kern/lib/kprintf.c kern/lib/command_line.c kern/sync/spinlock.c \
               kern/object/object.c kern/object/handle.c \
               $(addprefix kern/task/,wait_queue.c timer.c thread.c process.c) \
               $(wildcard kern/ipc/*.c) $(wildcard kern/vm/*.c) kern/mm/heap.c
HOST_OWN    := $(wildcard test/host/*.c)
HOST_FLAGS  := -std=gnu11 -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer -Itest/host/include -Ikern -Iarch/riscv \
               -Itest/host -include sync/spinlock.h -MMD -MP -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_OBJECTS := $(HOST_KERNEL:%=build/host/%.o) $(HOST_OWN:%=build/host/%.o)
FUZZ_OBJECTS := $(HOST_OBJECTS:build/host/%=build/fuzz/%)

# The real heap stands beside the one of malloc; a lock that is taken twice is a report, not a wait.
build/host/kern/mm/heap.c.o build/fuzz/kern/mm/heap.c.o: HOST_FLAGS += \
    $(foreach name,heap_init heap_alloc heap_alloc_zeroed heap_free,-D$(name)=kernel_$(name))
build/host/kern/sync/spinlock.c.o build/fuzz/kern/sync/spinlock.c.o: HOST_FLAGS += -Dspin_contended=spin_wait

build/host/%.o: % test/host/host.mk
	$(call say,HOSTCC,$<)
	$(Q)mkdir -p $(@D) && $(HOST_CC) $(HOST_FLAGS) -c -o $@ $<

build/fuzz/%.o: % test/host/host.mk
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(HOST_FLAGS) -fsanitize=fuzzer-no-link -DFUZZ -c -o $@ $<

build/host/drivers: $(HOST_OBJECTS)
	$(call say,HOSTLD,$@)
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $@ $(HOST_OBJECTS)

build/fuzz/drivers: $(FUZZ_OBJECTS)
	$(call say,FUZZLD,$@)
	$(Q)$(FUZZ_CC) -fsanitize=address,undefined,fuzzer -o $@ $(FUZZ_OBJECTS)

host-test: build/host/drivers

# Without clang's fuzzer the same drivers run for as long, with one seed after the other.
HAVE_FUZZER = $(shell echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' | \
                  $(FUZZ_CC) -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null && echo yes)

fuzz:
	$(Q)$(MAKE) --no-print-directory $(if $(HAVE_FUZZER),fuzz-bytes,fuzz-seeds)

fuzz-bytes: build/fuzz/drivers
	$(Q)mkdir -p build/fuzz/corpus/$(TARGET)
	$(Q)cd build/fuzz && QUIRE_FUZZ_TARGET=$(TARGET) ./drivers -max_total_time=$(SECONDS) -max_len=2000 \
	    -print_final_stats=1 corpus/$(TARGET)

fuzz-seeds: build/host/drivers
	$(Q)end=$$(($$(date +%s) + $(SECONDS))); seed=1; while [ $$(date +%s) -lt $$end ]; do \
	    build/host/drivers $(TARGET) $$seed || exit 1; seed=$$((seed + 1)); done

.PHONY: host-test fuzz fuzz-bytes fuzz-seeds

-include $(HOST_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d)
